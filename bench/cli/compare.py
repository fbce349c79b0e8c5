"""`bench compare`: two or more runs, held against the first of them cell by cell."""

from __future__ import annotations

from pathlib import Path

import click

from shared.errors import UserError

FEWEST = 2


class Names(click.ParamType):
    """`spec,machine`: what cells may differ in all the same."""

    name = "NAME,NAME,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """Parse; a click usage error names the first that is unknown."""
        from bench.records.identity import ASPECTS

        if isinstance(value, frozenset):
            return value
        names = [part.strip() for part in str(value).split(",") if part.strip()]
        for name in names:
            if name not in ASPECTS:
                self.fail(f"{name!r} is none of {', '.join(ASPECTS)}", param, ctx)
        return frozenset(names)


@click.command("compare")
@click.argument("names", metavar="A B...", nargs=-1, required=True)
@click.option("--despite", type=Names(), default="", help="Compare all the same: spec, arm, device, machine, ...")
@click.option("--force", is_flag=True, help="Compare despite everything; the table says what differs.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), metavar="FILE", help="Write it too.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures too.")
def command(
    names: tuple[str, ...], despite: frozenset[str], force: bool, markdown_file: Path | None, csv_file: Path | None
) -> None:
    """Compare B, and whatever follows it, with A: figures, settings and environments.

    Each is a directory that `bench run` made, a folder of records or one record; RUN:pt, RUN:tf or RUN:pt@2.13 is one
    column of it, so that RUN:pt RUN:tf compares the frameworks. Cells that differ in spec, arm, device, machine,
    precision, input, batch, data or cores are refused unless --despite names it. It informs and passes no judgement
    in its exit status: that is `bench gate`.
    """
    from bench.compare.matching import NotComparableError
    from bench.compare.rows import compare
    from bench.compare.show import csv, markdown, print_comparison
    from bench.compare.sources import check_distinct, read_source
    from bench.records.identity import ASPECTS
    from bench.terminal.printable import passed_over

    if len(names) < FEWEST:
        raise UserError(f"{names[0]}: compared with what? name a second, or two columns: {names[0]}:pt {names[0]}:tf")
    sources = [read_source(name) for name in names]
    check_distinct(sources)
    for line in dict.fromkeys(line for source in sources for line in source.bad):
        passed_over(line)
    allowed = frozenset(ASPECTS) if force else despite
    try:
        comparisons = [compare(sources[0], other, allowed) for other in sources[1:]]
    except NotComparableError as refusal:
        for reason in refusal.reasons:
            click.echo(f"bench: {reason}", err=True)
        raise
    for comparison in comparisons:
        print_comparison(comparison)
    if markdown_file is not None:
        write(markdown_file, "\n".join(map(markdown, comparisons)))
    if csv_file is not None:
        write(csv_file, csv(comparisons))


def write(path: Path, text: str) -> None:
    """Write a file of the user's.

    Raises:
        UserError: it cannot be written.
    """
    from bench.host.files import write_for_user

    write_for_user(path, text)
    click.echo(path)
