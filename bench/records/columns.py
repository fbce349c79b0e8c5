"""The sides of a comparison by name: a framework, or one of several versions of it."""

from __future__ import annotations

from bench.records.record import Record
from shared.frameworks import FRAMEWORKS

FRAMEWORK_NAMES = {key: framework.title for key, framework in FRAMEWORKS.items()}


def column_text(framework: str, variant: str | None) -> str:
    """A column as a reader knows it: "PyTorch", or "PyTorch 2.13" where versions are compared (`variant` "pt@2.13")."""
    version = (variant or "").partition("@")[2]
    return " ".join([FRAMEWORK_NAMES[framework], *([version] if version else [])])


def column_name(record: Record) -> str:
    """A record's column as a reader knows it."""
    return column_text(record.framework, record.variant)


def column_order(record: Record) -> tuple[str, tuple[tuple[int, str], ...]]:
    """By framework, then by version as people count: 2.9 before 2.13."""
    _, _, version = record.column.partition("@")
    parts = (part for part in version.split(".") if part)
    return record.framework, tuple((int(part), "") if part.isdigit() else (0, part) for part in parts)
