"""Entities that tags of words make up: B-X begins one, I-X goes on with it, O is outside of all."""

from __future__ import annotations

from collections.abc import Sequence

OUTSIDE = "O"


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """The entities (kind, first and last word) of a document's tags.

    As conlleval counts them (Tjong Kim Sang and De Meulder, CoNLL-2003): an I- that follows no entity of its kind opens
    one.

    >>> sorted(entities(["I-date", "I-date", "B-date", "I-total", "O"]))
    [('date', 0, 1), ('date', 2, 2), ('total', 3, 3)]
    """
    found, begin, open_kind = set(), 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        first, _, kind = tag.partition("-")
        if open_kind and (first != "I" or kind != open_kind):
            found.add((open_kind, begin, place - 1))
            open_kind = ""
        if kind and not open_kind:
            begin, open_kind = place, kind
    return found
