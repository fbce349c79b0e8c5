"""Figures of a run, made from its records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.host.files import write_for_user
from bench.records.record import Record, read_records
from shared.errors import UserError

FORMATS = ("png", "svg")
FIGURES_FOLDER = "figures"  # in a run's directory


def plot_run(directory: Path, out: Path | None = None) -> list[Path]:
    """Draw the figures of one run and return the files written.

    Args:
        directory: what `bench run` made.
        out: where the files go; None: the `figures` folder of the run's directory.

    Raises:
        UserError: no records there, an unreadable one, or a folder that cannot be written.
    """
    return plot_records(read_records([directory]), out or directory / FIGURES_FOLDER)


def plot_records(
    records: Sequence[Record], out: Path, formats: Sequence[str] = FORMATS, every_group: bool = True
) -> list[Path]:
    """Draw one set of figures a group of comparable records and return the files written.

    With more than one group the group is part of the files' names. The figure of scores is drawn only where a record
    has any or was asked for them, the comparison with published systems where these were measured on the same data and
    their figures are there (an installed package has none), accuracy against throughput, with a table, where several
    networks were scored on the same documents. Attributions have a figure of their own and stand in no other: their
    cells took turns.

    Args:
        every_group: also where they are very many; else the first few of those (`frame.drawn_groups`).

    Raises:
        UserError: no records, or a folder that cannot be written.
    """
    # matplotlib takes most of a second to import: only who draws pays for it
    from bench.attribution.figures import attribution_figures
    from bench.records.kinds import inferences, plain
    from bench.show.figures.bars import score_figure, throughput_figure
    from bench.show.figures.comparison import comparison_figure, references
    from bench.show.figures.latency import latency_figure
    from bench.show.figures.lines import speedup_figure, training_time_figure
    from bench.show.figures.style import save
    from bench.show.figures.trade import latencies, trade_figure, trade_table, trades
    from bench.show.groups import drawn_groups, group_records, is_projected
    from bench.show.papers import PAPERS, read_papers

    if not records:
        raise UserError("no records to plot; `bench run` makes them")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot make this folder for the figures ({error.strerror}); name another") from None
    groups = group_records(plain(records))
    paths = []
    for group in groups if every_group else drawn_groups(groups):
        figures = {
            "speedup": speedup_figure(group),
            "throughput": throughput_figure(group),
        }
        if is_projected(group.first):
            figures["training-time"] = training_time_figure(group)
        if group.trains:
            figures["scores"] = score_figure(group)
        if PAPERS.is_dir() and references(group.records):
            figures["comparison"] = comparison_figure(group.records, read_papers())
        for name, figure in figures.items():
            stem = f"{name}-{group.slug}" if len(groups) > 1 else name
            paths += [save(figure, out / f"{stem}.{suffix}") for suffix in formats]
    answered = group_records(inferences(records))
    for group in answered if every_group else drawn_groups(answered):
        stem = f"latency-{group.slug}" if len(answered) > 1 else "latency"
        paths += [save(latency_figure(group), out / f"{stem}.{suffix}") for suffix in formats]
    traded, asked = trades(groups), latencies(records)
    for number, alike in enumerate(traded, 1):
        stem = f"trade-{number}" if len(traded) > 1 else "trade"
        paths += [save(trade_figure(alike, asked), out / f"{stem}.{suffix}") for suffix in formats]
        paths.append(out / f"{stem}.md")
        write_for_user(paths[-1], trade_table(alike, asked))
    attributions = attribution_figures(records)
    for slug, figure in attributions:
        stem = f"attribution-{slug}" if len(attributions) > 1 else "attribution"
        paths += [save(figure, out / f"{stem}.{suffix}") for suffix in formats]
    return paths
