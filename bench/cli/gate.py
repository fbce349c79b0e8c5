"""`bench gate`: fail where a revision trains, or answers, slower than another."""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from bench.cli import options
from shared.errors import UserError
from shared.frameworks import KEYS
from shared.protocol import INPUT_MODES, MODES

TRACKER_FORMATS = ("github-action-benchmark", "bencher")
MINUTE = 60.0
OF_PAIRS = ("max_pairs", "time_limit", "apart", "allow_spec_change", "resume")  # options that a history has no use for


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
@click.option("--gpus", "replicas", type=options.PositiveList(), default="1", help="Numbers of replicas.")
@options.device
@options.precision
@options.arm
@click.option(
    "--input", "input_mode", type=click.Choice(INPUT_MODES), default="device", help="disk, memory: the pipeline too."
)
@options.data
@click.option("--mode", type=click.Choice(MODES), default=MODES[0], help="infer: the median latency of requests.")
@click.option("--batches", type=options.BatchList(), help="Of --mode infer: samples per request. Default: 1.")
@click.option("--steps", type=options.POSITIVE, default=100, help="Measured steps, or calls, per process.")
@click.option("--threshold", type=Share(), default="3%", help="The slow-down that is allowed.")
@click.option("--max-pairs", type=int, default=20, help="Pairs of processes a benchmark; 7 or more.")
@click.option(
    "--time-limit", type=options.NumberRange(min=0, min_open=True), metavar="MINUTES", default=9.0,
    help="Begin no pair later than this after the first, except where a benchmark has fewer than 7.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the pairs of the gate before this one, which did not end.")
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

    Both revisions are checked out in git worktrees and measured in pairs of fresh processes that take turns on the
    machine, until the interval of the ratio of whole windows decides: 7 pairs or more. Exit status: 0 not slower, or
    not decided; 1 slower, or intermittent: steps that stall; 2 something could not be measured or written, or was
    asked wrongly.

    With --base-python and --head-python alone it gates an upgrade: the same code on two interpreters.

    It says nothing of other machines, and of the pipeline only with --input disk. Leave the machine alone meanwhile.
    """
    with an_error_is_no_regression():
        from bench.gate.outputs import check_writable, write_outputs

        files = {kind: settings[kind] for kind in ("markdown", "junit", "json", "tracker")}
        check_writable(files | {"baseline": settings["baseline"] if settings["update"] else None})
        result = measure(settings, progress)
        written, unwritten = write_outputs(result, files, settings["tracker_format"])
        if unwritten:
            result = result.model_copy(update={"unwritten": [*result.unwritten, *unwritten]})
        show(result, written)
        if result.unwritten:
            raise UserError("; ".join(result.unwritten))
        return int(result.exit_code)


def progress(text: str) -> None:
    """A line on standard error; a gate does not end because nobody can read it."""
    from bench.terminal.printable import printable

    with suppress(OSError):
        click.echo(printable(text), err=True)


def show(result: Any, written: Sequence[Path]) -> None:
    """The result on standard output, and the files that it is in.

    Raises:
        UserError: standard output takes nothing (a full disk). Where it is closed nobody reads, and nothing is said.
    """
    from bench.gate.show import print_result

    if sys.stdout is None:
        return
    try:
        print_result(result)
        for path in written:
            click.echo(path)
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):  # what is still to be flushed goes nowhere, at the end either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError | ValueError):
            reason = error.strerror or error
            raise UserError(f"standard output cannot be written ({reason}); the result: {result.headline}") from None


@contextmanager
def an_error_is_no_regression() -> Iterator[None]:
    """Whatever fails, the gate ends with 2: Python's own 1 would say that the head is slower.

    Raises:
        UserError: in place of what nobody foresaw.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"not measured: {error}") from error
    except (UserError, click.ClickException):
        raise
    except Exception as error:
        traceback.print_exc()
        raise UserError(f"not measured: an error in the gate itself ({type(error).__name__}: {error})") from error


def measure(settings: dict[str, Any], say: Any) -> Any:
    """The result of what was asked for.

    Raises:
        UserError: options that exclude each other, and all that a gate refuses.
    """
    from bench.gate.history import gate_history
    from bench.gate.measurement import Request
    from bench.gate.run import gate

    check_typed(settings)
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
        resume=settings["resume"],
    )
    return gate(request, say) if baseline is None else gate_history(request, baseline, settings["update"], say)


def check_typed(settings: dict[str, Any]) -> None:
    """Refuse what would be measured differently from what was meant.

    Raises:
        UserError: an empty name (of a variable that a workflow did not set, say), no finite limit, options without use.
    """
    for name in ("base", "head", "base_python", "head_python"):
        if settings[name] is not None and not settings[name].strip():
            raise UserError(f"--{name.replace('_', '-')}: empty; name one, or leave the option out")
    if not math.isfinite(settings["time_limit"]):
        raise UserError(f"--time-limit {settings['time_limit']}: name a finite number of minutes")
    if settings["mode"] == "train" and settings["batches"] is not None:
        raise UserError("--batches: sizes of requests; say --mode infer")
    context = click.get_current_context(silent=True)
    if settings["baseline"] is not None and context is not None:
        typed = [name for name in OF_PAIRS if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
        if typed:
            raise UserError(f"--{typed[0].replace('_', '-')}: of no use with --baseline, which measures no pairs")


def benchmarks(settings: dict[str, Any]) -> tuple[Any, ...]:
    """Each workload in each framework at each number of replicas and batch size; files by their whole path, for the
    worktrees."""
    from bench.gate.running import Benchmark

    asked = settings["framework"]
    data = settings["data"] and str(Path(settings["data"]).resolve())
    infers, mode = settings["mode"] == "infer", settings["input_mode"]
    return tuple(
        Benchmark(
            framework=framework,
            workload=str(Path(workload).resolve()) if workload.endswith(".toml") else workload,
            replicas=replicas,
            input_mode="memory" if infers and mode == "device" else mode,
            preset=settings["preset"],
            steps=settings["steps"],
            data=data,
            device=settings["device"],
            precision=settings["precision"],
            arm=settings["arm"],
            batch=batch,
        )
        for workload in settings["workload"]
        for framework in (KEYS if asked == options.ALL else (asked,))
        for replicas in settings["replicas"]
        for batch in ((settings["batches"] or (1,)) if infers else (None,))
    )
