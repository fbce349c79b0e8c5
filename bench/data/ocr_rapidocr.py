"""RapidOCR: PaddleOCR's networks under onnxruntime. Its wheel brings the models, so nothing is downloaded."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.data.page_text import thousandths
from shared.errors import UserError
from shared.words import Word

PARTS = ("Det", "Cls", "Rec")  # finds lines, tells which are upside down, reads them
INSTALL = "`pip install 'twinbench[ocr]'`"

Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels
Piece = tuple[str, float, Any]  # characters, confidence 0 to 1, four corners (4 x 2, pixels)


@dataclass(frozen=True)
class RapidOcr:
    """An engine, see `bench.data.ocr.Engine`."""

    version: str
    models: tuple[str, ...]  # files, in the order of PARTS
    name: str = "rapidocr"

    @property
    def language(self) -> str:
        """Its one model reads all its languages; the name of that."""
        return Path(self.models[-1]).stem

    def start(self) -> Callable[[Image.Image], list[list[Word]]]:
        """Load the models, for one thread."""
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        settings: dict[str, Any] = {f"{part}.model_path": path for part, path in zip(PARTS, self.models, strict=True)}
        settings |= {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        settings |= {"Global.return_word_box": True, "Global.log_level": "critical"}
        engine = RapidOCR(params=settings)

        def read(image: Image.Image) -> list[list[Word]]:
            found: Any = engine(np.asarray(image))
            if found.txts is None:
                return []
            pieces = found.word_results if len(found.word_results) == len(found.txts) else [()] * len(found.txts)
            lines = zip(found.txts, found.scores, found.boxes, pieces, strict=True)
            return [line_of(*line, image.width, image.height) for line in lines]

        return read


def bounds(corners: Any) -> Box:
    """The upright box around corners (4 x 2, pixels)."""
    points = np.asarray(corners, dtype=np.float64)
    return points[:, 0].min(), points[:, 1].min(), points[:, 0].max(), points[:, 1].max()


def line_of(text: str, score: float, corners: Any, pieces: Sequence[Piece], width: int, height: int) -> list[Word]:
    """One line as words: its text divided at white space.

    Args:
        text, score, corners: of the whole line.
        pieces: parts of it with their places; they need not be words (a Chinese character is one each), and a word
            takes the box around its pieces. Where they do not spell the line, its box is divided by characters.
        width, height: of the page, pixels.
    """
    spelt = "".join("".join(piece[0].split()) for piece in pieces) == "".join(text.split())
    places = spread(pieces) if spelt else spread_evenly(text, score, bounds(corners))
    words, first = [], 0
    for word in text.split():
        chosen = places[first : first + len(word)]
        first += len(word)
        boxes, scores = zip(*chosen, strict=True)
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        box = (min(lefts), min(tops), max(rights), max(bottoms))
        words.append(Word(word, thousandths(box, width, height), round(100 * sum(scores) / len(scores))))
    return words


def spread(pieces: Sequence[Piece]) -> list[tuple[Box, float]]:
    """Box and confidence for each character that is not white space: those of its piece."""
    return [(bounds(corners), score) for text, score, corners in pieces for _ in "".join(text.split())]


def spread_evenly(text: str, score: float, box: Box) -> list[tuple[Box, float]]:
    """As `spread`, each character an equal share of the line's width."""
    left, top, right, bottom = box
    step = (right - left) / max(1, len(text))
    return [
        ((left + i * step, top, left + (i + 1) * step, bottom), score)
        for i, character in enumerate(text)
        if not character.isspace()
    ]


def installed() -> bool:
    """Whether the package and its runtime are here (without importing them: that takes a second)."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def find(language: str | None) -> RapidOcr:
    """The installed RapidOCR.

    Raises:
        UserError: not installed, its models are missing, or a language is asked for (it has one model for all).
    """
    if not installed():
        raise UserError(f"--ocr rapidocr: RapidOCR is not installed: {INSTALL}")
    package = importlib.util.find_spec("rapidocr")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "models"
    found = {part: sorted(folder.glob(f"*_{part.lower()}_*.onnx")) for part in PARTS}
    missing = [part.lower() for part in PARTS if not found[part]]
    if missing:
        raise UserError(
            f"--ocr rapidocr: its wheel brings models, but {', '.join(missing)} is missing in {folder} (nothing is "
            f"downloaded): install it again, {INSTALL}"
        )
    engine = RapidOcr(importlib.metadata.version("rapidocr"), tuple(str(found[part][0]) for part in PARTS))
    if language is not None:
        raise UserError(
            f"--ocr-lang {language}: RapidOCR has one model for all its languages ({engine.language}); "
            "leave --ocr-lang away, or choose --ocr tesseract"
        )
    return engine
