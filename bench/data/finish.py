"""The end of a preparation: gaps closed, labels, splits, names and the manifest written, the store given its name."""

from __future__ import annotations

import json
import os
import platform
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.data.decode import FILTER
from bench.data.documents import Content, content_notes, stored_name
from bench.data.pages import Result
from bench.data.partial import Partial
from bench.data.source import EMPTY_STAMP, Page, Progress, Source, counted
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.store import (
    LABELS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    count_documents,
    file_sha256,
    write_strings,
)

ROWS_PER_MOVE = 256


def finish(
    source: Source,
    size: int,
    fingerprint: str,
    partial: Partial,
    kept: list[int],
    results: Mapping[int, Result],
    text_facts: dict[str, Any],
    progress: Progress,
) -> None:
    """Close the gaps that rejected pages left, write what is left to write, give the store its name.

    Args:
        kept: slots of the documents that the store gets. results: of all documents that have pages, by slot.
        text_facts: for the manifest.
    """
    pages = [source.pages[slot] for slot in kept]
    if source.render:
        close_gaps(partial.images, kept, size * size)
    labels = label_array(pages, len(source.classes), source.multi_label)
    split_codes = np.array([SPLITS.index(page.split) for page in pages], dtype=np.int8)
    np.save(partial.store / LABELS, labels, allow_pickle=False)
    np.save(partial.store / SPLIT_CODES, split_codes, allow_pickle=False)
    write_strings(partial.store, NAMES, (stored_name(page.name) for page in pages))
    counts = count_documents(labels, split_codes, source.classes)
    rejected = [
        {"file": stored_name(source.pages[slot].name), "reason": stored_name(result.reason)}
        for slot, result in sorted(results.items())
        if result.reason is not None
    ]
    several, several_notes = several_pages([results[slot].pages for slot in kept if slot in results], source)
    content = content_of(source, kept, results, partial.images, size * size)
    notes = [*source.notes, *missing_classes(counts, split_codes), *several_notes, *content_notes(pages, content)]
    manifest = {
        "schema": STORE_SCHEMA,
        "name": source.name,
        "source": {"path": source.path, **source.arguments},
        "image_size": size if source.render else None,
        "count": len(pages),
        "classes": source.classes,
        "counts": counts,
        "notes": list(dict.fromkeys(notes)),
        **several,
        **({"resize_filter": FILTER.name.lower()} if source.render else {}),
        **text_facts,
        "versions": {"python": platform.python_version(), "pillow": PIL.__version__, "numpy": np.__version__},
        **checksums(partial.store, progress),
        "rejected": [*source.rejected, *rejected],
        "fingerprint": fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (partial.store / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    partial.publish()


def several_pages(counts: Sequence[int], source: Source) -> tuple[dict[str, Any], list[str]]:
    """What there is to say, in the manifest and to the user, of files that hold several pages."""
    files, behind = sum(count > 1 for count in counts), sum(count - 1 for count in counts)
    if not files:
        return {}, []
    text_of_all = source.later_pages is not None
    if text_of_all:
        what = f"pixels of the first of each, text of all ({counted(behind, 'page')} behind the first)"
    else:
        what = f"the first of each, {counted(behind, 'page')} left out (--pages all: the text of all)"
    facts = {"files": files, "behind_the_first": behind, "text_of_all": text_of_all}
    return {"several_pages": facts}, [f"{counted(files, 'file')} of several pages: {what}"]


def content_of(
    source: Source, kept: Sequence[int], results: Mapping[int, Result], images: Path, image_bytes: int
) -> Content:
    """How the kept documents are compared: by their pixels, in the file with its gaps closed; texts by their hash."""
    if source.render is None:
        stamps = [source.pages[slot].stamp for slot in kept]
        hashes = [stamp if stamp not in ("", EMPTY_STAMP) else None for stamp in stamps]
        return Content(hashes, "text", lambda first, second: True)
    pixels = np.memmap(images, dtype=np.uint8, mode="r", shape=(len(kept), image_bytes))
    white = zlib.crc32(bytes([255]) * image_bytes)  # an empty sheet, or the stand-in for a page that has no image
    crcs = [None if results[slot].crc == white else results[slot].crc for slot in kept]
    return Content(crcs, "pixels", lambda first, second: bool(np.array_equal(pixels[first], pixels[second])))


def label_array(pages: Sequence[Page], num_classes: int, multi_label: bool) -> np.ndarray:
    """Labels as a store holds them: int32, N; or uint8, N x K."""
    if not multi_label:
        return np.array([page.label for page in pages], dtype=np.int32)
    labels = np.zeros((len(pages), num_classes), np.uint8)
    for row, page in enumerate(pages):
        assert isinstance(page.label, tuple)
        labels[row, list(page.label)] = 1
    return labels


def missing_classes(counts: Mapping[str, Mapping[str, int]], split_codes: np.ndarray) -> list[str]:
    """A line for each split that has documents, but of some classes none: these are not learnt, or not tested."""
    notes = []
    for code, split in enumerate(SPLITS):
        absent = [name for name, count in counts[split].items() if not count]
        if absent and (split_codes == code).any():
            names = ", ".join(map(repr, absent))
            notes.append(f"{split}: no document of {names} ({len(absent)} of {len(counts[split])} classes)")
    return notes


def require_readable(source: Source, kept: Sequence[int], results: Mapping[int, Result]) -> None:
    """Raises UserError where a class or the training split is left without a page."""
    pages = [source.pages[slot] for slot in kept]
    reasons = {slot: result.reason for slot, result in results.items() if result.reason is not None}
    first_slot = min(reasons, default=None)
    first = ""
    if first_slot is not None:
        first = f"; first rejected: {printable(source.pages[first_slot].name)} ({printable(reasons[first_slot])})"
    where = source.path or source.name
    if not source.multi_label:
        with_page = {page.label for page in pages}
        empty = [name for label, name in enumerate(source.classes) if label not in with_page]
        if empty:
            raise UserError(f"{where}: no readable page of class {', '.join(map(repr, empty))}{first}; add pages of it")
    if not any(page.split == SPLITS[0] for page in pages):
        raise UserError(f"{where}: no readable page in the training split{first}; add pages to it")


def close_gaps(images: Path, kept: Sequence[int], image_bytes: int) -> None:
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
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("checksums", done, sum(sizes.values()))

    return {"sha256": {name: file_sha256(folder / name, advance) for name in sizes}, "bytes": sizes}
