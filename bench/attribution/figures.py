"""Where the time of a step goes: a stacked bar per column and number of replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from bench.attribution.gap import NAMES
from bench.attribution.split import PARTS, Split, attribute
from bench.records import identity
from bench.records.record import Record
from bench.show import captions as words
from bench.show.figures.style import new_figure, styled
from bench.show.groups import Group
from bench.statistics.words import level_text

BAR_WIDTH = 0.7
NAME_ROOM = 1.25  # bars' distances to the right of the last one, for the names of the parts
NAME_GAP = 0.085  # of the axes' height: the least distance of two names
LEAST_LABELLED = 0.06  # of the axes' height: a lower segment has no room for its figure


@dataclass(frozen=True)
class Fill:
    """How a part is filled: told apart by lightness and hatch too, and by no colour that stands for a framework."""

    color: str
    hatch: str = ""
    text: str = "black"


FILLS = {
    "forward_backward": Fill("#44546a", text="white"),
    "overhead": Fill("#a9b7c9", "....."),
    "optimizer": Fill("#009e73", "\\\\\\\\\\"),
    "exchange": Fill("#f0e442", "/////"),
    "copy": Fill("#d9d9d9", "|||||"),
    "wait": Fill("#cc79a7", "xxxxx"),
    "unexplained": Fill("white", "-----"),
}


def attribution_figures(records: Sequence[Record]) -> list[tuple[str, Figure]]:
    """A figure for the attributions of each group of settings, with what tells it from the others in a file's name."""
    groups: dict[identity.Values, list[Split]] = {}
    for split in attribute(records):
        groups.setdefault(identity.figure(split.records[0]), []).append(split)
    return [(frame_of(splits).slug, attribution_figure(splits)) for splits in groups.values()]


def frame_of(splits: Sequence[Split]) -> Group:
    """The records of the whole pipeline: those whose step is split."""
    return Group(tuple(record for split in splits for record in split.records))


@styled
def attribution_figure(splits: Sequence[Split]) -> Figure:
    """Milliseconds per step: what adds to it is stacked from zero upwards, what takes from it downwards.

    A line across a bar is the step as measured, with its interval.

    Args:
        splits: of one group of settings (`bench.show.groups`).
    """
    statements = [each.removesuffix(" (drawn hollow)") for each in words.caption(frame_of(splits))]
    figure, (axes,) = new_figure([*statements, drawn_text(splits)], notes(splits))
    stacks = [stack(split) for split in splits]
    low, high = limits(splits, stacks)
    axes.set_ylim(low, high)
    for place, (split, segments) in enumerate(zip(splits, stacks, strict=True)):
        draw_bar(axes, place, split, segments, high - low)
    draw_names(axes, len(splits) - 1, stacks)
    axes.axhline(0, color="black", linewidth=0.6)
    names = [f"{split.name}\n{words.counted(split.replicas)}" for split in splits]
    axes.set_xticks(range(len(splits)), names, fontsize=6.5 if len(splits) <= 4 else 5)
    axes.set_xlim(-0.5, len(splits) - 0.5 + NAME_ROOM)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("ms per step")
    axes.set_title("Where the time of a step goes")
    return figure


def drawn_text(splits: Sequence[Split]) -> str:
    """What the bars are; the answer in words stands in the run's page and under its table."""
    counts = sorted({len(split.repeats) for split in splits})
    repeats = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    drawn = f"medians of {repeats} repeats, line: the step"
    if levels := [split.step.level for split in splits if split.step.interval is not None]:
        drawn += f" and its {level_text(levels)} interval"
    return drawn


def notes(splits: Sequence[Split]) -> list[str]:
    """What the bars leave open."""
    return [
        f"{split.name}, {words.counted(split.replicas)}: {100 * split.unexplained_share.value:.0f} % of the step is "
        "unexplained"
        for split in splits
        if not split.is_explained
    ]


def stack(split: Split) -> dict[str, tuple[float, float]]:
    """Part to where its segment begins and ends, in milliseconds; negative ones lie below zero."""
    above = below = 0.0
    segments = {}
    for part in PARTS:
        value = 1e3 * split.parts[part].value
        start = above if value >= 0 else below
        segments[part] = (start, start + value)
        above, below = max(above, start + value), min(below, start + value)
    return segments


def limits(splits: Sequence[Split], stacks: Sequence[Mapping[str, tuple[float, float]]]) -> tuple[float, float]:
    """Of the y axis, in milliseconds."""
    ends = [end for segments in stacks for _, end in segments.values()]
    steps = [1e3 * bound for split in splits for bound in (split.step.interval or (split.step.value,))]
    return 1.1 * min(0.0, *ends), 1.05 * max(*ends, *steps)


def draw_bar(axes: Axes, place: int, split: Split, segments: Mapping[str, tuple[float, float]], height: float) -> None:
    """The segments of one split with their figures, and its step.

    Args:
        height: of the axes, in milliseconds.
    """
    key = f"{split.records[0].column}-{split.replicas}"
    for part, (start, end) in segments.items():
        fill = FILLS[part]
        axes.bar(
            place, end - start, BAR_WIDTH, start, color=fill.color, hatch=fill.hatch, edgecolor="black", linewidth=0.4,
            gid=f"part-{key}-{part}",
        )  # fmt: skip
        if abs(end - start) >= LEAST_LABELLED * height:
            halo = [withStroke(linewidth=2, foreground=fill.color)]  # keeps the figure legible on the hatch
            text = f"{end - start:.1f}"
            axes.text(
                place, (start + end) / 2, text, ha="center", va="center", fontsize=6, color=fill.text, path_effects=halo
            )
    value = 1e3 * split.step.value
    axes.plot([place - 0.43, place + 0.43], [value, value], "-", color="black", linewidth=1.2, gid=f"step-{key}")
    if split.step.interval is not None:
        bounds = [1e3 * bound for bound in split.step.interval]
        axes.plot([place - 0.43] * 2, bounds, "-", color="black", linewidth=0.8, gid=f"interval-{key}")


def draw_names(axes: Axes, last: int, stacks: Sequence[Mapping[str, tuple[float, float]]]) -> None:
    """The parts by name beside the last bar; one that no bar has is not named."""
    shown = [part for part in PARTS if any(start != end for start, end in (each[part] for each in stacks))]
    low, high = axes.get_ylim()
    middles = {part: sum(stacks[-1][part]) / 2 for part in shown}
    order = sorted(shown, key=middles.__getitem__)
    heights = spread([middles[part] for part in order], NAME_GAP * (high - low), low, high)
    for part, height in zip(order, heights, strict=True):
        ends = ([last + BAR_WIDTH / 2, last + 0.52], [middles[part], height])
        axes.plot(*ends, "-", color="0.4", linewidth=0.4)
        halo = [withStroke(linewidth=2, foreground="white")]  # where the line at zero runs through it
        axes.text(last + 0.55, height, NAMES[part], fontsize=6, va="center", path_effects=halo, zorder=4)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places, moved as little as it takes to keep a distance and to stay between low and high.

    >>> spread([0.0, 0.0, 5.0], 1.0, 0.0, 5.0)
    [0.0, 1.0, 5.0]
    """
    result: list[float] = []
    for place in places:
        result.append(max(place, result[-1] + gap) if result else max(place, low))
    ceiling = high
    for index in range(len(result) - 1, -1, -1):
        result[index] = min(result[index], ceiling)
        ceiling = result[index] - gap
    return result
