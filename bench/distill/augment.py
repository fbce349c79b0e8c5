"""A text with some words masked and some replaced by others of the same part of speech.

Tang et al. ("Distilling task-specific knowledge from BERT into simple neural networks", 2019), as Adhikari et al.
(DocBERT, 2019, section 4.2) use it: each word is masked with a probability, else replaced with another, else kept. (The
former's n-gram sampling is not in the latter.) Draws come from counters: a text's outcome depends on seed, copy,
document and place alone, whoever makes it and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.distill.words import Tagged, WordTable
from shared.draws import Purpose, uniform, words

MASK = "[MASK]"
MASKED, REPLACED = 0.1, 0.1  # probabilities of a word


class Augmented(NamedTuple):
    """A text and what became of its words."""

    text: str
    masked: int
    replaced: int
    kept: int


def augmented(text: str, tagged: Sequence[Tagged], table: WordTable, seed: int, copy: int, document: int) -> Augmented:
    """Copy number `copy` (from 1) of a document.

    Args:
        tagged: the text's words. table: of the training split.
        document: its row in the store.
    """
    raw = words(seed, Purpose.TRANSFER, copy, document, 2 * len(tagged))
    shares = uniform(raw[0::2])
    parts: list[str] = []
    masked = replaced = last = 0
    for place, word in enumerate(tagged):
        if shares[place] >= MASKED + REPLACED:
            continue
        if shares[place] < MASKED:
            other: str | None = MASK
            masked += 1
        else:
            other = table.another(word.tag, word.word, int(raw[2 * place + 1]))
            replaced += other is not None
        if other is not None:
            parts += [text[last : word.begin], other]
            last = word.end
    return Augmented("".join([*parts, text[last:]]), masked, replaced, len(tagged) - masked - replaced)
