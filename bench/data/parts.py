"""Long documents as windows, and questions with the windows that may answer them: the rows of a tokenised store that
are parts of documents (`shared.store`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.encoder import Encoder
from bench.data.source import Progress
from shared.errors import UserError
from shared.outside import read_array
from shared.store import NO_LABEL, TOKENS, WORD_TAGS, Store
from shared.store_check import (
    ANSWERS,
    DOCUMENTS,
    GROUPS,
    LENGTHS,
    QUESTION_LENGTHS,
    TOKEN_BOXES,
    TOKEN_LINES,
    TOKEN_TAGS,
    TOKEN_WORDS,
)
from shared.wordpiece import CLS, PAD, SEP, UNK
from shared.words import Words, folded, read_words

PAGES_AT_ONCE = 256
LINE_END = ord("\n")
QUESTION_CUT, NOT_IN_TEXT, LONG = "questions cut", "answers not in the text", "documents of several windows"


class Window(NamedTuple):
    """A part of a text's tokens."""

    begin: int
    end: int
    own_begin: int  # the tokens from here to own_end are scored here, and in no other window
    own_end: int


def windows_of(length: int, room: int, stride: int) -> list[Window]:
    """The windows of a text of `length` tokens, `room` tokens each, of which `stride` are those of the one before.

    A token that lies in two of them is scored where it has more of the text around it.

    >>> windows_of(10, 6, 2)
    [Window(begin=0, end=6, own_begin=0, own_end=5), Window(begin=4, end=10, own_begin=5, own_end=10)]
    """
    found, begin, own = [], 0, 0
    while True:
        end = min(begin + room, length)
        is_last = end == length
        own_end = end if is_last else end - stride // 2
        found.append(Window(begin, end, own, own_end))
        if is_last:
            return found
        begin, own = end - stride, own_end


@dataclass(frozen=True)
class Row:
    """One row of the store to be."""

    document: int
    group: int
    ids: np.ndarray  # int32, t: [CLS] ... [SEP]
    words: np.ndarray  # int32, t; -1: none's
    labels: np.ndarray  # int16, t of tags; or int32, 2 of an answer
    first_segment: int = 0  # tokens of the question with [CLS] and [SEP]


class Text(NamedTuple):
    """A document's tokens."""

    ids: np.ndarray  # int32
    words: np.ndarray  # int32: which word each is of


def first_pieces(words: np.ndarray) -> np.ndarray:
    """Whether each token is the first of its word (bool)."""
    return np.concatenate([[True], words[1:] != words[:-1]]) if len(words) else np.zeros(0, bool)


def find_words(words: Sequence[str], wanted: str) -> tuple[int, int] | None:
    """The first words, from first to last, whose text is the one that is wanted; None: it is not there.

    Punctuation at the ends of a word may be missing in an answer, as in "Paris" for "Paris,".

    >>> find_words(["to", "Paris,", "France."], "paris, france"), find_words(["to"], "be")
    ((1, 2), None)
    """
    targets = folded(wanted).split()
    if not targets:
        return None
    lower = [folded(word) for word in words]
    for strip in ("", ".,;:()[]'\""):
        bare = [word.strip(strip) if strip else word for word in lower]
        sought = [target.strip(strip) if strip else target for target in targets]
        for first in range(len(bare) - len(sought) + 1):
            if bare[first : first + len(sought)] == sought:
                return first, first + len(sought) - 1
    return None


class Parts:
    """Cuts the documents of a store into rows."""

    def __init__(self, store: Store, encoder: Encoder, stride: int, kind: str) -> None:
        """
        Args:
            kind: "windows" or "questions".

        Raises:
            UserError: no words, no questions, or windows that would not move on.
        """
        words = read_words(store)
        if words is None:
            raise UserError(f"{store.path}: its text has no words with places; prepare it from annotated documents")
        self.words: Words = words
        self.store, self.encoder, self.stride, self.kind = store, encoder, stride, kind
        self.longest_question = (encoder.max_tokens - 3) // 2
        room = encoder.max_tokens - (2 if kind == "windows" else self.longest_question + 3)
        if stride >= room:
            raise UserError(
                f"windows that have room for {room} tokens of the text and share {stride} would not move on; ask for "
                "more tokens or a smaller stride"
            )
        self.notes: Counter[str] = Counter()
        self.tags = read_array(store.path / WORD_TAGS) if WORD_TAGS in store.manifest["bytes"] else None
        self.ends = tuple(encoder.vocabulary.ids[token] for token in (CLS, SEP))
        if self.tags is not None and len(self.tags) != len(words.boxes):
            raise UserError(f"{store.path}: {len(words.boxes)} words and {len(self.tags)} tags; prepare it again")
        if kind == "questions" and store.questions is None:
            raise UserError(f"{store.path}: no questions are asked of it; prepare it from a set with questions")

    def rows(self) -> Iterator[tuple[int, list[Row]]]:
        """The rows of each document, with its number."""
        group = 0
        for begin in range(0, len(self.store.labels), PAGES_AT_ONCE):
            numbers = range(begin, min(begin + PAGES_AT_ONCE, len(self.store.labels)))
            pages = [[word.text for word in self.words.page(number)] for number in numbers]
            for number, page, text in zip(numbers, pages, map(Text._make, self.encoder.pieces(pages)), strict=True):
                found = self.tagged(number, text) if self.kind == "windows" else self.asked(number, group, page, text)
                group = found[-1].group + 1 if found else group
                yield number, found

    def tagged(self, document: int, text: Text) -> list[Row]:
        """A document's windows; where words have tags, with one for the first token of every word."""
        cut = windows_of(len(text.ids), self.encoder.max_tokens - 2, self.stride)
        self.notes[LONG] += len(cut) > 1
        first = first_pieces(text.words)
        tags = np.zeros(0, np.int16) if self.tags is None else self.tags[self.words.offsets[document] :]
        rows = []
        for window in cut:
            part = slice(window.begin, window.end)
            place = np.arange(window.begin, window.end)
            own = first[part] & (place >= window.own_begin) & (place < window.own_end)
            labels = np.full(len(place), NO_LABEL, np.int16)
            if len(tags):
                labels[own] = tags[text.words[part][own]]
            ids, words = self.framed(text, part)
            rows.append(Row(document, document, ids, words, np.pad(labels, 1, constant_values=NO_LABEL)))
        return rows

    def lines(self, document: int) -> np.ndarray:
        """The line of its text that each of a document's words stands in (int64)."""
        assert self.store.text is not None, "words are a part of a text"
        ends = np.flatnonzero(np.frombuffer(self.store.text[document].encode(), np.uint8) == LINE_END)
        first = slice(self.words.offsets[document], self.words.offsets[document + 1])
        return np.searchsorted(ends, self.words.spans[first, 0])

    def framed(self, text: Text, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """A part of a text between [CLS] and [SEP]."""
        first, last = self.ends
        return np.array([first, *text.ids[part], last], np.int32), np.array([-1, *text.words[part], -1], np.int32)

    def asked(self, document: int, group: int, page: Sequence[str], text: Text) -> list[Row]:
        """A document's questions, each with every window."""
        rows: list[Row] = []
        first, last = self.ends
        for number, (question, answers) in enumerate(self.store.questions_of(document)):
            (asked,) = self.encoder.pieces([question.split() or ["?"]])
            self.notes[QUESTION_CUT] += len(asked[0]) > self.longest_question
            head = np.array([first, *asked[0][: self.longest_question], last], np.int32)
            span = next((found for answer in answers if (found := find_words(page, answer))), None)
            self.notes[NOT_IN_TEXT] += bool(answers) and span is None
            cut = windows_of(len(text.ids), self.encoder.max_tokens - len(head) - 1, self.stride)
            self.notes[LONG] += len(cut) > 1 and number == 0
            for window in cut:
                ids = np.concatenate([head, text.ids[window.begin : window.end], [last]]).astype(np.int32)
                words = np.full(len(ids), -1, np.int32)
                words[len(head) : -1] = text.words[window.begin : window.end]
                labels = np.array(NO_LABEL if span is None else token_span(words, text.words, span), np.int32)
                rows.append(Row(document, group + number, ids, words, np.broadcast_to(labels, 2), len(head)))
        return rows

    def write(self, folder: Path, progress: Progress) -> tuple[np.ndarray, list[str], dict[str, float]]:
        """Write the rows.

        Returns:
            each row's document (int64), the files made, and shares and counts for the manifest.
        """
        count, rows = len(self.store.labels), list[Row]()
        progress("tokens", 0, count)
        for number, found in self.rows():
            rows += found
            progress("tokens", number + 1, count)
        if not rows:
            raise UserError(f"{self.store.path}: no document has a question; give a set that asks some")
        width = self.encoder.max_tokens
        arrays: dict[str, np.ndarray] = {
            TOKENS: np.full((len(rows), width), self.encoder.vocabulary.ids[PAD], np.int32),
            TOKEN_WORDS: np.full((len(rows), width), -1, np.int32),
            TOKEN_LINES: np.zeros((len(rows), width), np.int32),
            TOKEN_BOXES: np.zeros((len(rows), width, 4), np.uint16),
            LENGTHS: np.array([len(row.ids) for row in rows], np.int32),
            DOCUMENTS: np.array([row.document for row in rows], np.int32),
            GROUPS: np.array([row.group for row in rows], np.int32),
        }
        if self.kind == "windows" and self.tags is not None:
            arrays[TOKEN_TAGS] = np.full((len(rows), width), NO_LABEL, np.int16)
        if self.kind == "questions":
            arrays[ANSWERS] = np.stack([row.labels for row in rows]).astype(np.int32)
            arrays[QUESTION_LENGTHS] = np.array([row.first_segment for row in rows], np.int32)
        for index, row in enumerate(rows):
            length = len(row.ids)
            arrays[TOKENS][index, :length], arrays[TOKEN_WORDS][index, :length] = row.ids, row.words
            of_word = row.words >= 0
            places = self.words.boxes[self.words.offsets[row.document] + row.words[of_word]]
            arrays[TOKEN_BOXES][index, :length][of_word] = places
            lines = self.lines(row.document)[row.words[of_word]]
            # by rank: lines whose words have no tokens (zero-width characters alone) are not counted
            arrays[TOKEN_LINES][index, :length][of_word] = np.unique(lines, return_inverse=True)[1]
            if TOKEN_TAGS in arrays:
                arrays[TOKEN_TAGS][index, :length] = row.labels
        for name, array in arrays.items():
            np.save(folder / name, array, allow_pickle=False)
        kept = max(1, int((arrays[TOKEN_WORDS] >= 0).sum()))
        unknown = int((arrays[TOKENS] == self.encoder.vocabulary.ids[UNK]).sum())
        shares: dict[str, float] = {"truncated": 0.0, "unknown": unknown / kept}
        counts = {key: value for key, value in self.notes.items() if value}
        return arrays[DOCUMENTS].astype(np.int64), list(arrays), shares | counts


def token_span(words: np.ndarray, all_words: np.ndarray, span: tuple[int, int]) -> tuple[int, int]:
    """First and last token of a row whose words are those of a span; (0, 0), [CLS], where not all of it is there."""
    inside = np.flatnonzero((words >= span[0]) & (words <= span[1]))
    whole = int(((all_words >= span[0]) & (all_words <= span[1])).sum())
    return (int(inside[0]), int(inside[-1])) if 0 < whole == len(inside) else (0, 0)
