"""`bench gate`: fail where a revision trains slower than another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli import options
from shared.errors import UserError
from shared.protocol import FRAMEWORKS, INPUT_MODES

TRACKER_FORMATS = ("github-action-benchmark", "bencher")
MINUTE = 60.0


class Share(click.ParamType):
    """`5%` or `0.05`: a share below 1."""

    name = "SHARE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse; a click usage error says what may be typed."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            self.fail(f"{value!r} is no share of the throughput; write for example 5% or 0.05", param, ctx)
        return share


class Names(click.ParamType):
    """`bert-6l,effnet-b0`: each once, in the order typed."""

    name = "NAME,NAME,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse; a click usage error where nothing is named or something twice."""
        if isinstance(value, tuple):
            return value
        names = [part.strip() for part in str(value).split(",")]
        if not all(names) or len(set(names)) < len(names):
            self.fail(f"{value!r}: name each once, as bert-6l,effnet-b0", param, ctx)
        return tuple(names)


output = click.Path(dir_okay=False, path_type=Path)


@click.command("gate", context_settings={"show_default": True})
@click.option("--base", metavar="REV", help="Branch, tag or hash to hold the head against.")
@click.option("--head", metavar="REV", default=".", help="The revision that is judged; `.`: this checkout's HEAD.")
@click.option("--base-python", metavar="PYTHON", help="Interpreter of the base's workers: gates an upgrade.")
@click.option("--head-python", metavar="PYTHON", help="Interpreter of the head's workers.")
@options.framework
@click.option("--workload", type=Names(), default="bert-6l", help="Names of `bench list`, or TOML files.")
@options.preset
@click.option("--gpus", type=options.PositiveList(), default="1", help="Numbers of replicas.")
@options.device
@options.precision
@options.arm
@click.option(
    "--input", "input_mode", type=click.Choice(INPUT_MODES), default="device", help="disk, memory: the pipeline too."
)
@options.data
@click.option("--steps", type=options.POSITIVE, default=100, help="Measured steps a process.")
@click.option("--threshold", type=Share(), default="3%", help="The slow-down that is allowed.")
@click.option("--max-pairs", type=int, default=20, help="Pairs of processes a benchmark; 7 or more.")
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES", default=9.0,
    help="End undecided after this, though not before 7 pairs a benchmark. Adds no false alarms.",
)  # fmt: skip
@click.option("--apart", is_flag=True, help="One process after the other: for GPUs without memory for both.")
@click.option("--allow-dirty", is_flag=True, help="Measure the working tree as it is where `.` is dirty.")
@click.option("--allow-spec-change", is_flag=True, help="Compare although base and head train different specs.")
@click.option("--baseline", type=output, metavar="FILE", help="A history in place of a base: a weaker guarantee.")
@click.option("--update", is_flag=True, help="Add the head to the --baseline, unless it is a regression.")
@click.option("--markdown", type=output, metavar="FILE", help="For a pull request.")
@click.option("--junit", type=output, metavar="FILE", help="JUnit XML: a test case a benchmark.")
@click.option("--json", type=output, metavar="FILE", help="Everything, with every pair.")
@click.option("--tracker", type=output, metavar="FILE", help="For a benchmark tracker.")
@click.option("--tracker-format", type=click.Choice(TRACKER_FORMATS), default=TRACKER_FORMATS[0])
def command(**settings: Any) -> int:
    """Fail where the head trains slower than the base by more than the threshold.

    Both revisions are checked out in git worktrees and measured side by side, in pairs of fresh processes that take
    turns on the machine, until the interval of the ratio decides: 7 pairs or more. Exit status: 0 not slower, or not
    decided; 1 slower; 2 something could not be measured or was asked wrongly.

    With --base-python and --head-python alone it gates an upgrade: the same code on two interpreters.

    It says nothing of other machines, and of the pipeline only with --input disk. Leave the machine alone meanwhile.
    """
    from rich.console import Console

    from bench.gate.outputs import check_writable, write_outputs
    from bench.gate.show import print_result

    files = {kind: settings[kind] for kind in ("markdown", "junit", "json", "tracker")}
    check_writable(files)
    console = Console(stderr=True)
    result = measure(settings, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))
    print_result(result)
    for path in write_outputs(result, files, settings["tracker_format"]):
        click.echo(path)
    return int(result.exit_code)


def measure(settings: dict[str, Any], say: Any) -> Any:
    """The result of what was asked for.

    Raises:
        UserError: options that exclude each other, and all that a gate refuses.
    """
    from bench.gate.history import gate_history
    from bench.gate.run import Request, gate

    baseline, base, upgrade = settings["baseline"], settings["base"], settings["base_python"] or settings["head_python"]
    if baseline is not None and (base is not None or settings["base_python"]):
        raise UserError("--baseline is in place of a base: leave out --base and --base-python")
    if settings["update"] and baseline is None:
        raise UserError("--update adds to a history: name it with --baseline")
    if baseline is None and base is None and not upgrade:
        raise UserError("what is the head held against? name --base REV, --baseline FILE, or two interpreters with "
                        "--base-python and --head-python")  # fmt: skip
    request = Request(
        base=base or settings["head"],
        head=settings["head"],
        benchmarks=benchmarks(settings),
        threshold=settings["threshold"],
        most_pairs=settings["max_pairs"],
        base_python=settings["base_python"],
        head_python=settings["head_python"],
        allow_dirty=settings["allow_dirty"],
        allow_spec_change=settings["allow_spec_change"],
        apart=settings["apart"],
        time_limit=settings["time_limit"] * MINUTE,
    )
    return gate(request, say) if baseline is None else gate_history(request, baseline, settings["update"], say)


def benchmarks(settings: dict[str, Any]) -> tuple[Any, ...]:
    """Each workload in each framework at each number of replicas; files by their whole path, for the worktrees."""
    from bench.gate.running import Benchmark

    asked = settings["framework"]
    data = settings["data"] and str(Path(settings["data"]).resolve())
    return tuple(
        Benchmark(
            framework=framework,
            workload=str(Path(workload).resolve()) if workload.endswith(".toml") else workload,
            replicas=replicas,
            input_mode=settings["input_mode"],
            preset=settings["preset"],
            steps=settings["steps"],
            data=data,
            device=settings["device"],
            precision=settings["precision"],
            arm=settings["arm"],
        )
        for workload in settings["workload"]
        for framework in (FRAMEWORKS if asked == "both" else (asked,))
        for replicas in settings["gpus"]
    )
