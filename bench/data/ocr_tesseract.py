"""Tesseract, the paper's engine, through pytesseract: one process of the program a page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from PIL import Image

from bench.data.page_text import thousandths
from shared.errors import UserError
from shared.words import Word

PROGRAM, DEFAULT_LANGUAGE = "tesseract", "eng"
WORD_LEVEL = 5  # of a row of Tesseract's table; 1 to 4 are page, block, paragraph, line
INSTALL = "install it (Debian: `apt-get install tesseract-ocr`), or choose --ocr rapidocr"


@dataclass(frozen=True)
class Tesseract:
    """An engine, see `bench.data.ocr.Engine`."""

    version: str
    language: str  # language packs, joined by "+"
    name: str = "tesseract"

    def start(self) -> Callable[[Image.Image], list[list[Word]]]:
        """Make ready to read, on one thread."""
        os.environ["OMP_THREAD_LIMIT"] = "1"
        import pytesseract

        def read(image: Image.Image) -> list[list[Word]]:
            image.format = "PPM"  # how pytesseract hands it over: uncompressed, a tenth of the time of PNG
            table = pytesseract.image_to_data(image, lang=self.language, output_type=pytesseract.Output.DICT)
            return lines_of(table, image.width, image.height)

        return read


def lines_of(table: dict[str, list[Any]], width: int, height: int) -> list[list[Word]]:
    """The lines of words in Tesseract's table (a list a column)."""
    columns = ("block_num", "par_num", "line_num", "left", "top", "width", "height", "conf", "text", "level")
    rows = [row for row in zip(*(table.get(name, []) for name in columns), strict=True) if row[9] == WORD_LEVEL]
    return [
        [
            Word(str(text), thousandths((x, y, x + w, y + h), width, height), round(float(confidence)))
            for *_, x, y, w, h, confidence, text, _ in line
        ]
        for _, line in groupby(rows, key=itemgetter(0, 1, 2))
    ]


def installed() -> bool:
    """Whether the program and its binding are here."""
    try:
        import pytesseract  # noqa: F401
    except ImportError:
        return False
    return shutil.which(PROGRAM) is not None


def find(language: str | None) -> Tesseract:
    """The installed Tesseract.

    Args:
        language: names of language packs joined by "+"; None: DEFAULT_LANGUAGE.

    Raises:
        UserError: the program or its binding is not installed, or a language pack is not.
    """
    try:
        import pytesseract
    except ImportError:
        raise UserError("--ocr tesseract: pytesseract is missing: `pip install 'twinbench[ocr]'`") from None
    if shutil.which(PROGRAM) is None:
        raise UserError(f"--ocr tesseract: the program is not installed: {INSTALL}")
    chosen = language or DEFAULT_LANGUAGE
    try:
        version, packs = str(pytesseract.get_tesseract_version()), pytesseract.get_languages()
    except (pytesseract.TesseractError, SystemExit, OSError) as error:
        raise UserError(f"--ocr tesseract: the program does not run ({error}): {INSTALL}") from None
    for name in chosen.split("+"):
        if name not in packs:
            package = re.sub(r"[^a-z0-9-]", "-", name.lower()) or "LANG"
            raise UserError(
                f"--ocr-lang {chosen}: Tesseract has no language pack {name!r} (installed: {', '.join(packs)}); "
                f"install it (Debian: `apt-get install tesseract-ocr-{package}`) or choose one of these"
            )
    return Tesseract(version, chosen)
