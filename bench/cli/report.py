"""`bench report`: finished runs as one page to be passed on, and as tables for other tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from shared.errors import UserError

PAGE = "report.html"  # in a run's directory
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("report")
@click.argument("directories", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=FILE, metavar="FILE", help=f"The page [default: {PAGE} in the run's directory].")
@click.option("--markdown", "markdown_file", type=FILE, metavar="FILE", help="The same without figures and logs.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="A line a record, with every field.")
@click.option("--parquet", "parquet_file", type=FILE, metavar="FILE", help="The same as Parquet.")
@click.option("--mllog", "mllog_file", type=FILE, metavar="FILE", help="MLPerf-style :::MLLOG lines.")
def command(
    directories: tuple[Path, ...],
    out: Path | None,
    markdown_file: Path | None,
    csv_file: Path | None,
    parquet_file: Path | None,
    mllog_file: Path | None,
) -> None:
    """Write one self-contained HTML page about one or more runs.

    RUN is a directory that `bench run` or `bench accuracy` made. The page opens from disk and needs no network: the
    comparison first, then speedup, time, scores, attribution, settings, memory and energy, every cell with its log,
    environment and certificate. Several runs get a chapter each, after the comparison of each with the first.
    """
    if out is None and len(directories) > 1:
        raise UserError("several runs: say with --out where their page goes")
    page = directories[0] / PAGE if out is None else out
    check_outputs({
        "--out": page, "--markdown": markdown_file, "--csv": csv_file, "--parquet": parquet_file, "--mllog": mllog_file,
    })  # fmt: skip
    from bench.host.files import write_for_user
    from bench.report.exports import csv, parquet
    from bench.report.markdown import markdown
    from bench.report.mllog import mllog
    from bench.report.page import chapters, html
    from bench.report.sources import read_runs
    from bench.terminal.printable import passed_over

    runs = read_runs(directories)
    for line in (line for run in runs for line in run.bad):
        passed_over(line)
    # what can fail for want of a library or of timings is made before anything is written
    exports = [(csv_file, csv), (parquet_file, parquet), (mllog_file, mllog)]
    contents = [(path, make(runs)) for path, make in exports if path is not None]
    written = chapters(runs)
    # a name that is no UTF-8, and JSON, can hold half of a surrogate pair: a question mark stands for what no page has
    contents.insert(0, (page, html(written).encode(errors="replace")))
    if markdown_file is not None:
        contents.append((markdown_file, markdown(written).encode(errors="replace")))
    for path, content in contents:
        write_for_user(path, content)
        click.echo(click.format_filename(path))


def check_outputs(outputs: Mapping[str, Path | None]) -> None:
    """Whether each file that is to be written has a place of its own.

    Args:
        outputs: option to what it names, if anything.

    Raises:
        UserError: an empty path, or one file twice.
    """
    taken: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        if not path.name:
            raise UserError(f"{option}: an empty path; name a file")
        # not Path.resolve: that gives up at a ring of links
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UserError(f"{option} {path}: the file that {other} writes too; name another")
