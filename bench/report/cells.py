"""Every cell by itself: how it ended, its log, what it really used; and what its certificate was given for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench.compare.rows import flat
from bench.records.certificates import Certificate
from bench.records.columns import column_name
from bench.records.record import Record
from bench.report.blocks import Block, Cell, Folded, Log, Notes, Text, Tone, number, table, texts_table
from bench.report.sources import Run, find_certificates, log_end
from bench.statistics import intervals
from bench.terminal.grids import NOTHING

MANY_CELLS = 200  # beyond which logs and settings of all would make the page too large to mail
DETAILED_OF_MANY = 40
LONG_TABLE = 100  # rows beyond which a table is folded away, and what all rows share is said in its caption
NO_LOG = "No log: the folder of cells is not beside the records, or the log cannot be read."


def plain(value: Any) -> str:
    """A setting as text."""
    return value if isinstance(value, str) else json.dumps(value)


def warmup_text(record: Record) -> str:
    """How many steps went before the window, and whether they were enough."""
    if record.warmup_steps is None:
        return ""
    known = {True: ", steady", False: ", still drifting", None: ""}[record.warmup_stationary]
    return f"{record.warmup_steps}{known}"


def outlier_cell(record: Record) -> Cell:
    """Steps that stood out; they are in the throughput."""
    if record.status != "ok" or not record.step_seconds:
        return Cell("")
    found = intervals.outlying(record.step_seconds)
    return Cell(f"{found.count} of {found.steps}", found.count)


def overview(records: Sequence[Record], name: str) -> Block:
    """A row a record, whatever came of it; long ones are folded away."""
    lines: list[dict[str, Cell | str]] = [
        {
            "cell": record.cell_id,
            "framework": column_name(record),
            "replicas": Cell(str(record.replicas), record.replicas),
            "input": record.input_mode + ("" if record.exchange else ", no exchange"),
            "repeat": Cell(str(record.repeat), record.repeat),
            "status": Cell(record.status, tone="good" if record.status == "ok" else "bad"),
            "reason": record.reason or "",
            "samples/s": number(record.throughput, 2),
            "wall s": number(record.wall_seconds, 1),
            "warm-up": warmup_text(record),
            "outlier steps": outlier_cell(record),
            "retraces": number(record.retraces or None, 0, "warn"),
            "certificate": Cell(
                record.certificate_id or record.certificate, tone="good" if record.certificate == "verified" else "warn"
            ),
            "started": record.started,
        }
        for record in records
    ]
    return long_table(name, f"Every cell of the run, failed ones too: {len(records)}", lines)


def long_table(name: str, caption: str, lines: Sequence[dict[str, Cell | str]]) -> Block:
    """A table; of many rows folded away, without the columns in which all rows agree: those are in its caption."""
    if len(lines) <= LONG_TABLE:
        return table(name, caption, lines)
    texts = {head: {text_of(line[head]) for line in lines} for head in lines[0]}
    shared = {head: texts[head].pop() for head in texts if len(texts[head]) == 1}
    said = [f"{head} {text}" for head, text in shared.items() if text not in ("", NOTHING)]
    kept = [{head: cell for head, cell in line.items() if head not in shared} for line in lines]
    full = f"{caption}; in every row: {', '.join(said)}" if said else caption
    return Folded(caption, (table(name, full, kept),))


def text_of(cell: Cell | str) -> str:
    """What a cell shows."""
    return cell.text if isinstance(cell, Cell) else cell


def details(run: Run, record: Record, name: str) -> Folded:
    """One cell: reason, log, settings."""
    blocks: list[Block] = []
    if record.status != "ok":
        blocks.append(Text(f"{record.status}: {record.reason or 'no reason is known'}", "bad"))
    if record.usage and record.usage.notes:
        blocks.append(Notes(tuple(record.usage.notes)))
    log = log_end(run.directory, record.log)
    blocks.append(Text(NO_LOG) if log is None else Log(log.strip() or "(the log is empty)"))
    settings = [[key, plain(value)] for key, value in record.settings.items()]
    if settings:
        blocks.append(texts_table(f"{name}-settings", "What the worker really used", ["setting", "value"], settings))
    tone: Tone = "" if record.status == "ok" else "bad"
    outcome = "" if record.status == "ok" else f": {record.status}"
    return Folded(f"{record.cell_id}{outcome}", tuple(blocks), tone)


def cells(run: Run, prefix: str) -> list[Block]:
    """All cells of a run: the failed ones' details first."""
    ordered = sorted(run.records, key=lambda record: record.status == "ok")
    shown = ordered if len(ordered) <= MANY_CELLS else ordered[:DETAILED_OF_MANY]
    places = {record.cell_id: place for place, record in enumerate(run.records)}
    blocks: list[Block] = [overview(run.records, f"{prefix}cells")]
    blocks += [details(run, record, f"{prefix}cell-{places[record.cell_id]}") for record in shown]
    if len(shown) < len(ordered):
        failed = sum(record.status != "ok" for record in ordered[len(shown) :])
        which = f", {failed} of them failed," if failed else ""
        blocks.append(
            Text(f"Logs and settings of {len(ordered) - len(shown)} more cells{which} are in the run's own directory.")
        )
    return blocks


def certificates(run: Run, prefix: str) -> list[Block]:
    """The rungs of every certificate that the run's records name; those that are not kept here are named."""
    claimed = {record.certificate_id for record in run.records}
    claimed |= {record.certificate_id for record in run.accuracy_records}
    identities = sorted(identity for identity in claimed if identity)
    if not identities:
        return [
            Text("No cell has a certificate: nothing was proven equal. `bench run --verify` proves it first.", "warn")
        ]
    kept = find_certificates(identities)
    blocks: list[Block] = []
    for identity in identities:
        if identity in kept:
            blocks += certificate(kept[identity], f"{prefix}certificate-{identity}")
        else:
            blocks.append(Text(f"{identity}: not kept on this machine; `bench verify` makes one again."))
    return blocks


def certificate(found: Certificate, name: str) -> list[Block]:
    """The figures and tolerances of one certificate."""
    lines: list[dict[str, Cell | str]] = [
        {
            "rung": Cell(str(rung.get("rung", "")), float(rung.get("rung", 0))),
            "name": str(rung.get("name", "")),
            "what is compared": str(rung.get("what", "")),
            "figure": figure_cell(rung.get("figure")),
            "tolerance": figure_cell(rung.get("tolerance")),
            "outcome": Cell("passed", tone="good") if rung.get("passed") else Cell("failed", tone="bad"),
            "detail": str(rung.get("detail", "")),
        }
        for rung in found.rungs
    ]
    versions = ", ".join(f"{package} {version}" for package, version in found.versions.items() if version)
    title = f"Certificate {found.id} of {found.created}: computation {found.computation_hash}, {versions}"
    return [table(name, title, lines)]


def figure_cell(value: Any) -> Cell:
    """A figure of a rung; one that is no number is shown as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(f"{value:.2g}", float(value))
    return Cell("" if value is None else str(value))


def environment(run: Run, prefix: str) -> list[Block]:
    """Where the run was measured."""
    if run.environment is None:
        return [Text("Not known: no environment.json beside the records.")]
    lines = [[key, plain(value)] for key, value in flat(run.environment).items()]
    return [texts_table(f"{prefix}environment", "Hardware, system and packages", ["entry", "value"], lines)]
