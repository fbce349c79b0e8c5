"""`bench doctor`: what this machine can run, and for each problem the fix."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.errors import UserError

if TYPE_CHECKING:
    from bench.doctor.examine import Examination

STYLES = {"good": "green", "notice": "yellow", "problem": "bold red"}


@click.command()
@click.option("--quick", is_flag=True, help="Leave out the speed of the disk and the noise.")
@click.option(
    "--json", "destination", metavar="FILE|-", help="Write the findings as JSON too; -: in place of the table."
)
def command(quick: bool, destination: str | None) -> int:
    """Say what this machine can run, and for each problem the fix.

    Takes about half a minute: each framework is started once, and a fixed kernel runs for ten seconds to see which
    differences this machine can resolve. Let nothing else run meanwhile. Exit status 1: `make bench` can not run here.
    """
    from bench.doctor.examine import examine, look
    from bench.host.processes import termination_as_interrupt

    if destination not in (None, "-"):
        refuse_unwritable(Path(destination))
    with termination_as_interrupt(), progress() as say:
        found = examine(look(quick, say))
    if destination == "-":
        click.echo(as_text(found), nl=False)
    else:
        print_findings(found)
        if destination is not None:
            write(Path(destination), as_text(found))
    return 1 if found.blocking else 0


def as_text(found: Examination) -> str:
    """The findings as JSON."""
    return json.dumps(found.as_json(), indent=1) + "\n"


def refuse_unwritable(path: Path) -> None:
    """Tell before half a minute of work what would fail after it.

    Raises:
        UserError: a folder, or in a folder that is not there or not writable.
    """
    if path.is_dir():
        raise UserError(f"--json {path}: a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise UserError(f"--json {path}: not a plain file; name one, or - for standard output")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--json {path}: its folder does not exist; make it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"--json {path}: its folder is not writable; name another")


def write(path: Path, text: str) -> None:
    """Write the JSON file.

    Raises:
        UserError: it can not be written after all (a full disk, a read-only one).
    """
    from bench.host.files import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"--json {path}: not written ({error.strerror}); name another file") from None


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on standard error: a spinner on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("looking at this machine") as status:
            yield status.update
    else:
        yield lambda text: click.echo(text, err=True)


def print_findings(found: Examination) -> None:
    """The table, and the verdict under it, on standard output."""
    from bench.terminal import grids

    rows = [
        [finding.state, finding.check, finding.text + (f"\nfix: {finding.fix}" if finding.fix else "")]
        for finding in found.findings
    ]
    headings = ("state", "check", "found, and what to do")
    grids.print_grid(grids.stdout(), headings, rows, keys=2, figures=False, styles=STYLES)
    reasons = ", ".join(dict.fromkeys(finding.check for finding in found.blocking))
    verdict = f"`make bench` can not run here: {reasons}" if reasons else "`make bench` can run here"
    counts = Counter(finding.state for finding in found.findings)
    click.echo(f"{verdict} (problems: {counts['problem']}, notices: {counts['notice']})")
