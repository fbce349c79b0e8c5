"""Whole words as tokens, as the text classifiers before BERT have them, and as Adhikari et al. (DocBERT, 2019) train theirs.

Source: the cleaning of Kim's convolutional networks (EMNLP 2014) as it is in the released code of the students: letters,
digits and some punctuation stay, the rest becomes blanks, case is dropped.
"""

from __future__ import annotations

import re

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
