"""Data sets whose documents come annotated, a reader each: words with places, tagged words, questions."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from bench.data.annotated.reading import DataSet

# a kind of `bench data prepare` to the module that reads it, imported when it is asked for
READERS = {
    "funsd": "bench.data.annotated.funsd",
    "cord": "bench.data.annotated.cord",
    "sroie": "bench.data.annotated.sroie",
    "docvqa": "bench.data.annotated.docvqa",
    "kleister-nda": "bench.data.annotated.kleister",
}


def read(kind: str, path: Path) -> DataSet:
    """The documents of a data set.

    Args:
        kind: one of READERS. path: the data set's folder.

    Raises:
        UserError: another layout, or a file that is not what the data set's should be.
    """
    found: DataSet = import_module(READERS[kind]).source(path)
    return found
