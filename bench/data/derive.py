"""Stores that the harness makes for itself: synthetic pages, and smaller copies of a store."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data import synthetic
from bench.data.prepare import Progress, prepare, silent
from bench.data.source import Page, Source
from shared.errors import UserError
from shared.store import SPLITS, Store, open_store

open_once = lru_cache(maxsize=1)(open_store)  # in a worker process, once for all of its pages


def shrink(row: int, size: int, store: str) -> np.ndarray:
    """A page of a store, reduced with a box filter: each pixel is the mean of the area it covers.

    Returns:
        uint8, size x size.
    """
    page = Image.fromarray(np.asarray(open_once(store).images[row]))
    return np.asarray(page.resize((size, size), Image.Resampling.BOX))


def resized(store: Store, size: int, out: str | Path, workers: int | None = None, progress: Progress = silent) -> Store:
    """A copy of a store with smaller pages: the same order, labels, splits and name. Reused where it exists.

    Raises:
        UserError: pages would have to be enlarged, or what `prepare` raises.
    """
    if size > store.image_size:
        raise UserError(
            f"{store.path}: its pages are {store.image_size} pixels, {size} are needed, and enlarging invents detail; "
            f"prepare the data again with --size {size}"
        )
    codes = zip(store.labels.tolist(), store.split_codes.tolist(), strict=True)
    source = Source(
        name=store.name,
        classes=store.classes,
        pages=[Page(row, label, SPLITS[code], f"page {row}") for row, (label, code) in enumerate(codes)],
        render=partial(shrink, store=str(store.path.absolute())),
        arguments={**store.manifest.get("source", {}), "resized_from": store.digest, "size_before": store.image_size},
        path=str(store.path),
        rejected=store.manifest.get("rejected", []),
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
) -> Store:
    """A store of synthetic pages, split 80/10/10. Reused where it exists.

    Args:
        out: the store's directory.
        pages: how many, over all classes and splits. size: height and width, pixels.
        seed: of the pages and the split. classes: 2 to 16.

    Raises:
        UserError: too few pages or classes, or what `prepare` raises.
    """
    return prepare(synthetic.source(pages, seed, classes), out, size, workers, progress).store
