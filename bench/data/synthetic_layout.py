"""Synthetic pages with their words in place: what an OCR that errs nowhere would read on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from PIL import Image

from bench.data import synthetic
from bench.data.canvas import Canvas
from bench.data.page_text import PageText, page_text, thousandths
from bench.data.source import Source, TextJob, TextOutcome
from bench.data.splits import DEFAULT_SPLIT
from shared.store import TEXT, write_strings
from shared.words import Word, write_words

ENGINE = "drawn"  # where other stores name their OCR engine
CERTAIN = 100  # per cent


@lru_cache(maxsize=4)
def page(number: int, seed: int, num_classes: int) -> Canvas:
    """A page drawn large enough for its small print."""
    return synthetic.drawn(number, synthetic.OCR_SIZE, seed, num_classes)


def render(number: int, size: int, seed: int, num_classes: int) -> np.ndarray:
    """The page whose words are stored, scanned and reduced: uint8, size x size, grey."""
    full = Image.fromarray(synthetic.render(number, synthetic.OCR_SIZE, seed, num_classes))
    return np.asarray(full.resize((size, size), Image.Resampling.BOX))


def words_of(canvas: Canvas) -> PageText:
    """What is written on a page; what lies off the sheet is cut off, as a scan would."""
    whole, lines = canvas.size, []
    for line in canvas.lines:
        seen = [word for word in line if word.box[0] < whole and word.box[1] < whole]
        lines.append([Word(word.text, thousandths(word.box, whole, whole), CERTAIN) for word in seen])
    return page_text(line for line in lines if line)


@dataclass(frozen=True)
class DrawnText:
    """A `bench.data.source.TextPart`."""

    seed: int
    num_classes: int

    def identity(self) -> str:
        """The pages' numbers say it all."""
        return ENGINE

    def write(self, job: TextJob) -> TextOutcome:
        """Write the words of the pages."""
        texts = []
        for done, slot in enumerate(job.kept):
            job.progress("words", done, len(job.kept))
            number = job.pages[slot].key
            assert isinstance(number, int)
            texts.append(words_of(page(number, self.seed, self.num_classes)))
        write_strings(job.partial.store, TEXT, (text.text for text in texts))
        write_words(job.partial.store, (text.arrays() for text in texts))
        empty, words = sum(not text.text for text in texts), sum(len(text.words) for text in texts)
        facts = {"engine": ENGINE, "failed": [], "empty": empty, "words": words, "cut": []}
        return TextOutcome({"ocr": {**facts, "pages_per_second": None}})


def source(
    num_pages: int,
    seed: int = 0,
    num_classes: int = 16,
    shares: tuple[float, ...] = DEFAULT_SPLIT,
    several: bool = False,
) -> Source:
    """The pages of `bench.data.synthetic.source` with their words."""
    plain = synthetic.source(num_pages, seed, num_classes, shares, several)
    return replace(
        plain,
        render=partial(render, seed=seed, num_classes=num_classes),
        text=DrawnText(seed, num_classes),
    )
