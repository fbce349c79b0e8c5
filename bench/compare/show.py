"""A comparison on the terminal, as Markdown, as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.compare.rows import A, B, Comparison, Row
from bench.records.record import Record
from bench.show import fairness, scores
from bench.show.captions import counted
from bench.show.tables import memory_text, number, status_text
from bench.statistics import intervals
from bench.statistics.intervals import Estimate, median_of
from bench.statistics.steps import percentile
from bench.terminal import grids
from bench.terminal.csv_files import csv_text
from bench.terminal.grids import NOTHING
from bench.terminal.printable import markdown_text
from shared.store import SPLITS

KEY_COLUMNS = 5  # of a row: framework, arm, replicas, precision, input
TOLD_ONCE = ("arm", "precision", "input", "status", "certificate")  # above the table, where all rows agree
# of a cell's repeats that ended well, each shown for A and B
FIGURES: dict[str, Callable[[Sequence[Record]], str]] = {
    "step p50 ms": lambda records: number(step_p50(records), 1),
    "first step s": lambda records: number(median_of([record.time_to_first_step for record in records]), 1),
    "peak memory GiB": lambda records: memory_text(records),
    "J/1000 samples": lambda records: number(energy(records), 1),
}


def step_p50(records: Sequence[Record]) -> float | None:
    """Median time of a step, ms, over all steps of all repeats."""
    steps = [second for record in records for second in record.step_seconds]
    return percentile(steps, 50) * 1e3 if steps else None


def energy(records: Sequence[Record]) -> float | None:
    """J for 1,000 samples: the median over repeats; None where no GPU told."""
    return median_of([record.usage.energy_per_1000_samples if record.usage else None for record in records])


def both(a: str, b: str) -> str:
    """One text where both are equal, else the two of them."""
    return a if a == b else f"{a} / {b}"


def estimate_text(estimate: Estimate | None, digits: int) -> str:
    """An estimate with its interval, or the mark for nothing."""
    return NOTHING if estimate is None else intervals.text(estimate, digits)


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings, and the texts of each row. A figure that no cell has is left out."""
    of_scores = scores.heading(record for row in comparison.rows for record in (*row.match.a, *row.match.b))
    lines = [row_texts(row, of_scores) for row in comparison.rows]
    may_lack = (*FIGURES, of_scores)
    names = dict.fromkeys(name for line in lines for name in line)
    present = [
        name for name in names if name not in may_lack or any(line.get(name, NOTHING) != NOTHING for line in lines)
    ]
    return present, [[line.get(name, NOTHING) for name in present] for line in lines]


def row_texts(row: Row, of_scores: str) -> dict[str, str]:
    """One row, heading to text.

    Args:
        of_scores: the heading of their column (`bench.show.scores`).
    """
    a, b = row.match.a, row.match.b
    ratio, unit = estimate_text(row.ratio, 3), "samples/s" if row.batch is None else "p50 ms"
    if row.ratio is not None:
        ratio += f" ({counted(row.ratio.count, 'pair')})" if row.paired else " (unpaired)"
    texts = {
        "framework": row.match.columns,
        "arm": both(a[0].arm, b[0].arm),
        "replicas": f"{a[0].replicas}{' (oversubscribed)' if a[0].oversubscribed or b[0].oversubscribed else ''}",
        "precision": both(a[0].precision, b[0].precision),
        "input": both(a[0].input_mode, b[0].input_mode),
        **({} if row.batch is None else {"batch": str(row.batch)}),
        f"{A} {unit}": estimate_text(row.a, 2),
        f"{B} {unit}": estimate_text(row.b, 2),
        f"{B} / {A}": ratio,
        "verdict": f"NOT COMPARABLE; {row.verdict}" if row.match.mismatches else row.verdict,
    }
    good = [[record for record in side if record.status == "ok"] for side in (a, b)]
    for name, figure in FIGURES.items():
        texts[name] = both(*(figure(side) for side in good))
    texts[of_scores] = both(*(scores.text(side, of_scores) for side in good))
    texts["status"] = both(status_text(a), status_text(b))
    return texts | {"certificate": both(a[0].certificate, b[0].certificate)}


def lines_below(comparison: Comparison) -> list[str]:
    """What a reader of the table must be told."""
    head = [comparison.not_comparable] if comparison.not_comparable else []
    return [*head, *comparison.notes]


def sentence(row: Row) -> str:
    """The verdict on one row, for where the table's columns are narrow."""
    where, texts = f"{row.match.columns} at {counted(row.match.a[0].replicas)}", row_texts(row, scores.ANY)
    where += "" if row.batch is None else f", latency at batch {row.batch}"
    return f"{where}, {texts['input']}: {B} / {A} {texts[f'{B} / {A}']}: {texts['verdict']}"


def environment_line(comparison: Comparison) -> str:
    """Whether both were measured in the same environment."""
    if comparison.environment is None:
        return "environments: not known on both sides (no environment.json beside the records)"
    if not comparison.environment:
        return "environments: the same hardware, driver, system, packages and revision"
    return f"environments differ in {', '.join(key for key, _, _ in comparison.environment)}"


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown: figures first, then the settings of both sides, then their environments."""
    parts = [f"## {markdown_text(f'{comparison.b.name} ({B}) against {comparison.a.name} ({A})')}"]
    if comparison.not_comparable:
        parts.append(f"**{markdown_text(comparison.not_comparable)}**")
    parts += [grids.markdown(*table(comparison)), "\n".join(f"- {markdown_text(note)}" for note in comparison.notes)]
    for columns, diff in comparison.fairness:
        parts += [f"### Settings: {markdown_text(columns)}", fairness.markdown(diff).strip()]
    parts += ["### Environments", markdown_text(environment_line(comparison))]
    if comparison.environment:
        parts.append(grids.markdown(["entry", A, B], comparison.environment))
    return "\n\n".join(parts) + "\n"


def csv(comparisons: Sequence[Comparison]) -> str:
    """A line per row of each comparison, in numbers."""
    import pandas

    lines = [csv_line(comparison, row) for comparison in comparisons for row in comparison.rows]
    return csv_text(pandas.DataFrame(lines))


def csv_line(comparison: Comparison, row: Row) -> dict[str, Any]:
    """One row with a column a figure and side."""
    line: dict[str, Any] = {"replicas": row.match.a[0].replicas}
    figure = "samples_per_second" if row.batch is None else "latency_p50_ms"
    line |= {} if row.batch is None else {"batch": row.batch}
    sides = (("a", comparison.a, row.match.a, row.a), ("b", comparison.b, row.match.b, row.b))
    for side, source, records, estimate in sides:
        good = [record for record in records if record.status == "ok"]
        line |= {f"source_{side}": source.name, f"column_{side}": records[0].column}
        line |= {f"{name}_{side}": getattr(records[0], name) for name in ("arm", "precision", "input_mode")}
        line |= {f"{name}_{side}": value for name, value in numbers(figure, estimate).items()}
        line |= {f"step_p50_ms_{side}": step_p50(good), f"energy_j_per_1000_samples_{side}": energy(good)}
        line[f"time_to_first_step_{side}"] = median_of([record.time_to_first_step for record in good])
        for memory in ("memory_rss_peak", "memory_allocator_peak"):
            line[f"{memory}_{side}"] = median_of([getattr(record, memory) for record in good])
        line[f"headline_{side}"] = records[0].headline
        for split in SPLITS:
            line[f"score_{split}_{side}"] = median_of([record.score(split) for record in good])
        line |= {f"status_{side}": status_text(records), f"certificate_{side}": records[0].certificate}
    line |= numbers("ratio", row.ratio)
    line |= {"paired": row.paired, "least_effect": row.least_effect, "verdict": row.verdict}
    return line | {"not_comparable": row.match.why}


def numbers(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    """An estimate in columns."""
    found = estimate or Estimate(float("nan"), None, None, 0, intervals.LEVEL, 0.0)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_count": found.count}


def print_comparison(comparison: Comparison) -> None:
    """The comparison on standard output."""
    console = grids.stdout()
    headings, rows = table(comparison)
    title = f"{comparison.b.name} ({B}) against {comparison.a.name} ({A})"
    grids.print_grid(console, headings, rows, keys=KEY_COLUMNS, once=TOLD_ONCE, title=title)
    grids.say(console, [*map(sentence, comparison.rows), *lines_below(comparison)])
    for columns, diff in comparison.fairness:
        grids.say(console, [f"{columns}: {fairness.verdict_line(diff)}"])
        headings, rows = fairness.table_rows(diff)
        if rows:
            # a setting may differ in one way here and in another there: both name a row
            order = sorted(range(len(headings)), key=lambda place: headings[place] not in ("setting", "where"))
            headings, rows = [headings[at] for at in order], [[row[at] for at in order] for row in rows]
            differing = f"settings that differ: {columns}"
            grids.print_grid(console, headings, rows, keys=2, once=("verdict",), title=differing, figures=False)
    grids.say(console, [environment_line(comparison)])
    if comparison.environment:
        grids.print_grid(console, ["entry", A, B], comparison.environment, title="environments", figures=False)
