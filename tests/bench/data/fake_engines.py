"""Engines for tests, in a module of their own: reading processes import them by name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.data.load import Request, open_source
from bench.data.ocr import with_ocr
from bench.data.prepare import prepare
from shared.words import Word

Read = Callable[[Image.Image], list[list[Word]]]


@dataclass(frozen=True)
class Fake:
    """Reads a page's size as a word, in `seconds`; misbehaves at pages of a certain width."""

    seconds: float = 0.0
    name: str = "fake"
    version: str = "1"
    language: str = "eng"
    fails_at: int = 0
    hangs_at: int = 0
    dies_at: int = 0
    broken: bool = False

    def start(self) -> Read:
        if self.broken:
            raise RuntimeError("no models\nsecond line")
        return self.read

    def read(self, image: Image.Image) -> list[list[Word]]:
        time.sleep(self.seconds)
        if image.width == self.fails_at:
            raise ValueError("a page too many\nthis is why")
        if image.width == self.hangs_at:
            program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            program.wait()
        if image.width == self.dies_at:
            os._exit(7)
        words = [Word("size", (0, 0, 500, 100), 90), Word(f"{image.width}x{image.height}", (500, 0, 1200, 100), 80)]
        return [words, [Word("é", (0, 500, 10, 600), 70)]]


def prepare_slowly(folder: str, out: str, hangs_at: int) -> None:
    """Body of a process that is to be killed."""
    engine = Fake(seconds=0.15, hangs_at=hangs_at)
    prepare(with_ocr(open_source(Request("folder", Path(folder))), engine), out, 16, workers=2)


@dataclass(frozen=True)
class Mendable(Fake):
    """Fails, or finds nothing, at every page (or those `wide` pixels wide) until a file is there."""

    mended: str = ""  # path
    wide: int = 0
    silent: bool = False

    def read(self, image: Image.Image) -> list[list[Word]]:
        if not Path(self.mended).exists() and image.width >= self.wide:
            if self.silent:
                return []
            raise RuntimeError("no data for eng")
        return super().read(image)


@dataclass(frozen=True)
class Shade(Fake):
    """Reads the grey level of a page's corner."""

    def read(self, image: Image.Image) -> list[list[Word]]:
        return [[Word(f"grey{image.getpixel((0, 0))}", (0, 0, 9, 9), 90)]]
