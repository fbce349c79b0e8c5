"""The words of a text with their parts of speech, and how frequent each is: what an augmented text is made of.

The tagger is textblob's English one (Penn tags): its lexicon comes with the package, and nothing is downloaded.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import accumulate
from typing import NamedTuple

WORD = re.compile(r"[^\W_]+(?:['\u2019.-][^\W_]+)*")  # what stands between is kept as it is


class Tagged(NamedTuple):
    """A word of a text."""

    begin: int  # characters from the text's begin
    end: int
    word: str  # in small letters, as the suite's networks read it
    tag: str  # part of speech


def tagger_name() -> str:
    """What tags the words, for the manifest: other versions may give other tags."""
    return f"textblob {version('textblob')}"


def tagged_words(text: str) -> list[Tagged]:
    """The words of a text in order, tagged line by line."""
    from textblob.en import tag  # with its lexicon it takes a second: only where it is needed

    found = list(WORD.finditer(text))
    lines: list[list[str]] = []
    last = 0
    for match in found:
        if not lines or "\n" in text[last : match.start()]:
            lines.append([])
        lines[-1].append(match[0])
        last = match.end()
    tags = [name for _, name in tag("\n".join(map(" ".join, lines)), tokenize=False)] if lines else []
    assert len(tags) == len(found), "a tag for each word: none has a blank or a slash in it"
    return [Tagged(match.start(), match.end(), match[0].lower(), name) for match, name in zip(found, tags, strict=True)]


Counts = Mapping[str, Mapping[str, int]]  # part of speech to word to how often it is there


def counted_words(texts: Iterable[str]) -> dict[str, Counter[str]]:
    """How often each word is there as each part of speech."""
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        for each in tagged_words(text):
            counts.setdefault(each.tag, Counter())[each.word] += 1
    return counts


def added_counts(parts: Iterable[Counts]) -> dict[str, dict[str, int]]:
    """The counts of several parts together."""
    total: dict[str, Counter[str]] = {}
    for part in parts:
        for tag, words in part.items():
            total.setdefault(tag, Counter()).update(words)
    return {tag: dict(words) for tag, words in total.items()}


class WordTable:
    """Draws a word of a part of speech by its frequency."""

    def __init__(self, counts: Counts) -> None:
        self._words: dict[str, list[str]] = {}
        self._ends: dict[str, list[int]] = {}
        self._places: dict[str, dict[str, int]] = {}
        for tag, of_tag in counts.items():
            # by falling frequency, then by name: the order is part of what is drawn
            words = sorted(of_tag, key=lambda word: (-of_tag[word], word))
            self._words[tag], self._ends[tag] = words, list(accumulate(of_tag[word] for word in words))
            self._places[tag] = {word: place for place, word in enumerate(words)}

    def another(self, tag: str, word: str, raw: int) -> str | None:
        """Another word of a part of speech than this one, which is one of it.

        Args:
            raw: 64 random bits.

        Returns:
            None: there is no other.
        """
        ends, own = self._ends[tag], self._places[tag][word]
        begin, end = ends[own - 1] if own else 0, ends[own]
        others = ends[-1] - (end - begin)
        if not others:
            return None
        drawn = (raw * others) >> 64
        return self._words[tag][bisect_right(ends, drawn if drawn < begin else drawn + end - begin)]
