"""A page that a command prints for a person, held against the text that was kept of it: `tests/golden/NAME.txt`.

A page is one text, read and judged as a whole. What tests mean by its figures they ask of records and JSON.
TWINBENCH_GOLDEN=write rewrites the kept texts; the difference is then reviewed like any other change.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from pathlib import Path

import pytest

from bench.host import machine
from bench.host.locations import PROJECT_ROOT

FOLDER = Path(__file__).parent / "golden"
SWITCH = "TWINBENCH_GOLDEN"
SHORTEST_NAME = 8  # of a processor, that no sentence has by chance: not "unknown" and the like
# what differs from run to run and from machine to machine; the order matters: a time holds what looks like a date
PLACEHOLDERS = (
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\b\d{8}T\d{6}Z", "TIME"),
    (r"\b\d+:\d\d(?::\d\d)?\b", "CLOCK"),
    (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b\d+\.\d+\.\d+(?:[-+.]?[A-Za-z0-9]+)*", "VERSION"),
    (r"\b(?:(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,64}|\d{16}|\d{40}|\d{64})\b", "HASH"),
    (r"\b\d+(?:\.\d+)? s\b", "SECONDS s"),
)


def normalised(text: str, *temporary: Path) -> str:
    """A text in which paths, times, versions, seconds, hashes and the processor's name are placeholders.

    Args:
        temporary: folders of the test; each is TMP in the text.
    """
    own = ((sys.executable, "PYTHON"), (PROJECT_ROOT, "CHECKOUT"))
    for path, name in (*((folder, "TMP") for folder in temporary), *own):
        text = text.replace(str(path), name)
    if len(name := machine.cpu_model()) > SHORTEST_NAME:
        text = text.replace(name, "MACHINE")
    for pattern, name in PLACEHOLDERS:
        text = re.sub(pattern, name, text)
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


def check(name: str, text: str, *temporary: Path) -> None:
    """Fail with the difference where a page is not the one that was kept.

    Args:
        name: of the file in `tests/golden`, without its suffix.
        temporary: folders of the test, as in `normalised`.
    """
    path, shown = FOLDER / f"{name}.txt", normalised(text, *temporary)
    if os.environ.get(SWITCH) == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if shown != kept:
        lines = difflib.unified_diff(
            kept.splitlines(), shown.splitlines(), f"kept: {path.name}", "printed now", lineterm=""
        )
        pytest.fail("\n".join([*lines, f"if that is meant: {SWITCH}=write pytest ..."]), pytrace=False)
