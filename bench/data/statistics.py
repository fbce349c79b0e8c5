"""The figures of a corpus that papers print: documents, classes, and of a document its labels, words and sentences.

Source: Adhikari et al., "DocBERT: BERT for Document Classification", 2019, table 1. Words and sentences are those that
networks of whole words read (`shared.word_tokens`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from bench.data.prepare import silent
from bench.data.source import Progress
from bench.terminal import grids
from shared.store import SPLITS, Store
from shared.store_check import MANIFEST
from shared.word_tokens import sentences_of, words_of

ALL = "all"
COLUMNS = ("split", "documents", "classes", "labels per document", "words per document", "sentences per document")
TOLD_EVERY = 1000  # texts


class Row(NamedTuple):
    """A document."""

    split: str  # "": it has none
    labels: Collection[int | str]
    text: str


@dataclass
class Totals:
    """Sums over documents."""

    documents: int = 0
    labels: int = 0
    words: int = 0
    sentences: int = 0
    classes: set[int | str] = field(default_factory=set)  # those that a document has

    def add(self, row: Row, words: int, sentences: int) -> None:
        """Count a document."""
        self.documents += 1
        self.labels += len(row.labels)
        self.words += words
        self.sentences += sentences
        self.classes.update(row.labels)

    def cells(self) -> list[str]:
        """Documents, classes and the means per document, for a table."""
        means = (self.labels, self.words, self.sentences)
        count = max(self.documents, 1)
        return [f"{self.documents:,}", str(len(self.classes)), *(f"{each / count:.2f}" for each in means)]


def statistics(rows: Iterable[Row]) -> dict[str, Totals]:
    """Split to its sums, of the splits that there are, and ALL of all together."""
    found: dict[str, Totals] = {}
    together = Totals()
    for row in rows:
        words, sentences = len(words_of(row.text)), len(sentences_of(row.text))
        for totals in (together, found.setdefault(row.split, Totals())):
            totals.add(row, words, sentences)
    return {split: found[split] for split in SPLITS if split in found} | {ALL: together}


def print_statistics(found: dict[str, Totals], path: Path, console: Console) -> None:
    """The table."""
    grids.print_grid(console, COLUMNS, [[split, *totals.cells()] for split, totals in found.items()], title=str(path))


def store_rows(store: Store, progress: Progress = silent) -> Iterator[Row]:
    """The documents of a store with text; of rows that are parts of documents each document once, with its first."""
    assert store.text is not None
    rows, count = np.arange(len(store.labels)), len(store.labels)
    if store.documents is not None:
        rows = np.unique(np.asarray(store.documents), return_index=True)[1]
    for done, row in enumerate(rows.tolist(), 1):
        document = row if store.documents is None else int(store.documents[row])
        labels = np.flatnonzero(store.labels[row]).tolist() if store.multi_label else [int(store.labels[row])]
        if done % TOLD_EVERY == 0:
            progress("texts", done, count)
        yield Row(SPLITS[store.split_codes[row]], labels, store.text[document])


def corpus_rows(path: Path) -> Iterator[Row] | None:
    """The documents of a corpus that is not prepared, as `bench data prepare corpus` or `hedwig` takes it; None: there
    is none at `path`.

    Raises:
        UserError: what the readers raise.
    """
    if path.suffix == ".jsonl" or (path.is_dir() and not (path / MANIFEST).exists() and any(path.glob("*.jsonl"))):
        from bench.data.corpus import read_documents

        return (Row(each.split, each.labels, each.text.text) for each in read_documents(path))
    if (path / "train.tsv").is_file():
        from bench.data.hedwig import lines_of, split_files

        return (
            Row(split, [place for place, bit in enumerate(line.bits) if bit == "1"], line.text.text)
            for split, file in split_files(path).items()
            for line in lines_of(file)
        )
    return None
