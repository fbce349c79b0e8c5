"""What a user trades: the headline against throughput, of all networks that were measured on the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.records.kinds import inferences
from bench.records.latency import value_of
from bench.records.record import Record
from bench.show import captions as words
from bench.show import scores
from bench.show.figures.bars import score_on
from bench.show.figures.style import WIDTH, draw_legend, line_handle, new_figure, style_of, styled
from bench.show.groups import Group, Point, Series, throughput_of
from bench.terminal import grids

SPLIT = "test"
ASKED_BATCH = 1  # of the requests whose latency stands beside
LETTERS = "abcdefghijklmnopqrstuvwxyz"  # of networks
HEADINGS = (
    "network", "workload", "framework", "replicas", "parameters, millions", "samples/s", "step, ms", "peak memory, GiB",
    "training, s", "latency at batch 1, ms", "score on test",
)  # fmt: skip


def documents_of(record: Record) -> tuple[object, ...]:
    """What two records must have in common for their scores to be of the same documents, and worth a comparison.

    Copies of a store that were resized or tokenised hold its documents.
    """
    return (record.data_origin or record.data_digest, record.task, record.headline, record.device, record.device_name)


Latencies = Mapping[tuple[object, ...], float]  # what a training and an inference share, to the median in ms


def latencies(records: Iterable[Record]) -> dict[tuple[object, ...], float]:
    """The median latency at batch 1 of each network and column that was asked, of one replica."""
    asked: dict[tuple[object, ...], list[float]] = {}
    for record in inferences(records):
        if record.replicas == 1 and (value := value_of(record, ASKED_BATCH, "p50_ms")) is not None:
            asked.setdefault(served(record), []).append(value)
    return {key: median(values) for key, values in asked.items()}


def served(record: Record) -> tuple[object, ...]:
    """What a training's record shares with that of an inference by the same network on the same documents."""
    return (*documents_of(record), record.workload, record.computation_hash, record.column, record.arm)


def trades(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups of one another's documents, where at least two networks were trained and scored on them."""
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        if any(record.score(SPLIT) is not None and record.throughput for record in group.records):
            found.setdefault(documents_of(group.first), []).append(group)
    alike = [each[: len(LETTERS)] for each in found.values()]
    return [each for each in alike if len({group.first.network for group in each}) > 1]


def points_of(group: Group) -> list[tuple[Series, Point, Point]]:
    """The series of a group with a cell's throughput and its score, of cells that have both."""
    speeds, marks = group.series(throughput_of), {line.key: line for line in group.series(score_on(SPLIT))}
    return [
        (line, speed, mark)
        for line in speeds
        for speed in line.measured
        for mark in marks[line.key].measured
        if mark.replicas == speed.replicas
    ]


@styled
def trade_figure(groups: Sequence[Group], asked: Latencies | None = None) -> Figure:
    """A marker a cell at the medians of its repeats, with a line over each interval; networks by name.

    Args:
        groups: one of `trades`.
        asked: of inferences by the same networks; where there are any they have a panel of their own.
    """
    every = [(place, group, *found) for place, group in enumerate(groups) for found in points_of(group)]
    first, records = groups[0].first, [record for group in groups for record in group.records]
    notes = [
        ", ".join(f"{LETTERS[place]}: {named(group)}" for place, group in enumerate(groups)),
        f"{scores.title(records)} on {SPLIT} after training; numbers: replicas",
        "lines: intervals where there are repeats enough, else lowest to highest",
    ]
    answered = [each for each in every if each[3].replicas == 1 and latency_of(each[1], each[2], asked) is not None]
    figure, (axes, *beside) = new_figure([documents(first), words.device(first)], notes, 2 if answered else 1)
    if beside:
        figure.set_size_inches(2 * WIDTH, figure.get_size_inches()[1])
        draw_latencies(beside[0], answered, asked or {})
    styles: dict[str, Series] = {}
    for place, group, series, speed, mark in every:
        styles.setdefault(series.key, series)
        draw_cell(axes, place, group, series, speed, mark)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.25)
    axes.set_title(f"{words.capital(scores.title(records))} and throughput")
    axes.set_xlabel("samples/s")
    axes.set_ylabel(scores.title(records))
    draw_legend(figure, [line_handle(series) for series in styles.values()])
    return figure


def latency_of(group: Group, series: Series, asked: Latencies | None) -> float | None:
    """The median latency of the network of a series, ms; None where it was not asked."""
    own = next(record for record in group.records if (record.column, record.arm) == (series.column, series.arm))
    return (asked or {}).get(served(own))


def draw_latencies(axes: Axes, cells: Sequence[tuple[int, Group, Series, Point, Point]], asked: Latencies) -> None:
    """The headline against the median latency of a request of one document: a marker a network and column."""
    for place, group, series, speed, mark in cells:
        style, x, y = style_of(series), latency_of(group, series, asked) or 0.0, mark.centre
        axes.plot(
            [x], [y], style.marker, color=style.color, markeredgecolor=style.color,
            markerfacecolor=style.color if speed.verified else "none",
            gid=f"latency-{group.first.workload}-{group.first.preset}-{series.key}",
        )  # fmt: skip
        axes.annotate(LETTERS[place], (x, y), (0, 3), textcoords="offset points", fontsize=5, ha="center")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title("... and latency")
    axes.set_xlabel(f"median latency at batch {ASKED_BATCH}, ms")


def named(group: Group) -> str:
    """A group's workload and preset."""
    return f"{group.first.workload} ({group.first.preset})"


def documents(first: Record) -> str:
    """The data in words, whatever each network reads of it."""
    return f"{words.SYNTHETIC} documents" if first.data_name == words.SYNTHETIC else first.data_name


def draw_cell(axes: Axes, place: int, group: Group, series: Series, speed: Point, mark: Point) -> None:
    """One cell, with its network's letter and its replicas; hollow where unverified."""
    style, x, y = style_of(series), speed.centre, mark.centre
    axes.plot(speed.low_high, [y, y], "-", color=style.color, linewidth=0.8)
    axes.plot([x, x], mark.low_high, "-", color=style.color, linewidth=0.8)
    axes.plot(
        [x],
        [y],
        style.marker,
        color=style.color,
        markerfacecolor=style.color if speed.verified else "none",
        markeredgecolor=style.color,
        gid=f"trade-{group.first.workload}-{group.first.preset}-{series.key}-{speed.replicas}",
    )
    above = 3 + 5 * (place // 2)  # networks of one accuracy write on lines of their own
    axes.annotate(
        f"{LETTERS[place]}{speed.replicas}", (x, y), (0, above if place % 2 else -above), textcoords="offset points",
        fontsize=5, ha="center", va="bottom" if place % 2 else "top",
    )  # fmt: skip


def trade_table(groups: Sequence[Group], asked: Latencies | None = None) -> str:
    """The table beside the figure, as Markdown: a row a cell, medians over its repeats."""
    rows: list[list[str]] = []
    for group in groups:
        for series, speed, mark in points_of(group):
            own = [
                record
                for record in group.records
                if (record.column, record.arm, record.replicas) == (series.column, series.arm, speed.replicas)
                and record.status == "ok"
            ]
            rows.append([
                group.first.network,
                named(group),
                series.label,
                str(speed.replicas),
                median_of([record.num_parameters and record.num_parameters / 1e6 for record in own], 2),
                f"{speed.centre:.1f}",
                median_of([1000 * median(record.step_seconds) if record.step_seconds else None for record in own], 1),
                median_of([record.memory_rss_peak and record.memory_rss_peak / 2**30 for record in own], 2),
                median_of([record.wall_seconds for record in own], 0),
                median_of([latency_of(group, series, asked)], 3),
                f"{mark.centre:.3f}",
            ])  # fmt: skip
    return f"{documents(groups[0].first)}\n\n{grids.markdown(HEADINGS, rows)}\n"


def median_of(values: Sequence[float | None], digits: int) -> str:
    """The median of what is known; "-" of nothing."""
    known = [value for value in values if value]
    return f"{median(known):.{digits}f}" if known else "-"
