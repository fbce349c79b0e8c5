"""Figures of grouped bars: throughput, and the headline on each split."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from bench.records.record import Record
from bench.show import captions as words
from bench.show import scores
from bench.show.figures.style import bar_handle, draw_failures, draw_legend, new_figure, style_of, styled
from bench.show.groups import Group, Series, throughput_of
from shared.store import SPLITS
from shared.tasks import NAMES, task

GROUP_WIDTH = 0.8  # of the distance between two groups of bars
SHARE_OF_RIGHT = "accuracy"  # the score that a task's chance is one of
Metric = Callable[[Record], float | None]


@styled
def throughput_figure(group: Group) -> Figure:
    """Samples per second by replicas: a bar for the median, its whisker, a dot per repeat."""
    series = group.series(throughput_of)
    notes = words.oversubscription_notes(series, "replicas share cores")
    spread = words.spread_notes("whisker", [point for line in series for point in line.measured])
    figure, (axes,) = new_figure(words.caption(group) + spread, notes + words.failure_notes(series))
    draw_bars(axes, series, group.replicas)
    axes.set_title("Training throughput")
    axes.set_ylabel("samples/s")
    axes.set_ylim(bottom=0)
    draw_legend(figure, [*map(bar_handle, series)])
    return figure


@styled
def score_figure(group: Group) -> Figure:
    """The headline by replicas, a panel per split; of accuracy with the line of chance."""
    names = [split for split in SPLITS if any(record.score(split) is not None for record in group.records)]
    by_split = {split: group.series(score_on(split)) for split in names or SPLITS[-1:]}
    series = next(iter(by_split.values()))
    chance, classes = chance_of(group), class_count(group)
    usual = [f"dashed: chance, 1 of {classes} classes"] if chance is not None else []
    usual += words.spread_notes("whisker", [p for lines in by_split.values() for line in lines for p in line.measured])
    figure, panels = new_figure(words.caption(group) + usual, words.failure_notes(series), len(by_split))
    low, high = scores.metric_of(group.first).bounds
    for axes, (split, lines) in zip(panels, by_split.items(), strict=True):
        draw_bars(axes, lines, group.replicas)
        if chance is not None:
            halo = [withStroke(linewidth=2, foreground="white")]  # keeps the line visible on dark bars
            axes.axhline(chance, color="black", linewidth=0.8, linestyle="--", path_effects=halo, gid="chance")
        axes.set_title(split)
        if math.isfinite(high - low):
            axes.set_ylim(low, high)
    epochs = words.counted(group.first.epochs, "epoch")
    panels[0].set_ylabel(f"{scores.title(group.records)} {scores.after(group.records, epochs)}")
    draw_legend(figure, [*map(bar_handle, series)])
    return figure


def score_on(split: str) -> Metric:
    """The metric "headline on a split", after the last stage."""
    return lambda record: record.score(split)


def chance_of(group: Group) -> float | None:
    """The headline that guessing gives; None where it is not the share of right samples, or that is not known."""
    first, classes = group.first, class_count(group)
    if first.headline != SHARE_OF_RIGHT or first.task not in NAMES or classes is None:
        return None
    return task(first.task).chance(classes)


def class_count(group: Group) -> int | None:
    """How many classes the data has, as the workers report it; None where none did."""
    told = {value for record in group.records if isinstance(value := record.settings.get("num_classes"), int)}
    return told.pop() if len(told) == 1 and min(told) > 0 else None


def draw_bars(axes: Axes, series: Sequence[Series], replicas: Sequence[int]) -> None:
    """Bars grouped by replicas, a whisker and a dot per repeat, a cross a failed cell; hollow where unverified."""
    width = GROUP_WIDTH / len(series)
    for index, line in enumerate(series):
        style, shift = style_of(line), (index - (len(series) - 1) / 2) * width
        slots = {count: place + shift for place, count in enumerate(replicas)}
        for point in line.measured:
            x = slots[point.replicas]
            axes.bar(
                x,
                point.centre,
                width,
                color=style.color if point.verified else "white",
                edgecolor="black" if point.verified else style.color,
                hatch=style.hatch,
                linewidth=0.5,
                gid=f"bar-{line.key}-{point.replicas}",
            )
            if len(point.values) > 1:
                axes.plot([x, x], point.low_high, "_-", color="black", linewidth=0.8, markersize=4,
                          gid=f"whisker-{line.key}-{point.replicas}")  # fmt: skip
            spread = [x + width * 0.25 * offset for offset in spread_out(len(point.values))]
            axes.plot(
                spread, point.values, ".", color="black", markersize=2.5, gid=f"repeats-{line.key}-{point.replicas}"
            )
        draw_failures(axes, line, slots.__getitem__)
    axes.set_xticks(range(len(replicas)), [str(count) for count in replicas])
    axes.set_xlim(-0.5, len(replicas) - 0.5)
    axes.set_xlabel("replicas")
    axes.grid(axis="x", visible=False)


def spread_out(count: int) -> list[float]:
    """Evenly spaced offsets in [-1, 1], one per repeat, so that equal values stay visible."""
    return [0.0] if count == 1 else [2 * index / (count - 1) - 1 for index in range(count)]
