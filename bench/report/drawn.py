"""The figures of `bench.run.figures` in the sections that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from bench.accuracy.results import AccuracyRecord
from bench.records.record import Record
from bench.report.blocks import Block
from bench.report.pictures import picture
from bench.show import scores
from bench.show.captions import capital
from bench.show.groups import Group, is_projected
from bench.show.tables import caption


def throughput_picture(group: Group, name: str) -> Block:
    """Bars of samples/s."""
    from bench.show.figures.bars import throughput_figure

    return picture(throughput_figure(group), name, f"Throughput against replicas; {caption(group.records)}", True)


def speedup_picture(group: Group, name: str) -> Block:
    """Speedup against replicas."""
    from bench.show.figures.lines import speedup_figure

    return picture(speedup_figure(group), name, f"Speedup against replicas; {caption(group.records)}", True)


def time_pictures(group: Group, name: str) -> list[Block]:
    """Projected hours against replicas; the published job is one of pages."""
    from bench.show.figures.lines import training_time_figure

    if not is_projected(group.first):
        return []
    label = f"Projected hours of the published job against replicas; {caption(group.records)}"
    return [picture(training_time_figure(group), name, label)]


def score_pictures(group: Group, name: str) -> list[Block]:
    """The headline on each split, and beside published systems where their figures are there."""
    from bench.show.figures.bars import score_figure
    from bench.show.figures.comparison import comparison_figure, references
    from bench.show.papers import PAPERS, read_papers

    headline = capital(scores.title(group.records))
    shown: list[Block] = [picture(score_figure(group), name, f"{headline} on each split; {caption(group.records)}")]
    if PAPERS.is_dir() and references(group.records):
        label = f"{headline} against trained parameters, beside systems published on the same data"
        shown.append(picture(comparison_figure(group.records, read_papers()), f"{name}-published", label))
    return shown


def attribution_pictures(records: Sequence[Record], name: str) -> list[Block]:
    """Where the time of a step goes."""
    from bench.attribution.figures import attribution_figures

    return [
        picture(
            figure,
            f"{name}-{place}",
            "Milliseconds per step, stacked by its parts, a bar per column and replicas",
            True,
        )
        for place, (_, figure) in enumerate(attribution_figures(records))
    ]


def split_pictures(records: Sequence[AccuracyRecord], name: str) -> list[Block]:
    """Accuracy over random splits; nothing where no split was run."""
    from bench.accuracy.figures import splits_figure
    from bench.accuracy.results import over_splits

    if not over_splits(records):
        return []
    return [picture(splits_figure(records), name, "Test accuracy over random splits, a box per framework and member")]


def class_pictures(records: Sequence[AccuracyRecord], name: str) -> list[Block]:
    """Accuracy on each class."""
    from bench.accuracy.figures import classes_figure
    from bench.accuracy.results import over_splits

    members = dict.fromkeys(member for _, member, _ in over_splits(records))
    return [
        picture(classes_figure(records, member), f"{name}-{member}", f"Accuracy on each class: {member}")
        for member in members
    ]
