"""Synthetic texts: words of the synthetic pages' classes, so that the text workloads run where no data is at hand."""

from __future__ import annotations

import random

from bench.data import synthetic
from bench.data.corpus import CorpusText
from bench.data.page_text import plain_text
from bench.data.source import Page, Source
from bench.data.splits import DEFAULT_SPLIT
from bench.data.vocabulary import COMMON, OWN

WORDS = (20, 160)  # shortest and longest text
SENTENCE_WORDS = (3, 15)  # of a sentence, where texts have some
OWN_SHARE = 0.15  # of the words that the text's classes have to themselves; the rest are anybody's
STRAY_SHARE = 0.05  # of the words that are another class's


def text(
    number: int, seed: int, class_names: list[str], words: tuple[int, int] = WORDS, sentences: bool = False
) -> str:
    """One text of so many words at least and at most: the same for the same arguments in any process.

    Args:
        sentences: whether full stops stand between some of its words, which are the same with and without.
    """
    rng = random.Random(f"{seed}/{number}/text")
    own, others = [word for name in class_names for word in OWN[name].split()], list(OWN)
    chosen = []
    for _ in range(rng.randint(*words)):
        draw = rng.random()
        stock = own if draw < OWN_SHARE else COMMON
        if OWN_SHARE <= draw < OWN_SHARE + STRAY_SHARE:
            stock = OWN[rng.choice(others)].split()
        chosen.append(rng.choice(stock))
    return " ".join(with_stops(chosen, random.Random(f"{seed}/{number}/stops")) if sentences else chosen)


def with_stops(words: list[str], rng: random.Random) -> list[str]:
    """Some words with a full stop behind every few of them, and behind the last."""
    stopped, begin = list(words), 0
    while begin < len(words):
        begin += rng.randint(*SENTENCE_WORDS)
        stopped[min(begin, len(words)) - 1] += "."
    return stopped


def labels_of(number: int, seed: int, num_classes: int, several: bool) -> tuple[int, ...]:
    """The classes of a text: its number's, and of several every other text has a second one."""
    first = number % num_classes
    rng = random.Random(f"{seed}/{number}/labels")
    second = rng.randrange(num_classes) if several and rng.random() < 0.5 else first
    return tuple(sorted({first, second}))


def source(
    num_texts: int,
    seed: int = 0,
    num_classes: int = 16,
    shares: tuple[float, ...] = DEFAULT_SPLIT,
    words: tuple[int, int] = WORDS,
    several: bool = False,
    sentences: bool = False,
) -> Source:
    """`num_texts` texts, balanced over the first `num_classes` classes; their names and splits are those of as many
    synthetic pages.

    Args:
        words: of a text, at least and at most. several: whether a text may have more than one class. sentences: whether
            it has full stops.

    Raises:
        UserError: classes that are not 2 to 16, or fewer texts than classes.
    """
    pages = synthetic.source(num_texts, seed, num_classes, shares)
    labels = [labels_of(row, seed, num_classes, several) for row in range(num_texts)]
    names = [[pages.classes[label] for label in each] for each in labels]
    return Source(
        name=pages.name,
        classes=pages.classes,
        pages=[
            Page(row, labels[row] if several else labels[row][0], page.split, page.name)
            for row, page in enumerate(pages.pages)
        ],
        render=None,
        arguments={
            **pages.arguments,
            **({"sentence_words": list(SENTENCE_WORDS)} if sentences else {}),
            "words": list(words),
            "own": OWN_SHARE,
            "stray": STRAY_SHARE,
            "several": several,
        },
        text=CorpusText({row: plain_text(text(row, seed, names[row], words, sentences)) for row in range(num_texts)}),
        multi_label=several,
    )
