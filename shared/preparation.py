"""What a request's input costs before the network sees it: from texts and encoded pages to the batch on the host.

A store holds what documents were made into: pages decoded, texts as tokens. Here that is done again for each request,
from where a document would come in, so that it can be timed:

| what is read | from | by |
| --- | --- | --- |
| pages | a PNG of the store's page, in memory | Pillow |
| tokens | the store's text | the framework's own tokeniser (`tokenizer` of either wing) |
| whole words | the store's text | `shared.word_tokens` |

What comes out is compared with what the store holds, once for every request: a figure of something else is none. The
places of words are OCR's, and are looked up. Rows that are parts of documents are not cut out again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from shared.batches import EvalBatches
from shared.families import family_of
from shared.modalities import Modality, Pages, Tokens, Words
from shared.outside import read_text
from shared.protocol import Cell
from shared.store import VOCABULARY, Store
from shared.wing import Wing
from shared.word_tokens import ids_of

Preparation = Callable[[int], None]  # of a request, by its number
Content = Callable[[Any], np.ndarray]  # raw documents to what a store holds of them


def preparation_of(
    cell: Cell, wing: Wing, store: Store, batches: EvalBatches, requests: Iterable[int]
) -> Preparation | None:
    """What prepares the inputs of some requests, for all replicas of this process; None: that is not timed.

    The `native` arm's batches begin at the texts by themselves where a library's tokeniser makes them.
    """
    if store.documents is not None:
        return None
    family, first = family_of(cell.workload), wing.rank * wing.local_replicas
    mine = range(first, first + wing.local_replicas)
    steps: list[tuple[Content, list[list[Any]]]] = []
    numbers = list(requests)
    rows = [[batches.samples(number, replica) for replica in mine] for number in numbers]
    for modality in family.modalities(cell.workload):
        made = reader(modality, wing, store)
        if made is None or (isinstance(modality, Tokens) and wing.reads_texts(batches)):
            continue
        raw_of, content, kept = made
        raw = [[raw_of(samples) for samples in each] for each in rows]
        if not all(
            np.array_equal(content(of_replica), kept[samples])
            for each, named in zip(raw, rows, strict=True)
            for of_replica, samples in zip(each, named, strict=True)
        ):
            return None
        steps.append((content, raw))
    if not steps:
        return None if not wing.reads_texts(batches) else lambda _: None
    place = {number: index for index, number in enumerate(numbers)}

    def prepare(number: int) -> None:
        for content, raw in steps:
            for of_replica in raw[place[number]]:
                content(of_replica)

    return prepare


def reader(
    modality: Modality, wing: Wing, store: Store
) -> tuple[Callable[[np.ndarray], Any], Content, np.ndarray] | None:
    """How a modality is made anew: samples to raw documents, these to content, and the content that the store has."""
    if isinstance(modality, Pages) and store.pixels is not None:
        pixels, size = store.pixels, modality.pixels
        return (
            lambda samples: [encoded(pixels[row]) for row in samples],
            lambda pages: np.stack([decoded(page, size) for page in pages]),
            pixels,
        )
    if store.text is None or store.tokens is None:
        return None
    text, tokens = store.text, store.tokens

    def texts_of(samples: np.ndarray) -> list[str]:
        return [text[int(row)] for row in samples]

    if isinstance(modality, Tokens):
        tokenize = wing.tokenizer(str(store.path / VOCABULARY), modality.width, modality.truncation)
        return texts_of, lambda texts: np.asarray(tokenize(texts)[0]), tokens
    if isinstance(modality, Words):
        width, sentences = modality.width, modality.sentences
        ids = {word: number for number, word in enumerate(read_text(store.path / VOCABULARY).split("\n"))}
        return texts_of, lambda texts: np.stack([ids_of(each, ids, width, sentences) for each in texts]), tokens
    return None


def encoded(page: np.ndarray) -> bytes:
    """A page (uint8, H x W) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(page).save(buffer, "PNG")
    return buffer.getvalue()


def decoded(page: bytes, size: int) -> np.ndarray:
    """A PNG as a page of a size (uint8, size x size)."""
    from PIL import Image

    image = Image.open(io.BytesIO(page)).convert("L")
    return np.asarray(image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BOX))
