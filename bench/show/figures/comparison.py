"""The headline against parameters: our measured cells beside document models and distillation as published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Transform

from bench.records.record import Record
from bench.show import captions as words
from bench.show import scores
from bench.show.figures.bars import score_on
from bench.show.figures.style import new_figure, style_of, styled
from bench.show.groups import Group, Series
from bench.show.papers import Published, datasets, find

MILLION = 1e6
SPLIT = "test"  # what papers report
STRIP = 0.86  # of the axes' width: right of it stand the systems whose paper gives no parameter count
LARGEST = 0.80  # of the axes' width: the place of the largest network
LEFT_MARGIN = 1.6  # the axis begins so far below the smallest network
SIZES = (7.0, 4.5, 3.0, 2.0)  # points: markers of equally large networks lie on each other, the later ones smaller
LEGEND_LINE = 0.13  # inches
TICKS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)  # millions of parameters


@dataclass(frozen=True)
class Reference:
    """A published system: where its figures stand and how it is drawn."""

    label: str
    marker: str
    score: tuple[str, str, str, str]  # paper, system, dataset, metric
    parameters: tuple[str, str, str, str] | None = None  # None: the paper does not say
    is_upper_bound: bool = False  # the paper says "less than"


REFERENCES = (
    Reference(
        "LayoutLMv2-large",
        "*",
        ("layoutlmv2", "LayoutLMv2-large", "RVL-CDIP", "test accuracy"),
        ("layoutlmv2", "LayoutLMv2-large", "RVL-CDIP", "parameters"),
    ),
    Reference(
        "LayoutLMv2-base",
        "p",
        ("layoutlmv2", "LayoutLMv2-base", "RVL-CDIP", "test accuracy"),
        ("layoutlmv2", "LayoutLMv2-base", "RVL-CDIP", "parameters"),
    ),
    Reference(
        "EfficientNet + BERT",
        "P",
        (
            "efficientnet-bert-parallel",
            "EfficientNet and BERT ensemble",
            "SmallTobacco",
            "mean accuracy over 3 splits, image and text, no pre-training",
        ),
    ),
    Reference("BERT-large", "X", ("docbert", "BERT-large", "Reuters", "test F1")),
    Reference(
        "KD-LSTMreg",
        "<",
        ("docbert", "KD-LSTMreg", "Reuters", "test F1"),
        ("docbert", "LSTMreg", "any", "parameters"),
        is_upper_bound=True,
    ),
)


@dataclass(frozen=True)
class Placed:
    """A reference with its figures looked up."""

    reference: Reference
    share: float
    dataset: str
    parameters: float | None  # millions

    @property
    def label(self) -> str:
        return f"{self.reference.label} ({self.dataset}), published"


@styled
def comparison_figure(records: Sequence[Record], published_rows: Sequence[Published]) -> Figure:
    """The headline against trained parameters: a filled marker a measured cell, a hollow black one a published system.

    Args:
        records: of one group (`bench.show.groups`) for which `references` has any.
        published_rows: what `bench.show.papers.read_papers` returns.

    Raises:
        KeyError: a published figure is not among the rows.
    """
    group = Group(tuple(records))
    series = group.series(score_on(SPLIT))
    sizes = {
        f"{record.column}-{record.arm}": record.num_parameters / MILLION for record in records if record.num_parameters
    }
    ours = [line for line in series if line.key in sizes and line.measured]
    placed = [place(reference, published_rows) for reference in references(records)]
    remarks = [*notes(group, placed), *unsized_notes(series, sizes), *words.failure_notes(series)]
    figure, (axes,) = new_figure(words.caption(group), remarks)
    stated = [system.parameters for system in placed if system.parameters is not None]
    limit_sizes(axes, [*sizes.values(), *stated], strip=len(stated) < len(placed))
    for index, line in enumerate(ours):
        draw_cells(axes, line, sizes[line.key], SIZES[min(index, len(SIZES) - 1)])
    draw_published(axes, placed)
    axes.set_title(f"{words.capital(scores.title(records))} and size")
    axes.set_xlabel("trained parameters, millions")
    axes.set_ylabel(scores.title(records))
    axes.margins(y=0.1)
    handles: list[Line2D] = [cell_handle(line) for line in ours] + [published_handle(system) for system in placed]
    legend_lines = -(-len(handles) // 2)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + LEGEND_LINE * (legend_lines - 1))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=2,
        frameon=False,
        fontsize=6,
        columnspacing=0.6,
        borderpad=0,
        handletextpad=0,
    )
    return figure


def references(records: Sequence[Record]) -> list[Reference]:
    """The published systems that may stand beside some records: those measured on the test split of the same data."""
    if not any(record.score(SPLIT) is not None and record.num_parameters for record in records):
        return []
    own = datasets(records[0].data_name, records[0].num_documents)
    return [reference for reference in REFERENCES if reference.score[2] in own]


def place(reference: Reference, rows: Iterable[Published]) -> Placed:
    """Look up a reference's figures; one that its own paper contradicts is never drawn."""
    rows = list(rows)
    score = find(rows, *reference.score)
    size = find(rows, *reference.parameters) if reference.parameters else None
    assert not score.is_refuted, score
    assert size is None or size.unit == "M parameters", size
    return Placed(reference, score.share, score.dataset, size.value if size else None)


def notes(group: Group, placed: Sequence[Placed]) -> list[str]:
    """What the reader of the figure must know about where its points are from."""
    epochs = words.counted(group.first.epochs, "epoch")
    measure = f"{scores.title(group.records)} on {SPLIT} {scores.after(group.records, epochs)}"
    lines = [
        f"colour: measured here, {measure}, the median of a cell's repeats",
        "black and hollow: as published for the same data, under its own protocol",
    ]
    lines += [
        f"{system.reference.label}: fewer than {system.parameters:g} million parameters"
        for system in placed
        if system.reference.is_upper_bound
    ]
    absent = [system.reference.label for system in placed if system.parameters is None]
    return [*lines, *([f"n/s: number of parameters not stated by the paper ({', '.join(absent)})"] if absent else [])]


def unsized_notes(series: Sequence[Series], sizes: Collection[str]) -> list[str]:
    """The measured cells that have no place on the axis of sizes."""
    return [
        f"{line.label}: not drawn, its workers counted no parameters"
        for line in series
        if line.measured and line.key not in sizes
    ]


def limit_sizes(axes: Axes, sizes: Sequence[float], strip: bool) -> None:
    """A logarithmic axis of sizes.

    Args:
        sizes: of networks, millions of parameters.
        strip: whether its right end is set apart for systems without a size.
    """
    low = min(sizes) / LEFT_MARGIN
    wide = max(sizes) / low
    border = low * wide ** (STRIP / LARGEST)
    axes.set_xscale("log")
    axes.set_xlim(low, low * wide ** (1 / LARGEST))
    ticks = [tick for tick in TICKS if low <= tick < border]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    if not strip:
        return
    axes.axvline(border, color="0.35", linewidth=0.6, gid="strip")
    axes.text((1 + STRIP) / 2, -0.03, "n/s", transform=axes.transAxes, ha="center", va="top", fontsize=7)


def draw_cells(axes: Axes, series: Series, size: float, marker_size: float) -> None:
    """A marker a cell at the median of its repeats, a line over its interval or its repeats; hollow where unverified.

    Args:
        size: of the network, millions of parameters.
        marker_size: points.
    """
    style = style_of(series)
    for point in series.measured:
        axes.plot([size, size], point.low_high, "-", color=style.color, linewidth=0.8)
        axes.plot(
            [size],
            [point.centre],
            style.marker,
            color=style.color,
            markersize=marker_size,
            markerfacecolor=style.color if point.verified else "none",
            markeredgecolor="white" if point.verified else style.color,
            markeredgewidth=0.6,
            gid=f"cell-{series.key}-{point.replicas}",
        )


def draw_published(axes: Axes, systems: Sequence[Placed]) -> None:
    """Hollow black markers at the published sizes; side by side in the strip where there is none."""
    for system in systems:
        if system.parameters is not None:
            draw_marker(axes, system, system.parameters, axes.transData)
    unstated = [system for system in systems if system.parameters is None]
    for index, system in enumerate(unstated):
        x = STRIP + (1 - STRIP) * (index + 1) / (len(unstated) + 1)
        draw_marker(axes, system, x, axes.get_yaxis_transform())


def draw_marker(axes: Axes, system: Placed, x: float, transform: Transform) -> None:
    """One published system at `x` in the transform's units."""
    gid = f"published-{system.reference.label}"
    axes.plot([x], [system.share], **published_style(system), transform=transform, gid=gid)


def published_style(system: Placed) -> dict[str, Any]:
    """Black, hollow, told apart by the marker alone."""
    return {
        "marker": system.reference.marker,
        "linestyle": "none",
        "color": "black",
        "markerfacecolor": "white",
        "markersize": 5,
        "markeredgewidth": 0.8,
    }


def published_handle(system: Placed) -> Line2D:
    """The legend's entry of a published system, with the data it was published on."""
    return Line2D([], [], **published_style(system), label=system.label)


def cell_handle(series: Series) -> Line2D:
    """The legend's entry of a measured series; its points are not joined, so it has no line."""
    style = style_of(series)
    return Line2D([], [], color=style.color, linestyle="none", marker=style.marker, label=f"{series.label}, measured")
