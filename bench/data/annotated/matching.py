"""Where a value that a data set has apart from the text stands in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from shared.entities import OUTSIDE

AMOUNT = re.compile(r"[^\d-]*(\d[\d,]*(?:\.\d+)?)\D*")


def letters(word: str) -> str:
    """Letters and digits alone, in small: what is left when spelling of a name differs in blanks and points.

    >>> letters("D.I.Y."), letters("(M)"), letters("&")
    ('diy', 'm', '')
    """
    return "".join(each for each in unicodedata.normalize("NFKC", word).casefold() if each.isalnum())


def without_edges(word: str) -> str:
    """In small letters, less what is no letter or digit at both ends.

    >>> without_edges("(25/12/2018),"), without_edges("-")
    ('25/12/2018', '')
    """
    return re.sub(r"^[\W_]+|[\W_]+$", "", word.casefold())


def amount(word: str) -> str:
    """The figure in a word, less its currency and commas between thousands; "" where the word is something else.

    >>> amount("RM1,209.00"), amount("9.00."), amount("12/03"), amount("TOTAL")
    ('1209.00', '9.00', '', '')
    """
    found = AMOUNT.fullmatch(word)
    return found[1].replace(",", "") if found else ""


def spans(forms: Sequence[str], wanted: str) -> Iterator[range]:
    """Runs of words whose forms, put together, are what is wanted; they begin and end where words do.

    >>> list(spans(["kl", "new", "", "york", "new"], "newyork"))
    [range(1, 4)]
    """
    for first, form in enumerate(forms):
        if not form or not wanted.startswith(form):
            continue
        rest = wanted
        for last in range(first, len(forms)):
            if not rest.startswith(forms[last]):
                break
            rest = rest[len(forms[last]) :]
            if not rest:
                yield range(first, last + 1)
                break


def mark(tags: list[str], span: range, entity: str) -> bool:
    """Tag a run of words as an entity; False, and nothing done, where one of them is part of another.

    >>> tags = ["O", "O", "O"]
    >>> mark(tags, range(1, 3), "date"), mark(tags, range(0, 2), "total"), tags
    (True, False, ['O', 'B-date', 'I-date'])
    """
    if any(tags[word] != OUTSIDE for word in span):
        return False
    for word in span:
        tags[word] = f"{'I' if word > span.start else 'B'}-{entity}"
    return True
