"""What statistics have to say below a table: column against column, what the intervals are, which steps stood out."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records import identity
from bench.records.columns import column_name
from bench.records.repeats import Row, cell_name, throughput_ratio
from bench.records.sittings import Sittings, apart_text
from bench.show.disturbances import cell_text, sides_text
from bench.statistics import intervals
from bench.statistics.words import direction_text, family_notes, level_text


def column_ratios(rows: Sequence[Row]) -> list[tuple[Row, Row, intervals.Estimate]]:
    """The first column's row, another's of the same settings and replicas, and its throughput over the first's."""
    places: dict[identity.Values, list[Row]] = {}
    for row in rows:
        places.setdefault(identity.place(row.records[0]), []).append(row)
    pairs = [(first, other) for first, *others in places.values() for other in others]
    sittings = Sittings(record for row in rows for record in row.records)
    ratios = [(first, other, throughput_ratio(other.records, first.records, sittings)) for first, other in pairs]
    return [(first, other, ratio) for first, other, ratio in ratios if ratio is not None]


def ratio_lines(rows: Sequence[Row]) -> list[str]:
    """The throughput of each column over that of the first, where both have a cell of the same settings and replicas.

    "TensorFlow / PyTorch at 1 replica: 0.84 [0.81, 0.87], 8 pairs"
    """
    return [
        f"{column_name(other.records[0])} / {cell_name(first, rows)}: {intervals.text(ratio, 2)}, {basis(ratio)}"
        + sides_note(first, other)
        for first, other, ratio in column_ratios(rows)
    ]


def sides_note(first: Row, other: Row) -> str:
    """Which of two columns was disturbed, to follow their ratio; empty where none is known to have been."""
    text = sides_text({column_name(row.records[0]): row.records for row in (first, other)})
    return f"; {text}" if text else ""


def disturbance_notes(rows: Sequence[Row]) -> list[str]:
    """What is known to spoil the figures, a line per cell."""
    return [f"{cell_name(row, rows)}: {text}" for row in rows if (text := cell_text(row.records))]


def basis(ratio: intervals.Estimate) -> str:
    """What a ratio of throughputs rests on."""
    words = f"{ratio.count} pair{'' if ratio.count == 1 else 's'}"
    if ratio.count == 0:
        words = "of the medians: no repeats that ran side by side"
    return f"{words}; {apart_text(ratio.apart)}" if ratio.apart else words


def interval_notes(rows: Sequence[Row]) -> list[str]:
    """What the brackets are, or what so few repeats could have had for them."""
    counts = sorted({row.throughput.count for row in rows if row.throughput is not None})
    needed, lines = intervals.fewest(), []
    levels = [each.level for row in rows if (each := row.throughput) is not None and each.interval is not None]
    if levels:
        lines.append(f"[low, high]: {level_text(levels)} interval over processes, two-sided")
    ratios = [ratio for _, _, ratio in column_ratios(rows) if ratio.interval is not None]
    speedups = [each for row in rows if (each := row.speedup) is not None and each.interval is not None]
    if held := [each.level for each in [*speedups, *ratios]]:
        lines.append(
            f"of speedup, efficiency and ratios: {level_text(held)} over pairs of repeats that ran side by side; "
            + direction_text(held)
        )
        lines += family_notes(held)
    lines += [
        f"speedup of {cell_name(row, rows)}: {apart_text(row.speedup.apart)}"
        for row in rows
        if row.speedup is not None and row.speedup.apart
    ]
    if counts and counts[0] < needed:
        few = counts[0]
        best = f"{100 * intervals.attainable_level(few):.4g} % interval at best" if few > 1 else "no interval"
        gives = f"--repeats {needed} gives one of {level_text([intervals.attainable_level(needed)])}"
        lines.append(f"{few} repeat{'' if few == 1 else 's'} of a cell: {best}; {gives}")
    return lines


def outlier_notes(rows: Sequence[Row]) -> list[str]:
    """The cells some of whose steps stood out, each process held against its own median; throughput includes them."""
    lines = []
    for row in rows:
        steps = [record.step_seconds for record in row.records if record.status == "ok" and record.step_seconds]
        found = [intervals.outlying(each) for each in steps]
        count, total = sum(each.count for each in found), sum(each.steps for each in found)
        if count:
            slow = sum(each.share * sum(seconds) for each, seconds in zip(found, steps, strict=True))
            share = 100 * slow / sum(map(sum, steps))
            verb = "is an outlier" if count == 1 else "are outliers"
            it = "it counts" if count == 1 else "they count"
            lines.append(f"{cell_name(row, rows)}: {count} of {total} steps {verb} ({share:.0f} % of the time); {it}")
    return lines
