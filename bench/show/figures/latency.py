"""Latency and throughput of an inference against the batch size."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from bench.records.latency import Figure as Quantity
from bench.records.latency import SizeRow, size_rows, value_of
from bench.show import captions as words
from bench.show.figures.style import draw_legend, line_handle, new_figure, style_of, styled
from bench.show.groups import Group, Series

PANEL_WIDTH = 3.5  # inches: each of the two is as wide as another figure


@styled
def latency_figure(group: Group) -> Figure:
    """Two panels over the batch size, both axes logarithmic: the median latency with its 95th percentile, and samples
    per second; a line per column, arm and number of replicas, the interval or the range of its repeats as a band.

    Args:
        group: of records of inference.
    """
    rows = size_rows(group.records)
    series = {line.key: line for line in group.series(lambda record: float(bool(record.inference)) or None)}
    failed = [f"{words.CROSS} {row.records[0].cell_id}: {row.reason}" for row in rows if row.reason]
    notes = ["thin line: the 95th percentile; band: the interval over repeats where there are enough, else their range"]
    figure, (left, right) = new_figure(words.caption(group), [*notes, *failed], 2, share=False)
    figure.set_size_inches(2 * PANEL_WIDTH, figure.get_size_inches()[1])
    for replicas in group.replicas:
        for line in series.values():
            own = [row for row in rows if is_of(row, line, replicas)]
            draw(left, line, own, "p50_ms")
            draw(left, line, own, "p95_ms", thin=True)
            draw(right, line, own, "samples_per_second")
    sizes = sorted({row.batch for row in rows if row.batch is not None}) or [1]
    for axes, name in ((left, "latency, ms"), (right, "samples/s")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("samples per request")
        axes.set_ylabel(name)
    left.set_title("Latency of a request")
    right.set_title("Throughput, back to back")
    draw_legend(figure, [*map(line_handle, series.values())])
    return figure


def is_of(row: SizeRow, line: Series, replicas: int) -> bool:
    """Whether a row is of a series, and has a figure."""
    first = row.records[0]
    return (first.column, first.arm, first.replicas) == (line.column, line.arm, replicas) and row.reason is None


def draw(axes: Axes, line: Series, rows: Sequence[SizeRow], quantity: Quantity, thin: bool = False) -> None:
    """One quantity over the batch size; hollow where unverified."""
    style, drawn = style_of(line), [(row, each) for row in rows if (each := row.estimate(quantity)) is not None]
    if not drawn:
        return
    x, y = [row.batch or 0 for row, _ in drawn], [each.value for _, each in drawn]
    if thin:
        axes.plot(x, y, style.line, color=style.color, linewidth=0.6, alpha=0.8, gid=f"{quantity}-{line.key}")
        return
    verified = all(record.certificate == "verified" for row in rows for record in row.records)
    axes.plot(
        x, y, style.line, marker=style.marker, color=style.color, gid=f"{quantity}-{line.key}",
        markerfacecolor=style.color if verified else "white",
    )  # fmt: skip
    bounds = [each.interval or spread(row, quantity) for row, each in drawn]
    axes.fill_between(x, [low for low, _ in bounds], [high for _, high in bounds], color=style.color, alpha=0.2,
                      linewidth=0)  # fmt: skip


def spread(row: SizeRow, quantity: Quantity) -> tuple[float, float]:
    """The lowest and the highest repeat."""
    values = [value for record in row.records if (value := value_of(record, row.batch, quantity)) is not None]
    return min(values), max(values)
