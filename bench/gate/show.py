"""A gate's result for people: a table on a terminal, Markdown for a pull request."""

from __future__ import annotations

from bench.gate.result import BenchmarkResult, GateResult

OUTCOMES = {
    "regression": "slower",
    "pass": "pass",
    "undecided": "pass, not decided",
    "error": "not measured",
}
COLUMNS = ("benchmark", "base samples/s", "head samples/s", "head / base", "bounds", "pairs", "outcome")


def cells(one: BenchmarkResult) -> tuple[str, ...]:
    """A row of the table."""
    base = "-" if one.base_throughput is None else f"{one.base_throughput:.2f}"
    head = "-" if one.head_throughput is None else f"{one.head_throughput:.2f}"
    ratio = "-" if one.ratio is None else f"{one.ratio:.3f}"
    return one.name, base, head, ratio, bounds(one), str(len(one.pairs) or len(one.head_values)), OUTCOMES[one.outcome]


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
                f"{one.name}: not decided after {len(one.pairs)} pairs; a slow-down of {one.smallest:.1%} or more "
                "could have been shown"
            )
        if one.spec_changed:
            told.append(f"{one.name}: base and head train different specs: the ratio is not of the same work")
        if one.reason:
            told.append(f"{one.name}: {one.reason}")
    for name, side in (("base", result.base), ("head", result.head)):
        if side is not None and side.dirty:
            told.append(f"{name} is dirty: files that differ from commit {side.commit[:10]}")
    return told


def against(result: GateResult) -> str:
    """What was held against what."""
    base = f"history {result.baseline}" if result.base is None else f"base {result.base.label}"
    return f"head {result.head.label} against {base}"


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
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *map(cells, result.benchmarks)]
    table = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    lines = [f"### bench gate: {result.headline}", "", against(result), "", *table, ""]
    lines += [f"- {text}" for text in notes(result)]
    return "\n".join([*lines, "", f"<sub>{footer(result)}</sub>", ""])


def print_result(result: GateResult) -> None:
    """The table on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="right" if column not in ("benchmark", "outcome") else "left")
    for one in result.benchmarks:
        table.add_row(*cells(one))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(against(result), markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    for text in [*notes(result), footer(result), result.headline]:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
