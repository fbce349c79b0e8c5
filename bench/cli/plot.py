"""`bench plot`: the figures of finished runs, from their records alone."""

from __future__ import annotations

from pathlib import Path

import click

from bench.accuracy.results import is_accuracy_run
from bench.accuracy.results import read_records as read_accuracy_records
from bench.records.record import read_records
from bench.run.figures import FIGURES_FOLDER, FORMATS, plot_records
from bench.terminal.printable import passed_over
from shared.errors import UserError


def parse_formats(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """png,svg to ("png", "svg"), in that order and once each."""
    del context, parameter
    formats = tuple(dict.fromkeys(part.strip().lower() for part in value.split(",")))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(FORMATS)}")
    return formats


@click.command("plot")
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Folder for the figures [default: {FIGURES_FOLDER}/ in the run's directory].",
)
@click.option("--format", "formats", default=",".join(FORMATS), show_default=True, callback=parse_formats)
@click.option("--all", "every_group", is_flag=True, help="Every group of comparable cells, also where there are many.")
def command(directories: tuple[Path, ...], out: Path | None, formats: tuple[str, ...], every_group: bool) -> None:
    """Draw speedup, training time, throughput and scores of one or more runs.

    DIR is what `bench run` made, or one that `bench accuracy` made. Runs that differ in workload, spec, device,
    precision, input or data get figures of their own; runs that agree in all of them count as repeats of each other.
    Of more than a dozen such groups the first four are drawn, unless --all is given.
    """
    from bench.records.kinds import plain
    from bench.report.sources import has_accuracy_records
    from bench.show.groups import drawn_groups, group_records

    if out is None:
        if len(directories) > 1:
            raise UserError("several run directories: say with --out where their figures go")
        out = directories[0] / FIGURES_FOLDER
    accuracy_runs = [each for each in directories if is_accuracy_run(each) or has_accuracy_records(each)]
    if accuracy_runs:
        if len(directories) > 1:
            raise UserError(f"{accuracy_runs[0]}: a run of `bench accuracy` is drawn alone; name no other with it")
        from bench.accuracy.figures import plot_accuracy

        for path in plot_accuracy(read_accuracy_records(accuracy_runs[0], passed_over), out, formats):
            click.echo(path)
        return
    records = read_records(directories, passed_over)
    for path in plot_records(records, out, formats, every_group):
        click.echo(path)
    groups = group_records(plain(records))
    if not every_group and (left := len(groups) - len(drawn_groups(groups))):
        click.echo(f"note: {left} of {len(groups)} groups of cells are not drawn; --all draws them", err=True)
