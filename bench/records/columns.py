"""The sides of a comparison by name: a framework, or one of several versions of it."""

from __future__ import annotations

from bench.records.record import Record
from shared.frameworks import FRAMEWORKS

FRAMEWORK_NAMES = {key: framework.title for key, framework in FRAMEWORKS.items()}


RUNTIME_NAMES = {"onnx": "ONNX Runtime"}


def column_text(framework: str, variant: str | None, runtime: str = "framework") -> str:
    """A column as a reader knows it: "PyTorch", "PyTorch 2.13" where versions are compared (`variant` "pt@2.13"), or
    "ONNX Runtime (PyTorch)" where that answered for it."""
    version = (variant or "").partition("@")[2]
    name = " ".join([FRAMEWORK_NAMES[framework], *([version] if version else [])])
    return f"{RUNTIME_NAMES[runtime]} ({name})" if runtime in RUNTIME_NAMES else name


def column_name(record: Record) -> str:
    """A record's column as a reader knows it."""
    return column_text(record.framework, record.variant, record.runtime)


def column_order(record: Record) -> tuple[str, str, tuple[tuple[int, str], ...]]:
    """By framework, what answers for it last, then by version as people count: 2.9 before 2.13."""
    _, _, version = (record.variant or "").partition("@")
    parts = (part for part in version.split(".") if part)
    return (
        record.framework,
        "" if record.runtime == "framework" else record.runtime,
        tuple((int(part), "") if part.isdigit() else (0, part) for part in parts),
    )
