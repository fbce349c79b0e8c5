"""Write a prepared store from a source of pages: parallel, resumable, whole or absent."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.data.decode import FILTER
from bench.data.pages import Result, render_all, usable_cores
from bench.data.partial import Partial
from bench.data.source import Page, Source
from shared.errors import UserError
from shared.store import (
    IMAGES,
    LABELS,
    MANIFEST,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    Store,
    count_pages,
    file_sha256,
    open_store,
)

Progress = Callable[[str, int, int], None]  # called with (what is being done, done so far, of how many)
ROWS_PER_MOVE = 256


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


@dataclass(frozen=True)
class Prepared:
    """The outcome of `prepare`."""

    store: Store
    existed: bool  # the store was there already, from the same arguments and inputs
    num_resumed: int  # pages that an earlier, interrupted call had finished
    num_rendered: int  # pages decoded or drawn by this call, rejected ones included


def prepare(
    source: Source, out: str | Path, size: int, workers: int | None = None, progress: Progress = silent
) -> Prepared:
    """Make a store of all pages of a source.

    Args:
        source: the pages.
        out: the store's directory; must not exist, unless it is the very store asked for.
        size: height and width of a page, pixels.
        workers: processes, by default and at most one a core. The store does not depend on it.
        progress: told how far it is.

    Raises:
        UserError: `out` exists and is something else, can't be written, or the disk is full (finished pages are kept
            and the same call goes on from them); a class or the training split has no readable page.
    """
    out = Path(out)
    fingerprint = source.fingerprint(size)
    partial = Partial(out)
    if out.exists() or out.is_symlink():
        store = existing(out, fingerprint, source, size)
        partial.remove()
        return Prepared(store, existed=True, num_resumed=0, num_rendered=0)
    require_space(partial, len(source.pages) * size * size)
    with disk_errors(out), partial.locked():
        finished = partial.begin(fingerprint, size * size, len(source.pages))
        num_resumed = len(finished)
        render_missing(source, size, workers or usable_cores(), partial, finished, progress)
        try:
            finish(source, size, fingerprint, partial, finished, progress)
        except UserError:
            partial.remove()  # all pages are read and no store can come of them
            raise
    return Prepared(open_store(out), False, num_resumed, len(source.pages) - num_resumed)


def existing(out: Path, fingerprint: str, source: Source, size: int) -> Store:
    """The store at `out`, if it is the one asked for.

    Raises:
        UserError: it is another one, damaged, or no store.
    """
    if not (out / MANIFEST).is_file():
        raise UserError(f"{out}: exists and is not a prepared store; choose another --out")
    store = open_store(out)
    if store.manifest.get("fingerprint") != fingerprint:
        raise UserError(
            f"{out}: exists, made from other arguments or inputs ({store.name}, {store.image_size} pixels, "
            f"{store.manifest['count']} pages; asked for: {source.name}, {size} pixels, {len(source.pages)} pages); "
            "choose another --out or delete it"
        )
    return store


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Turn the disk's refusals into one line each."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"{out}: the disk is full; finished pages are kept: free space and run the same command again"
            ) from None
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None


def require_space(partial: Partial, needed: int) -> None:
    """Raises UserError where a disk can't hold the pages: better now than in three hours."""
    there = partial.images.stat().st_blocks * 512 if partial.images.exists() else 0
    folder = next(parent for parent in partial.root.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise UserError(
            f"{partial.out}: the pages need {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; "
            "free space, choose another --out, or a smaller --size or --limit"
        )


def render_missing(
    source: Source, size: int, workers: int, partial: Partial, finished: dict[int, Result], progress: Progress
) -> None:
    """Render what is not in `finished` yet, and add it there."""
    missing = [(slot, page.key) for slot, page in enumerate(source.pages) if slot not in finished]
    progress("pages", len(finished), len(source.pages))
    with partial.journal() as note:
        for results in render_all(missing, source.render, size, partial.images, workers):
            note(results)
            finished.update((result.slot, result) for result in results)
            progress("pages", len(finished), len(source.pages))


def finish(
    source: Source, size: int, fingerprint: str, partial: Partial, finished: dict[int, Result], progress: Progress
) -> None:
    """Close the gaps that rejected pages left, write labels, splits and the manifest, give the store its name."""
    kept = [slot for slot in range(len(source.pages)) if finished[slot].reason is None]
    rejected = [
        {"file": page.name, "reason": str(finished[slot].reason)}
        for slot, page in enumerate(source.pages)
        if finished[slot].reason is not None
    ]
    pages = [source.pages[slot] for slot in kept]
    require_readable(source, pages, rejected)
    close_gaps(partial.images, kept, size * size)
    labels = np.array([page.label for page in pages], dtype=np.int32)
    split_codes = np.array([SPLITS.index(page.split) for page in pages], dtype=np.int8)
    np.save(partial.store / LABELS, labels, allow_pickle=False)
    np.save(partial.store / SPLIT_CODES, split_codes, allow_pickle=False)
    manifest = {
        "schema": STORE_SCHEMA,
        "name": source.name,
        "source": {"path": source.path, **source.arguments},
        "image_size": size,
        "count": len(pages),
        "classes": source.classes,
        "counts": count_pages(labels, split_codes, source.classes),
        "resize_filter": FILTER.name.lower(),
        "versions": {"python": platform.python_version(), "pillow": PIL.__version__, "numpy": np.__version__},
        **checksums(partial.store, progress),
        "rejected": [*source.rejected, *rejected],
        "fingerprint": fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (partial.store / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    partial.publish()


def require_readable(source: Source, pages: list[Page], rejected: list[dict[str, str]]) -> None:
    """Raises UserError where a class or the training split is left without a page."""
    with_page = {page.label for page in pages}
    empty = [name for label, name in enumerate(source.classes) if label not in with_page]
    first = f"; first rejected: {rejected[0]['file']} ({rejected[0]['reason']})" if rejected else ""
    where = source.path or source.name
    if empty:
        raise UserError(f"{where}: no readable page of class {', '.join(map(repr, empty))}{first}; add pages of it")
    if not any(page.split == SPLITS[0] for page in pages):
        raise UserError(f"{where}: no readable page in the training split{first}; add pages to it")


def close_gaps(images: Path, kept: list[int], image_bytes: int) -> None:
    """Move the kept slots of a file together, in order, and cut the rest off.

    A crash in between costs nothing but time: the next call sees that moved slots no longer match the journal.
    """
    if kept and kept[-1] != len(kept) - 1:
        slots = np.memmap(images, dtype=np.uint8, mode="r+", shape=(kept[-1] + 1, image_bytes))
        for start in range(0, len(kept), ROWS_PER_MOVE):
            rows = kept[start : start + ROWS_PER_MOVE]
            slots[start : start + len(rows)] = slots[rows]  # the right side is a copy, and lies behind the left
        slots.flush()
    os.truncate(images, len(kept) * image_bytes)


def checksums(folder: Path, progress: Progress) -> dict[str, Any]:
    """`sha256` and `bytes` of each file of a store."""
    sizes = {name: (folder / name).stat().st_size for name in (IMAGES, LABELS, SPLIT_CODES)}
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("checksums", done, sum(sizes.values()))

    return {"sha256": {name: file_sha256(folder / name, advance) for name in sizes}, "bytes": sizes}
