"""Real gates, many times over: false alarms of A/A gates, and how often a planted slow-down is caught.

`python -m bench.studies.gate.shown --gates 20 --plant none --out results/reference/gate-aa.jsonl`. Each gate is one
`bench gate` on the command line, in a scratch clone of this checkout's HEAD. A line a gate, and beside it a page of
Markdown; a second call goes on where the first one ended.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from bench.gate.result import FAILURES, GateResult
from bench.host.files import write_atomically
from bench.host.locations import PROJECT_ROOT, results_directory
from bench.studies.gate.planted import PLANTS, git, plant
from shared import spec
from shared.errors import UserError
from shared.frameworks import KEYS

STALL = 3.0  # times as long as the others is every tenth step
PROBE = {"sleep": 0.005, "copy": 4.0}  # planted first, to see what it costs
PROBE_PAIRS = 7
SIZED = (*PROBE, "wait")  # plants of which it is said how much they are to cost


def command_line(base: str, head: str, options: list[str], out: Path) -> list[str]:
    """A gate as a user types it."""
    return [sys.executable, "-P", "-m", "bench", "gate", "--base", base, "--head", head, *options, "--json", str(out)]


def run_gate(clone: Path, base: str, head: str, options: list[str], folder: Path) -> GateResult:
    """One gate.

    Raises:
        UserError: it could not measure.
    """
    out = folder / "gate.json"
    out.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(clone), "TWINBENCH_RESULTS": str(results_directory())}
    done = subprocess.run(
        command_line(base, head, options, out), cwd=clone, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode not in (0, 1) or not out.exists():
        raise UserError(f"a gate ended with {done.returncode}: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
    return GateResult.model_validate_json(out.read_text(encoding="utf-8"))


def calibrate(
    clone: Path, base: str, kind: str, framework: str, family: str, target: float, options: list[str], folder: Path
) -> float:
    """The amount of a plant that makes a step longer by a share, from one gate on a first guess.

    Raises:
        UserError: the guess cost nothing that could be measured.
    """
    git(clone, "checkout", "--quiet", "--detach", base)
    probe = plant(clone, kind, framework, family, PROBE[kind])
    result = run_gate(clone, base, probe, [*options, "--max-pairs", str(PROBE_PAIRS)], folder)
    one = result.benchmarks[0]
    cost = 1 / float(one.ratio or 1) - 1
    if cost <= 0:
        raise UserError(
            f"--plant {kind}: {PROBE[kind]} of it cost nothing here (ratio {one.ratio}); is the machine quiet?"
        )
    amount = PROBE[kind] * target / cost
    click.echo(f"{kind} {PROBE[kind]} makes a step {cost:.1%} longer; {target:.0%} takes {amount:.4g}", err=True)
    return round(amount, 6) if kind == "sleep" else float(max(1, round(amount)))


def line_of(result: GateResult, **settings: Any) -> dict[str, Any]:
    """One gate as it is kept."""
    one = result.benchmarks[0]
    return settings | {
        "outcome": one.outcome, "ratio": one.ratio, "low": one.low, "high": one.high, "pairs": len(one.pairs),
        "typical": one.typical, "log_ratios": [pair.log_ratio for pair in one.pairs],
        "typical_log_ratios": [pair.typical_log_ratio for pair in one.pairs if pair.typical_log_ratio is not None],
        "disturbed": sum(bool(pair.disturbances) for pair in one.pairs),
        "seconds": round(one.seconds, 1), "apart": one.apart,
        "threshold": result.threshold, "benchmark": one.name, "device": result.device_name,
        "versions": result.head.versions, "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def summary(lines: list[dict[str, Any]], command: str) -> str:
    """The page of Markdown."""
    first = lines[0]
    caught = sum(line["outcome"] in FAILURES for line in lines)
    spread = np.concatenate([np.asarray(line["log_ratios"]) - np.median(line["log_ratios"]) for line in lines])
    seconds = float(np.median([line["seconds"] for line in lines]))
    middle = float(np.median([line["ratio"] for line in lines]))
    what = "false alarms" if first["plant"] == "none" else "caught"
    longer = f" (a window {1 / middle - 1:.1%} longer)" if first["plant"] != "none" else ""
    typical = float(np.median([line["typical"] or math.nan for line in lines]))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(x["outcome"] for x in lines).items()))
    versions = ", ".join(f"{name.removeprefix('version.')} {value}" for name, value in first["versions"].items())
    rows = [
        f"| {number} | {line['outcome']} | {line['ratio']:.4f} | {limits(line)} | {line['typical'] or math.nan:.4f} | "
        f"{line['pairs']} | {line['disturbed']} | {line['seconds']:.0f} |"
        for number, line in enumerate(lines, start=1)
    ]
    return "\n".join([
        f"# {len(lines)} real gates, planted: {first['plant']} {first['amount']:.4g}", "",
        f"{what}: {caught} of {len(lines)} ({counts}). {first['benchmark']}, threshold {first['threshold']:.0%}, on "
        f"{first['device']}; {versions}.",
        f"Median of the ratios {middle:.4f}{longer}, of the typical step's {typical:.4f}; a pair's log-ratio "
        f"scatters with an sd of {float(spread.std()):.4f} within a gate; a gate takes {seconds:.0f} s at the median.",
        "",
        "| gate | outcome | head / base | bounds | typical step | pairs | disturbed | seconds |",
        "|" + " --- |" * 8, *rows,
        "", f"`{command}`", "",
    ])  # fmt: skip


def limits(line: dict[str, Any]) -> str:
    """The bounds of a gate's ratio."""
    return "-" if line["low"] is None else f"[{line['low']:.4f}, {line['high']:.4f}]"


def read_lines(out: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The gates that are there already.

    Raises:
        UserError: they are of other settings.
    """
    if not out.exists():
        return []
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if other := [name for name, value in settings.items() if line.get(name) != value]:
            raise UserError(f"{out}: gates with another {other[0]} are in it; name another file with --out")
        if "typical_log_ratios" not in line:
            raise UserError(f"{out}: gates that decided on the median over turns are in it; remove it, or name another")
    return lines


@click.command(context_settings={"show_default": True})
@click.option("--gates", type=click.IntRange(min=1), required=True, help="How many there shall be in the end.")
@click.option("--plant", "kind", type=click.Choice(PLANTS), default="none")
@click.option("--size", type=float, default=0.10, help="How much longer sleep, copies or wait make a step, a share.")
@click.option("--framework", type=click.Choice(KEYS), default=KEYS[0])
@click.option("--workload", default="bert-6l")
@click.option("--options", default="", help="More for `bench gate`, as one word: '--steps 60 --threshold 5%'.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSON lines.")
def main(gates: int, kind: str, size: float, framework: str, workload: str, options: str, out: Path) -> None:
    """Run real gates one after another; leave the machine alone meanwhile."""
    try:
        show(gates, kind, size, framework, workload, options, out.resolve())
    except UserError as error:
        raise click.UsageError(str(error)) from None


def show(gates: int, kind: str, size: float, framework: str, workload: str, options: str, out: Path) -> None:
    """As `main`.

    Raises:
        UserError: no plant could be made, or a gate could not measure.
    """
    settings = {"plant": kind, "framework": framework, "workload": workload, "options": options,
                "size": size if kind in SIZED else 0.0}  # fmt: skip
    lines = read_lines(out, settings)
    words = ["--framework", framework, "--workload", workload, *options.split()]
    family = spec.load(workload).model.family
    with TemporaryDirectory(prefix="twinbench-shown-") as temporary:
        folder = Path(temporary)
        clone = folder / "clone"
        git(PROJECT_ROOT, "clone", "--quiet", "--no-hardlinks", str(PROJECT_ROOT), str(clone))
        # a show that goes on gates the revision that it began with
        base = git(clone, "rev-parse", "--verify", f"{lines[0]['base'] if lines else 'HEAD'}^{{commit}}")
        amount = lines[0]["amount"] if lines else {"stall": STALL, "wait": size}.get(kind, 0.0)
        if kind in PROBE and not lines:
            amount = calibrate(clone, base, kind, framework, family, size, words, folder)
        git(clone, "checkout", "--quiet", "--detach", base)
        head = plant(clone, kind, framework, family, amount)
        while len(lines) < gates:
            begin = time.monotonic()
            result = run_gate(clone, base, head, words, folder)
            lines.append(line_of(result, **settings, amount=amount, base=base))
            write_atomically(out, "".join(json.dumps(line) + "\n" for line in lines))
            page = summary(
                lines, f"python -m bench.studies.gate.shown {' '.join(shown_words(gates, settings))} --out FILE"
            )
            write_atomically(out.with_suffix(".md"), page)
            last = lines[-1]
            seconds = time.monotonic() - begin
            click.echo(f"{len(lines)}/{gates}: {last['outcome']}, {last['ratio']:.4f}, {seconds:.0f} s", err=True)


def shown_words(gates: int, settings: dict[str, Any]) -> list[str]:
    """The command line of a show, for its page."""
    words = ["--gates", str(gates), "--plant", settings["plant"], "--framework", settings["framework"],
             "--workload", settings["workload"]]  # fmt: skip
    words += ["--size", str(settings["size"])] if settings["plant"] in SIZED else []
    return words + (["--options", f"'{settings['options']}'"] if settings["options"] else [])


if __name__ == "__main__":
    main()
