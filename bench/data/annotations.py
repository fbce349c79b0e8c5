"""Documents whose words come with places, tags or questions: what a reader of such a data set returns, and how that is
written into a store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bench.data.page_text import PageText, page_text, thousandths
from bench.data.source import TextJob, TextOutcome
from shared.entities import OUTSIDE
from shared.store import QUESTIONS, TEXT, WORD_TAGS, write_strings
from shared.words import BOX_SCALE, Word, write_words

CERTAIN = 100  # per cent: nobody says how sure the words of an annotated data set are
OFF_THE_PAGE, SWAPPED = "boxes cut to the page", "boxes whose edges were put in order"
BLANK = "words without a character, left out"
NO_WORDS = "documents without a word"

Box = tuple[float, float, float, float]


class TaggedWord(NamedTuple):
    """One word of a document as its data set has it."""

    text: str
    box: Box  # left, top, right, bottom in the units of `Annotation.size`; may be swapped or off the page
    tag: str = OUTSIDE  # B-NAME, I-NAME or OUTSIDE


class Question(NamedTuple):
    """What is asked of a document, with every answer that is right; none where the data set keeps them."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Annotation:
    """What a data set says of one document."""

    lines: Sequence[Sequence[TaggedWord]]  # words in reading order, line by line
    size: tuple[float, float]  # width and height of the page, in the units of the boxes
    questions: tuple[Question, ...] = ()
    notes: Counter[str] = field(default_factory=Counter)  # what its reader counts, in words: summed up in the manifest


def tag_names(entities: Sequence[str]) -> list[str]:
    """The tags of entities, in the order of their numbers.

    >>> tag_names(["date", "total"])
    ['O', 'B-date', 'I-date', 'B-total', 'I-total']
    """
    return [OUTSIDE, *(f"{first}-{entity}" for entity in entities for first in "BI")]


def mended(box: Box, size: tuple[float, float], notes: Counter[str]) -> tuple[int, int, int, int]:
    """A box in thousandths of the page, its edges in order and on the page; what had to be done is counted.

    >>> mended((50, 20, 10, 900), (100, 200), Counter())
    (100, 100, 500, 1000)
    """
    width, height = (max(side, 1e-9) for side in size)
    x0, y0, x1, y1 = box
    left, top, right, bottom = thousandths((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), width, height)
    notes[SWAPPED] += x0 > x1 or y0 > y1
    notes[OFF_THE_PAGE] += min(left, top) < 0 or max(right, bottom) > BOX_SCALE
    clipped = [min(max(edge, 0), BOX_SCALE) for edge in (left, top, right, bottom)]
    return clipped[0], clipped[1], clipped[2], clipped[3]


def read_page(annotation: Annotation, tags: dict[str, int], notes: Counter[str]) -> tuple[PageText, list[int]]:
    """The text of a document with the places of its words, and the number of each word's tag.

    Raises:
        KeyError: a tag that is none of `tags`.
    """
    lines, numbers = [], []
    for line in annotation.lines:
        words = []
        for word in line:
            if not word.text.split():
                notes[BLANK] += 1
                continue
            words.append(Word(word.text, mended(word.box, annotation.size, notes), CERTAIN))
            numbers.append(tags[word.tag])
        lines.append(words)
    text = page_text(line for line in lines if line)
    return text, numbers[: len(text.words)]  # a text that is too long is cut


@dataclass(frozen=True)
class AnnotatedText:
    """A `bench.data.source.TextPart`: words, places, tags and questions as the data set has them."""

    engine: str  # who says so: the data set
    read: Callable[[Any], Annotation]  # of a page's key
    entities: tuple[str, ...] = ()  # that words are tagged with; none: words have no tags
    asks: bool = False  # whether there are questions
    version: int = 1  # of the reader: raise it when the same files would give other words, tags or questions

    def identity(self) -> Any:
        """The data set and its reader; the files' own stamps are the pages'."""
        return [self.engine, list(self.entities), self.asks, self.version]

    def write(self, job: TextJob) -> TextOutcome:
        """Write them into the store in the making."""
        tags = {name: number for number, name in enumerate(tag_names(self.entities))}
        notes: Counter[str] = Counter()
        texts, numbers, questions = [], [], []
        for done, slot in enumerate(job.kept):
            job.progress("words", done, len(job.kept))
            annotation = self.read(job.pages[slot].key)
            text, of_words = read_page(annotation, tags, notes)
            notes.update(annotation.notes)
            notes[NO_WORDS] += not text.words
            texts.append(text)
            numbers += of_words
            questions.append([each._asdict() for each in annotation.questions])
        store = job.partial.store
        write_strings(store, TEXT, (text.text for text in texts))
        write_words(store, (text.arrays() for text in texts))
        facts: dict[str, Any] = {"annotated_by": self.engine}
        facts |= {"empty": sum(not text.text for text in texts), "words": sum(len(text.words) for text in texts)}
        found: dict[str, Any] = {"text": facts, "annotation_notes": list(lines_of(notes))}
        if self.entities:
            np.save(store / WORD_TAGS, np.array(numbers, np.int16), allow_pickle=False)
            found["tags"] = list(tags)
        if self.asks:
            write_strings(store, QUESTIONS, (json.dumps(each, ensure_ascii=False) for each in questions))
            found["asks"] = True
        return TextOutcome(found)


def lines_of(notes: Counter[str]) -> Iterator[str]:
    """What was counted, a line each.

    >>> list(lines_of(Counter({"boxes cut to the page": 3, "swapped": 0})))
    ['boxes cut to the page: 3']
    """
    yield from (f"{what}: {count:,}" for what, count in sorted(notes.items()) if count)
