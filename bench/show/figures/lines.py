"""Figures over the number of replicas: the paper's figures 3 and 5."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.show import captions as words
from bench.show.figures.style import (
    draw_failures,
    draw_legend,
    draw_points,
    line_handle,
    new_figure,
    replica_axis,
    styled,
)
from bench.show.groups import (
    PUBLISHED_EPOCHS,
    PUBLISHED_PAGES,
    Group,
    Series,
    is_implausible,
    projected_hours,
    speedups,
    throughput_of,
)

LOG_FROM_RATIO = 8  # a linear axis hides the small end of a wider range


@styled
def speedup_figure(group: Group) -> Figure:
    """Speedup against replicas, from pairs of repeats: a line, its band, the ideal line.

    Oversubscribed cells are named in a note and not drawn; efficiencies above 1.05 are ringed and named; failed cells
    are crosses at the foot.
    """
    series = group.series(throughput_of)
    drawn = [(line, speedups(line)) for line in series]
    notes = words.oversubscription_notes(series, "no speedup claimed")
    for line, points in drawn:
        if line.measured and not points:
            notes.append(f"{line.label}: no cell at 1 replica to compare with, no speedup")
        notes += words.implausible_notes(line.label, points)
    spread = words.spread_notes("band", [point for _, points in drawn for point in points if point.replicas > 1])
    figure, (axes,) = new_figure(words.caption(group) + spread, notes + words.failure_notes(series))
    counts = sorted({1, *counts_drawn(series)})
    (ideal,) = axes.plot(counts, counts, ":", color="0.35", linewidth=0.9, label="ideal", gid="ideal")
    for line, points in drawn:
        draw_points(axes, line, points)
        flagged = [point for point in points if is_implausible(point)]
        x, y = [point.replicas for point in flagged], [point.centre for point in flagged]
        axes.plot(
            x, y, "o", color="black", fillstyle="none", markersize=10, markeredgewidth=0.8, gid=f"flag-{line.key}"
        )
    stack_failures(axes, series)
    axes.set_title("Speedup of training")
    axes.set_ylabel("speedup over 1 replica")
    axes.set_ylim(bottom=0)
    replica_axis(axes, counts)
    draw_legend(figure, [*map(line_handle, series), ideal])
    return figure


@styled
def training_time_figure(group: Group) -> Figure:
    """Hours of the published job against replicas, projected from throughput and labelled so."""
    series = group.series(throughput_of)
    usual = [f"{PUBLISHED_EPOCHS} epochs of {PUBLISHED_PAGES:,} pages"]
    usual += words.spread_notes("band", [point for line in series for point in line.scaling])
    notes = words.oversubscription_notes(series, "not projected")
    figure, (axes,) = new_figure(words.caption(group) + usual, notes + words.failure_notes(series))
    hours = []
    for line in series:
        points = [point.scaled(projected_hours) for point in line.scaling]
        hours += [value for point in points for value in point.values]
        draw_points(axes, line, points)
    stack_failures(axes, series)
    axes.set_title("Training time of the published job (projection)")
    axes.margins(y=0.1)
    axes.set_ylabel(f"hours at {group.first.sample} (projection)")
    replica_axis(axes, counts_drawn(series))
    if hours and max(hours) > LOG_FROM_RATIO * min(hours):
        log_hours(axes)
    else:
        axes.set_ylim(bottom=0)
    draw_legend(figure, [*map(line_handle, series)])
    return figure


def counts_drawn(series: Iterable[Series]) -> list[int]:
    """The replica counts that have something to show: a point that may be compared, or a failure."""
    points = [point for line in series for point in [*line.scaling, *line.failed]]
    return sorted({point.replicas for point in points}) or [1]


def stack_failures(axes: Axes, series: Iterable[Series]) -> None:
    """The failures of all series, one row a series that has any."""
    for row, line in enumerate(line for line in series if line.failed):
        draw_failures(axes, line, float, row)


def log_hours(axes: Axes) -> None:
    """A logarithmic y axis with plain figures (2, 5, 10, 20) for ticks."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
