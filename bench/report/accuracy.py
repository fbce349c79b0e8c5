"""A run of `bench accuracy` as a chapter."""

from __future__ import annotations

from collections.abc import Sequence

from bench.accuracy import tables
from bench.accuracy.results import FRAMEWORK_NAMES, AccuracyRecord, over_splits
from bench.report import drawn
from bench.report.answer import accuracy_answer
from bench.report.blocks import (
    Block,
    Cell,
    Chapter,
    Folded,
    Log,
    Notes,
    Section,
    Text,
    number,
    texts_table,
)
from bench.report.cells import NO_LOG, certificates, environment, long_table
from bench.report.notices import accuracy_notices, bad
from bench.report.sources import Run, log_end
from bench.show.titles import joined
from shared.frameworks import FRAMEWORKS


def accuracy_chapter(run: Run, prefix: str) -> Chapter:
    """Everything about a run of `bench accuracy`.

    Args:
        run: with accuracy records.
        prefix: of every name on the page; empty where there is one run.
    """
    records = run.accuracy_records
    caption, rows = "Test accuracy over random splits", tables.rows(records)
    scores: Block = Text("Nothing but stage 1 was run: no accuracy over splits.")
    if rows:
        scores = texts_table(f"{prefix}accuracy", caption, tables.columns(records), rows, figures=True)
    written: list[tuple[str, str, list[Block]]] = [
        ("accuracy", "Accuracy over splits", [*drawn.split_pictures(records, f"{prefix}splits-figure"), scores,
                                              Notes(tuple(tables.notes(records)))]),
        ("classes", "Accuracy on each class", drawn.class_pictures(records, f"{prefix}classes-figure")),
        ("cells", "Results", [overview(records, f"{prefix}cells"), *logs(run)]),
        ("certificates", "Certificates", certificates(run, prefix)),
        ("environment", "Environment", [Notes(tuple(tables.provenance(records))), *environment(run, prefix)]),
    ]  # fmt: skip
    sections = tuple(Section(f"{prefix}{name}-section", head, tuple(made)) for name, head, made in written if made)
    lead = f"Run {run.name}: {'; '.join(tables.setting(records))}"
    title, said = accuracy_title(records), accuracy_answer(records)
    told = (*map(bad, run.bad), *accuracy_notices(records))
    return Chapter(f"{prefix}run", run.name, title, said, lead, told, sections)


def accuracy_title(records: Sequence[AccuracyRecord]) -> str:
    """What was compared: "PyTorch and TensorFlow: image, text and ensemble over 10 random splits of synthetic"."""
    groups = over_splits(records)
    sides = joined(FRAMEWORK_NAMES[record.framework] for record in records if record.framework in FRAMEWORKS)
    members = joined(member for _, member, _ in groups) or "stage 1"
    return f"{sides}: {members} over {records[0].protocol.num_splits} random splits of {tables.split_data(records)}"


def overview(records: Sequence[AccuracyRecord], name: str) -> Block:
    """A row a record, whatever came of it; long ones are folded away."""
    lines: list[dict[str, Cell | str]] = [
        {
            "result": record.result_id,
            "framework": FRAMEWORK_NAMES[record.framework],
            "member": record.label,
            "split": Cell("stage 1") if record.split is None else Cell(str(record.split), record.split),
            "status": Cell(record.status, tone="good" if record.status == "ok" else "bad"),
            "reason": record.reason or "",
            "validation": number(record.accuracy.get("val"), 4),
            "test": number(record.accuracy.get("test"), 4),
            "wall s": number(record.wall_seconds or None, 1),
            "certificate": Cell(
                record.certificate_id or record.certificate, tone="good" if record.certificate == "verified" else "warn"
            ),
        }
        for record in records
    ]
    return long_table(name, f"Every result of the run, failed ones too: {len(records)}", lines)


def logs(run: Run) -> list[Block]:
    """The logs of what failed."""
    blocks: list[Block] = []
    for record in run.accuracy_records:
        if record.status != "ok" and record.log:
            log = log_end(run.directory, record.log)
            reason = Text(f"{record.status}: {record.reason or 'no reason is known'}", "bad")
            blocks.append(Folded(record.result_id, (reason, Text(NO_LOG) if log is None else Log(log)), "bad"))
    return blocks
