"""A gate's result for programs: JUnit XML, and the formats that benchmark trackers take."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from xml.etree import ElementTree

from bench.gate.result import FAILURES, BenchmarkResult, GateResult
from bench.gate.show import against, bounds, footer, markdown, notes, stalls
from bench.host.files import TEMPORARY, write_atomically
from bench.terminal.printable import printable
from shared.errors import UserError


def junit(result: GateResult) -> str:
    """One test case a benchmark: what fails the gate is a failure, what could not be measured an error."""
    outcomes = [one.outcome for one in result.benchmarks]
    counts = {
        "tests": str(len(outcomes)),
        "failures": str(sum(outcome in FAILURES for outcome in outcomes)),
        "errors": str(outcomes.count("error")),
        "skipped": "0",
        "time": f"{sum(one.seconds for one in result.benchmarks):.3f}",
    }
    suites = ElementTree.Element("testsuites", {"name": "bench gate", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "bench gate", "timestamp": result.started, **counts})
    for one in result.benchmarks:
        attributes = {"classname": "bench.gate", "name": one.name, "time": f"{one.seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if one.outcome in FAILURES:
            what = stalls(one, result.threshold) or "slower than the threshold allows"
            failure = {"type": one.outcome, "message": f"{ratio_text(one)}: {what}"}
            ElementTree.SubElement(case, "failure", failure).text = footer(result)
        elif one.outcome == "error":
            ElementTree.SubElement(
                case, "error", {"type": "measurement", "message": printable(one.reason or "not measured")}
            )
        ElementTree.SubElement(case, "system-out").text = f"{ratio_text(one)}, {counted(one)}; {one.outcome}"
    ElementTree.SubElement(suite, "system-out").text = "\n".join([against(result), *notes(result)])
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True).decode() + "\n"


def ratio_text(one: BenchmarkResult) -> str:
    """The ratio with its bounds."""
    return (
        "no ratio"
        if one.ratio is None
        else f"head / {'history' if one.head_values else 'base'} {one.ratio:.3f} {bounds(one)}"
    )


def counted(one: BenchmarkResult) -> str:
    """What the ratio is from."""
    return f"{len(one.head_values)} processes of the head" if one.head_values else f"{len(one.pairs)} pairs"


def head_bounds(one: BenchmarkResult) -> tuple[float, float] | None:
    """The head's throughput as the bounds of the ratio have it, in samples/s."""
    if one.low is None or one.high is None or one.base_throughput is None:
        return None
    if not (math.isfinite(one.low) and math.isfinite(one.high)):
        return None
    return one.base_throughput * one.low, one.base_throughput * one.high


def github_action_benchmark(result: GateResult) -> str:
    """The array that github-action-benchmark reads with `tool: customBiggerIsBetter`: the head's throughputs."""
    entries = []
    for one in result.benchmarks:
        if one.head_throughput is None:
            continue
        entry: dict[str, object] = {"name": one.name, "unit": "samples/s", "value": one.head_throughput}
        if (interval := head_bounds(one)) is not None:
            entry["range"] = f"± {(interval[1] - interval[0]) / 2:.3g}"
        entry["extra"] = f"{ratio_text(one)}\n{one.outcome}, {counted(one)}\nhead {result.head.label}"
        entries.append(entry)
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def bencher(result: GateResult) -> str:
    """Bencher Metric Format (adapter `json`): throughput in samples/s, and the ratio to the base."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for one in result.benchmarks:
        if one.head_throughput is None or one.ratio is None:
            continue
        measures = {"throughput": {"value": one.head_throughput}, "ratio-to-base": {"value": one.ratio}}
        if (interval := head_bounds(one)) is not None:
            # the median of the head's processes may lie outside what the ratios say; Bencher refuses no such value
            measures["throughput"] |= {"lower_value": interval[0], "upper_value": interval[1]}
            measures["ratio-to-base"] |= {"lower_value": float(one.low or 0), "upper_value": float(one.high or 0)}
        content[one.name] = measures
    return json.dumps(content, indent=1) + "\n"


def write_outputs(
    result: GateResult, files: Mapping[str, Path | None], tracker_format: str
) -> tuple[list[Path], list[str]]:
    """Write what was asked for, each file whole or not at all; one that cannot be written keeps no other from it.

    Args:
        files: "markdown", "junit", "json", "tracker" to its path; None: not asked for.

    Returns:
        what was written; a line for each file that was not.
    """
    trackers = {"github-action-benchmark": github_action_benchmark, "bencher": bencher}
    texts = {
        "markdown": lambda: markdown(result),
        "junit": lambda: junit(result),
        "json": lambda: result.model_dump_json(indent=1) + "\n",
        "tracker": lambda: trackers[tracker_format](result),
    }
    written, unwritten = [], []
    for kind, path in files.items():
        if path is not None:
            try:
                write_atomically(path.resolve(), texts[kind]())
                written.append(path)
            except (OSError, ValueError) as error:
                unwritten.append(f"--{kind} {path}: cannot be written ({getattr(error, 'strerror', None) or error})")
    return written, unwritten


def check_writable(files: Mapping[str, Path | None]) -> None:
    """Whether the outputs can be written: refused before minutes are spent, not after.

    Raises:
        UserError: one cannot, or two would be the same file.
    """
    seen: dict[Path, str] = {}
    for kind, path in files.items():
        if path is None:
            continue
        target = path.resolve()  # what a link leads to is written, the link stays
        if target in seen:
            raise UserError(f"--{kind} {path}: the file of --{seen[target]}, too; name another")
        seen[target] = kind
        if target.exists() and not target.is_file():
            raise UserError(f"--{kind} {path}: no file can be written there: it is something else")
        try:
            with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=TEMPORARY) as trial:
                trial.write(b"\0")
                trial.flush()
        except OSError as error:
            raise UserError(
                f"--{kind} {path}: no file can be written there ({error.strerror}); name one in a folder that exists"
            ) from None
