"""Several runs, held against the first of them where they may be."""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.matching import NotComparableError
from bench.compare.rows import Comparison, compare
from bench.compare.show import environment_line, sentence, table
from bench.compare.sources import Source, read_source
from bench.report.blocks import Block, Chapter, Heading, Notes, Section, Text, texts_table
from bench.report.sources import Run
from bench.show import fairness
from bench.show.titles import joined
from shared.errors import UserError


def several_chapter(runs: Sequence[Run]) -> Chapter:
    """Each further run of `bench run` against the first one."""
    timed = [run for run in runs if run.records]
    blocks: list[Block] = []
    for place, other in enumerate(timed[1:], start=1):
        first = timed[0]
        blocks += [Heading(f"{other.name} (B) against {first.name} (A)"), *held(first, other, f"compare-{place}")]
    if not blocks:
        blocks = [Text("No two of them are runs of `bench run`: nothing to hold against each other.")]
    section = Section("compare-section", "Run against run", tuple(blocks))
    sentences = [block.text for block in blocks if isinstance(block, Text)]
    lead = f"{len(runs)} runs, each with its own chapter below"
    return Chapter(
        "compare", "Runs compared", f"{joined(run.name for run in runs)} compared", sentences[0], lead, (), (section,)
    )


def held(first: Run, other: Run, name: str) -> list[Block]:
    """One comparison, or why there is none."""
    try:
        found = compare(source(first), source(other))
    except NotComparableError as refusal:
        return [Text("Not comparable.", "bad"), Notes(tuple(refusal.reasons))]
    except UserError as refusal:
        return [Text(f"Not compared: {refusal}", "bad")]
    return compared(found, name)


def source(run: Run) -> Source:
    """A run as `bench compare` reads it, under the name that the page calls it by."""
    read = read_source(str(run.directory))
    return Source(run.name, read.path, read.folder, read.column, read.records, read.environment)


def compared(found: Comparison, name: str) -> list[Block]:
    """Sentences, table, settings, environments."""
    headings, lines = table(found)
    blocks: list[Block] = [Text(sentence(row)) for row in found.rows]
    blocks += [texts_table(name, "Cell against cell", headings, lines, figures=True), Notes(found.notes)]
    for place, (columns, diff) in enumerate(found.fairness):
        blocks.append(Text(f"{columns}: {fairness.verdict_line(diff)}", "" if diff.is_fair else "bad"))
        heads, rows = fairness.table_rows(diff)
        if rows:
            blocks.append(texts_table(f"{name}-settings-{place + 1}", f"Settings that differ: {columns}", heads, rows))
    blocks.append(Text(environment_line(found)))
    if found.environment:
        entries = [list(entry) for entry in found.environment]
        blocks.append(
            texts_table(f"{name}-environment", "Environments where they differ", ["entry", "A", "B"], entries)
        )
    return blocks
