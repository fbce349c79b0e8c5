"""`--retry-failed`: a finished store goes back into the making, less the pages that failed, and is made whole anew."""

from __future__ import annotations

import os
import zlib

import numpy as np

from bench.data.documents import stored_name
from bench.data.ocr_journal import OcrJournal
from bench.data.ocr_worker import Reading
from bench.data.page_text import PageText
from bench.data.pages import Result, write_at
from bench.data.partial import OCR_JOURNAL, Partial
from bench.data.source import Source
from shared.errors import UserError
from shared.store import Store
from shared.words import Words, read_words


def num_failed(store: Store, source: Source) -> int:
    """Pages of a store that could not be read, as pixels or as text, when it was prepared."""
    rejected = len(store.manifest.get("rejected", [])) - len(source.rejected)
    return max(0, rejected) + len(store.manifest.get("ocr", {}).get("failed", []))


def take_back(store: Store, source: Source, partial: Partial) -> dict[int, Result]:
    """Fill a partial store, made ready by `Partial.begin`, with what a finished store has of the same source.

    Returns:
        Results of the pages whose pixels are there; as `Partial.begin` returns them.

    Raises:
        UserError: the store's documents are not the source's.
    """
    rejected = {entry["file"] for entry in store.manifest.get("rejected", [])}
    names = [stored_name(page.name) for page in source.pages]
    kept = [slot for slot, name in enumerate(names) if name not in rejected]
    if len(kept) != len(store.names) or any(store.names[row] != names[slot] for row, slot in enumerate(kept)):
        raise UserError(f"{store.path}: its documents are not those of the source; choose another --out or delete it")
    results = []
    if store.pixels is not None:
        descriptor = os.open(partial.images, os.O_WRONLY)
        try:
            for row, slot in enumerate(kept):
                pixels = np.asarray(store.pixels[row]).tobytes()
                write_at(descriptor, pixels, slot * len(pixels))
                pages = source.num_pages(source.pages[slot].key) if source.num_pages else 1
                results.append(Result(slot, zlib.crc32(pixels), None, pages))
        finally:
            os.close(descriptor)
        with partial.journal() as note:
            note(results)
    words = read_words(store)
    if words is not None and "ocr" in store.manifest:  # words that came with the documents are read with them again
        take_text_back(store, words, kept, partial)
    return {result.slot: result for result in results}


def take_text_back(store: Store, words: Words, kept: list[int], partial: Partial) -> None:
    """Note the text and words of all pages that OCR has read down in the partial store's journal."""
    assert store.text is not None
    failed = {entry["file"] for entry in store.manifest["ocr"]["failed"]}
    cut = {entry["file"]: entry["characters"] for entry in store.manifest["ocr"]["cut"]}
    with OcrJournal(partial.root / OCR_JOURNAL).appending() as note:
        for row, slot in enumerate(kept):
            name, text = store.names[row], store.text[row]
            if name in failed:
                continue
            rows = slice(words.offsets[row], words.offsets[row + 1])
            table = np.column_stack([words.spans[rows], words.boxes[rows], words.confidence[rows]]).astype(int)
            note(Reading(slot, PageText(text, table.tolist(), cut.get(name, len(text))), None))
