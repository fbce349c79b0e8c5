"""`python -m bench.studies.documents`: write docs/results.md and docs/reference.md; `--check`: see that they are so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from bench.host.files import write_atomically
from bench.host.locations import PROJECT_ROOT
from bench.studies.documents import reference, results
from shared.errors import UserError

DOCS = PROJECT_ROOT / "docs"
MEASURED = PROJECT_ROOT / "results" / "reference"
COMMAND = "python -m bench.studies.documents"

# page to what makes its text
PAGES: Mapping[str, Callable[[], str]] = {
    "results.md": lambda: results.page(MEASURED),
    "reference.md": reference.page,
}


def is_current(path: Path, text: str) -> bool:
    """Whether a page holds exactly a text."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


@click.command()
@click.option("--check", is_flag=True, help="Write nothing. Exit status 1: a page differs from what would be written.")
def command(check: bool) -> None:
    """Write the generated pages of the manual: docs/results.md, docs/reference.md."""
    try:
        pages = {name: make() for name, make in PAGES.items()}
    except UserError as error:
        raise click.UsageError(str(error)) from None
    old = [name for name, text in pages.items() if not is_current(DOCS / name, text)]
    for name in old:
        if check:
            click.echo(f"{DOCS.name}/{name} is not what `{COMMAND}` writes; run it", err=True)
        else:
            write_atomically(DOCS / name, pages[name])
            click.echo(f"{DOCS.name}/{name}: written")
    raise SystemExit(int(check and bool(old)))


if __name__ == "__main__":
    command()
