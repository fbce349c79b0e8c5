"""Taggers without a network, what one has to beat: the most frequent tag, and each word's own most frequent tag."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from bench.accuracy.baselines import BaselineScore
from shared.entities import entities
from shared.errors import UserError
from shared.outside import read_array
from shared.store import WORD_TAGS, Store
from shared.tasks import task_of_store
from shared.words import folded, read_words

MAJORITY, OF_WORD = "majority tag", "majority tag of each word"
Document = tuple[list[str], list[str]]  # words and their tags


def tagged_documents(store: Store, split: str) -> list[Document]:
    """The words of a split's documents with their tags.

    Raises:
        UserError: rows that are no documents.
    """
    words = read_words(store)
    if words is None or store.documents is not None or WORD_TAGS not in store.manifest["bytes"]:
        raise UserError(f"{store.path}: its rows are parts of documents; give the store that it was made from")
    tags, names = read_array(store.path / WORD_TAGS), store.tags
    return [
        (
            [folded(word.text) for word in words.page(row)],
            [names[tag] for tag in tags[words.offsets[row] : words.offsets[row + 1]]],
        )
        for row in store.indices(split).tolist()
    ]


def tag_scores(store: Store) -> list[BaselineScore]:
    """Entity F1, precision and recall on the test documents, trained on the training documents.

    Raises:
        UserError: as `tagged_documents`; no training words.
    """
    train, test = tagged_documents(store, "train"), tagged_documents(store, "test")
    begin = time.perf_counter()
    counts = Counter(tag for _, tags in train for tag in tags)
    if not counts:
        raise UserError(f"{store.path}: no word of the training documents has a tag; prepare it from tagged documents")
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in train:
        for word, tag in zip(words, tags, strict=True):
            of_word[word][tag] += 1
    most = counts.most_common(1)[0][0]
    taggers: dict[str, Callable[[str], str]] = {
        MAJORITY: lambda word: most,
        OF_WORD: lambda word: of_word[word].most_common(1)[0][0] if word in of_word else most,
    }
    return [scored(name, tagger, test, store, time.perf_counter() - begin) for name, tagger in taggers.items()]


def scored(
    name: str, tagger: Callable[[str], str], documents: Sequence[Document], store: Store, seconds: float
) -> BaselineScore:
    """A tagger's entities against those that are right."""
    task, sums = task_of_store(store), Counter(samples=0, hits=0, predicted=0, relevant=0, words=0, correct=0)
    for words, tags in documents:
        given, wanted = entities([tagger(word) for word in words]), entities(tags)
        sums.update(samples=1, hits=len(given & wanted), predicted=len(given), relevant=len(wanted))
    scores = task.scores(sums)
    return BaselineScore(name, scores["f1"], scores["precision"], scores["recall"], seconds)
