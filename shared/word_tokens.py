"""Whole words as tokens, as text classifiers before BERT have them, and as Adhikari et al. (DocBERT, 2019) had them.

Source: the cleaning of Kim's convolutional networks (EMNLP 2014) as it is in the students' released code: letters,
digits and some punctuation stay, the rest becomes blanks, case is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1
SPECIAL_WORDS = (PAD, UNKNOWN)  # the first of every vocabulary

_OTHER = re.compile(r"[^A-Za-z0-9(),!?'`]")
_ENDS = re.compile(r"[!?]")


def words_of(text: str) -> list[str]:
    """The words of a text.

    >>> words_of("Net profit: 3.5 mln (vs. 2), it said!")
    ['net', 'profit', '3', '5', 'mln', '(vs', '2),', 'it', 'said!']
    """
    return _OTHER.sub(" ", text).lower().split()


def sentences_of(text: str) -> list[list[str]]:
    """The words of each sentence of a text: cut at full stops; those without words are left out.

    >>> sentences_of("It rose. Why? U.S. mills")
    [['it', 'rose'], ['why', 'u'], ['s'], ['mills']]
    """
    found = (words_of(sentence) for sentence in _ENDS.sub(" ", text).split("."))
    return [words for words in found if words]


def rows_of(text: str, sentences: int) -> Sequence[Sequence[str]]:
    """All words of a text by sentences; as one row, where `sentences` is 0."""
    return sentences_of(text) if sentences else [words_of(text)]


def ids_of(text: str, ids: Mapping[str, int], width: int, sentences: int = 0) -> np.ndarray:
    """A text as ids of whole words (int32, T), PAD_ID behind the last; a text without words is one that is not known.

    Args:
        ids: of the words that are known.
        width: T, of which the text has the first; with sentences: of each of the first so many, T is their product.

    >>> ids_of("It rose. Why, U.S.?", {"it": 2, "why,": 3}, 3, 2)
    array([2, 1, 0, 3, 1, 0], dtype=int32)
    """
    found = np.full((sentences or 1, width), PAD_ID, np.int32)
    for place, row in enumerate(rows_of(text, sentences)[: len(found)]):
        kept = [ids.get(word, UNKNOWN_ID) for word in row[:width]]
        found[place, : len(kept)] = kept
    if not found.any():
        found[0, 0] = UNKNOWN_ID
    return found.reshape(-1)
