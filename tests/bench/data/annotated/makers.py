"""Small data sets on disk, and a look at what their readers make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.annotations import Annotation, Box
from bench.data.load import Request, open_source
from bench.data.source import Source
from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError

SHARED = PROJECT_ROOT.parent / "shared" / "data"


def opened(kind: str, path: Path, **options: Any) -> Source:
    return open_source(Request(kind, path, **options))


def put(path: Path, content: Any) -> Path:
    """Write a text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def put_image(path: Path, width: int = 100, height: int = 200, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def read(source: Source, row: int = 0) -> Annotation:
    found: Annotation = source.text.read(source.pages[row].key)  # type: ignore[union-attr]
    return found


def tags(annotation: Annotation) -> list[list[tuple[str, str]]]:
    return [[(word.text, word.tag) for word in line] for line in annotation.lines]


def boxes(annotation: Annotation) -> list[Box]:
    return [word.box for line in annotation.lines for word in line]


def notes(annotation: Annotation) -> dict[str, int]:
    return {what: count for what, count in annotation.notes.items() if count}


def refused(kind: str, path: Path, **options: Any) -> str:
    """The one line that a data set is refused with."""
    with pytest.raises(UserError) as caught:
        opened(kind, path, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message
