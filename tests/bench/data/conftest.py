"""Small data sets on disk."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePage = Callable[..., Path]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


@pytest.fixture
def huge_png(tmp_path: Path) -> Path:
    """A valid 1-bit PNG of 500 million white pixels, a few kilobytes long."""
    width, height = 25_000, 20_000
    packer = zlib.compressobj(1)
    row = b"\0" + b"\xff" * (width // 8)
    pixels = b"".join(packer.compress(row * 200) for _ in range(height // 200)) + packer.flush()
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    path = tmp_path / "huge.png"
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.fixture
def make_page() -> MakePage:
    """Write a page of noise, reproducible from its number."""

    def make(path: Path, number: int = 0, shape: tuple[int, int] = (40, 30)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return make


@pytest.fixture
def tree(tmp_path: Path, make_page: MakePage) -> Path:
    """A folder of three classes, ten pages each."""
    root = tmp_path / "tree"
    for c, name in enumerate(("bill", "letter", "memo")):
        for i in range(10):
            make_page(root / name / f"{i}.png", 100 * c + i)
    return root
