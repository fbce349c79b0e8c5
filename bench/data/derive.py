"""Stores that the harness makes for itself: synthetic pages, and smaller copies of a store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data import synthetic
from bench.data.prepare import prepare, silent
from bench.data.source import Page, Progress, Source, TextJob, TextOutcome
from shared.errors import UserError
from shared.store import IMAGES, LABELS, NAMES, SPLIT_CODES, SPLITS, Store, open_store, string_files

open_once = lru_cache(maxsize=1)(open_store)  # in a worker process, once for all of its pages


@dataclass(frozen=True)
class CopiedText:
    """A `bench.data.source.TextPart`: whatever a store holds beside its pages, and the manifest's lines about it."""

    store: Store

    def identity(self) -> str:
        """The same store has the same text."""
        return self.store.digest

    def write(self, job: TextJob) -> TextOutcome:
        """Copy the files."""
        assert job.kept == list(range(len(self.store.labels))), "a store's pages can all be read"
        for name in self.store.manifest["bytes"]:
            if name not in (IMAGES, LABELS, SPLIT_CODES, *string_files(NAMES)):
                shutil.copyfile(self.store.path / name, job.partial.store / name)
        facts = ("ocr", "text", "tokens", "several_pages", "tags", "asks", "annotation_notes", "teacher")
        return TextOutcome({key: self.store.manifest[key] for key in facts if key in self.store.manifest})


def label_of(store: Store, row: int) -> int | tuple[int, ...]:
    """A document's label, or its labels where it may have several."""
    return tuple(np.flatnonzero(store.labels[row]).tolist()) if store.multi_label else int(store.labels[row])


def shrink(row: int, size: int, store: str) -> np.ndarray:
    """A page of a store, reduced with a box filter: each pixel is the mean of the area it covers.

    Returns:
        uint8, size x size.
    """
    images = open_once(store).pixels
    assert images is not None
    page = Image.fromarray(np.asarray(images[row]))
    return np.asarray(page.resize((size, size), Image.Resampling.BOX))


def resized(store: Store, size: int, out: str | Path, workers: int | None = None, progress: Progress = silent) -> Store:
    """A copy of a store with smaller pages: the same order, labels, splits, names and text. Reused where it exists.

    Raises:
        UserError: the store has no pages, they would have to be enlarged, or what `prepare` raises.
    """
    if store.image_size is None:
        raise UserError(f"{store.path}: holds no pages; choose a store with pages")
    if size > store.image_size:
        raise UserError(
            f"{store.path}: its pages are {store.image_size} pixels, {size} are needed, and enlarging invents detail; "
            f"prepare the data again with --size {size}"
        )
    source = Source(
        name=store.name,
        classes=store.classes,
        pages=[
            Page(row, label_of(store, row), SPLITS[code], store.names[row])
            for row, code in enumerate(store.split_codes.tolist())
        ],
        render=partial(shrink, store=str(store.path.absolute())),
        arguments={**store.manifest.get("source", {}), "resized_from": store.digest, "size_before": store.image_size},
        path=str(store.path),
        rejected=store.manifest.get("rejected", []),
        notes=store.manifest.get("notes", []),
        text=CopiedText(store),
        multi_label=store.multi_label,
    )
    return prepare(source, out, size, workers, progress).store


def synthetic_store(
    out: str | Path,
    pages: int,
    size: int,
    seed: int = 0,
    classes: int = 16,
    workers: int | None = None,
    progress: Progress = silent,
    ocr: str | None = None,
) -> Store:
    """A store of synthetic pages, split 80/10/10. Reused where it exists.

    Args:
        out: the store's directory.
        pages: how many, over all classes and splits. size: height and width, pixels.
        seed: of the pages and the split. classes: 2 to 16.
        ocr: read the pages' text with this engine, see `bench.data.ocr.find_engine`.

    Raises:
        UserError: too few pages or classes, the engine is not installed, or what `prepare` raises.
    """
    source = synthetic.source(pages, seed, classes)
    if ocr is not None:
        from bench.data.ocr import find_engine, with_ocr

        source = with_ocr(source, find_engine(ocr))
    return prepare(source, out, size, workers, progress).store
