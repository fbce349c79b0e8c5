"""The report as one HTML file: opens from disk, refers to nothing outside itself, runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files

from bench.report.accuracy import accuracy_chapter
from bench.report.blocks import Chapter
from bench.report.chapters import run_chapter
from bench.report.several import several_chapter
from bench.report.sources import Run


def chapters(runs: Sequence[Run]) -> list[Chapter]:
    """A chapter a run, after the comparison of the runs where there are several."""
    if len(runs) == 1:
        return [chapter(runs[0], "")]
    return [several_chapter(runs), *(chapter(run, f"run{place}-") for place, run in enumerate(runs, start=1))]


def chapter(run: Run, prefix: str) -> Chapter:
    """The chapter of a run of either kind."""
    return run_chapter(run, prefix) if run.records else accuracy_chapter(run, prefix)


def html(written: Sequence[Chapter]) -> str:
    """The page.

    Everything that comes from records or logs is escaped by the template; the policy in the page's head lets a browser
    run the page's own script alone (by its hash) and load nothing at all, whatever got into it.
    """
    from jinja2 import Environment, StrictUndefined

    folder = files(__package__)
    style, script = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # select_autoescape goes by file names: this template has none
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(folder.joinpath("page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        chapters=written, style=style, script=script, digest=digest, made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
