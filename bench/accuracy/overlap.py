"""Documents that two stores share: what is evaluated must not have been trained on (paper section 5.1)."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

import numpy as np

from shared.store import Store

NUMBERED = "synthetic"  # a store of that name calls its documents by number: equal names say nothing


def stem(name: str) -> str:
    """A document's name without folder and suffix, in lower case.

    >>> stem("images/q/Abc54c00.tif")
    'abc54c00'
    """
    return PurePosixPath(name.replace("\\", "/")).stem.lower()


def page_digests(store: Store) -> list[bytes]:
    """A digest of each page's pixels."""
    assert store.pixels is not None
    return [hashlib.blake2b(np.ascontiguousarray(page).data, digest_size=16).digest() for page in store.pixels]


def shared_documents(large: Store, large_pages: Store, small: Store, small_pages: Store) -> np.ndarray:
    """Which documents of a large store are also in a small one.

    Two documents are the same if their names are, but for folder and suffix, or if their pages are equal in every
    pixel. A page that was scanned or scaled in another way is not recognised by its pixels.

    Args:
        large, small: the stores as they were prepared, with their documents' names.
        large_pages, small_pages: the same documents, with pages of one size.

    Returns:
        bool, N of the large store.
    """
    known_pages = set(page_digests(small_pages))
    found = np.array([digest in known_pages for digest in page_digests(large_pages)], dtype=bool)
    if NUMBERED not in (large.name, small.name):
        known_names = {stem(small.names[row]) for row in range(len(small.names))}
        found |= np.array([stem(large.names[row]) in known_names for row in range(len(large.names))], dtype=bool)
    return found
