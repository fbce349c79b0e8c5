"""A gate's result for people: a table on a terminal, Markdown for a pull request."""

from __future__ import annotations

from bench.gate.power import POWER
from bench.gate.result import BenchmarkResult, GateResult
from bench.terminal import grids
from bench.terminal.printable import markdown_text, printable

NAMED = 3  # different disturbances a benchmark; the others are counted
OUTCOMES = {
    "regression": "slower",
    "intermittent": "intermittent",
    "pass": "pass",
    "undecided": "pass, not decided",
    "error": "not measured",
}
COLUMNS = ("benchmark", "base samples/s", "head samples/s", "head / base", "bounds", "typical step", "pairs", "outcome")


def cells(one: BenchmarkResult) -> tuple[str, ...]:
    """A row of the table."""
    base = "-" if one.base_throughput is None else f"{one.base_throughput:.2f}"
    head = "-" if one.head_throughput is None else f"{one.head_throughput:.2f}"
    ratio = "-" if one.ratio is None else f"{one.ratio:.3f}"
    typical = "-" if one.typical is None else f"{one.typical:.3f}"
    count = str(len(one.pairs) or len(one.head_values))
    return one.name, base, head, ratio, bounds(one), typical, count, OUTCOMES[one.outcome]


def bounds(one: BenchmarkResult) -> str:
    """The interval of the ratio, with the level of either bound; "-" where there is none."""
    if one.low is None or one.high is None or one.level is None:
        return "-"
    return f"[{one.low:.3f}, {one.high:.3f}] at {one.level:.1%} each"


def notes(result: GateResult) -> list[str]:
    """What has to be known beside the table, a line each."""
    told = []
    for one in result.benchmarks:
        if one.outcome == "undecided" and one.smallest is not None:
            told.append(
                f"{one.name}: not decided after {len(one.pairs)} pairs; a slow-down of {one.smallest:.1%} would have "
                f"been shown with a probability of {POWER:.0%}"
            )
        if (text := stalls(one, result.threshold)) is not None:
            told.append(f"{one.name}: {text}")
        if one.batch is not None and one.base_throughput is not None and one.head_throughput is not None:
            base, head = (1e3 * one.batch / each for each in (one.base_throughput, one.head_throughput))
            told.append(
                f"{one.name}: median latency {base:.3g} ms before, {head:.3g} ms of the head; ratios are of 1 / it"
            )
        if one.apart and result.base is not None:
            told.append(f"{one.name}: base and head were measured one after the other, not side by side")
        if (text := disturbed(one)) is not None:
            told.append(f"{one.name}: {text}")
        if one.spec_changed:
            told.append(f"{one.name}: base and head train different specs: the ratio is not of the same work")
        if one.reason:
            told.append(f"{one.name}: {one.reason}")
    for name, side in (("base", result.base), ("head", result.head)):
        if side is not None and side.dirty:
            told.append(f"{name} is dirty: files that differ from commit {side.commit[:10]}")
    return list(map(printable, [*told, *result.unwritten]))


def stalls(one: BenchmarkResult, threshold: float) -> str | None:
    """Where whole windows and typical steps are shown to differ by more than the threshold: who stalls."""
    if one.gap_low is None or one.gap_high is None or one.ratio is None or one.typical is None:
        return None
    ratios = f"over whole windows head / base is {one.ratio:.3f}, of typical steps {one.typical:.3f}"
    if one.gap_high < 1 - threshold:
        return f"intermittent: {ratios}: some of the head's steps stall"
    if one.gap_low > 1 / (1 - threshold):
        return f"intermittent: {ratios}: some of the base's steps stall"
    return None


def disturbed(one: BenchmarkResult) -> str | None:
    """How many pairs were disturbed, as far as the sides' records know, and by what."""
    texts = [text for pair in one.pairs for text in pair.disturbances]
    if not texts:
        return None
    kinds = dict.fromkeys(texts)
    more = f"; and {len(kinds) - NAMED} more" if len(kinds) > NAMED else ""
    count = sum(bool(pair.disturbances) for pair in one.pairs)
    return f"{count} of {len(one.pairs)} pairs disturbed: {'; '.join([*kinds][:NAMED])}{more}"


def against(result: GateResult) -> str:
    """What was held against what."""
    base = f"history {result.baseline}" if result.base is None else f"base {result.base.label}"
    return printable(f"head {result.head.label} against {base}")


def versions(result: GateResult) -> str:
    """Versions of either side, once where they are equal."""
    sides = [side for side in (result.base, result.head) if side is not None]
    texts = [", ".join(f"{name.removeprefix('version.')} {value}" for name, value in sorted(side.versions.items()))
             for side in sides]  # fmt: skip
    if len(set(texts)) == 1:
        return texts[0] or "versions not recorded"
    return f"base: {texts[0]}; head: {texts[1]}"


def footer(result: GateResult) -> str:
    """Threshold, guarantee, machine."""
    return (
        f"threshold {result.threshold:.1%}; {result.guarantee}. Measured on {result.device_name} in "
        f"{result.seconds:.0f} s; {versions(result)}"
    )


def markdown(result: GateResult) -> str:
    """For a pull request."""
    lines = [f"### bench gate: {markdown_text(result.headline)}", "", markdown_text(against(result)), ""]
    lines += [grids.markdown(COLUMNS, [cells(one) for one in result.benchmarks]), ""]
    lines += [f"- {markdown_text(text)}" for text in notes(result)]
    return "\n".join([*lines, "", f"<sub>{markdown_text(footer(result))}</sub>", ""])


def print_result(result: GateResult) -> None:
    """The table on standard output."""
    from bench.terminal.grids import print_grid, say, stdout

    console = stdout()
    say(console, [against(result)])
    print_grid(console, COLUMNS, [cells(one) for one in result.benchmarks])
    say(console, [*notes(result), footer(result), result.headline])
