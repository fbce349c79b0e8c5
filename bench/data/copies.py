"""Stores that are made of another one: written whole or not at all, and reused where they are there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.data.partial import Partial
from bench.data.prepare import disk_errors
from shared.errors import UserError
from shared.store import MANIFEST, Store, open_store

# what a manifest's `source` says of tokens, whichever they are; a store with others has others in their place
OF_TOKENS = (
    "vocabulary", "vocabulary_digest", "vocabulary_size", "max_tokens", "truncation", "tokenised_from",
    "sentences", "vectors", "vectors_digest", "vector_size", "words_with_vectors",
)  # fmt: skip


def made_once(out: Path, fingerprint: str, what: str, write: Callable[[Path], None]) -> Store:
    """The store at `out`: the one that is there, or what `write` writes into an empty folder.

    Args:
        fingerprint: of all that decides its content; `write` puts it into the manifest.
        what: it is made from, for the message where another one is there.

    Raises:
        UserError: `out` is something else, or cannot be written; what `write` raises, and then nothing is left of it.
    """
    if out.exists() or out.is_symlink():
        return existing(out, fingerprint, what)
    partial = Partial(out)
    with disk_errors(out), partial.locked():
        partial.discard_content()
        partial.store.mkdir()
        try:
            write(partial.store)
        except BaseException:
            partial.remove()  # nothing in it is worth continuing
            raise
        partial.publish()
    return open_store(out)


def existing(out: Path, fingerprint: str, what: str) -> Store:
    """The store at `out`, if it is the one asked for.

    Raises:
        UserError: it is another one, damaged, or no store.
    """
    if not (out / MANIFEST).is_file():
        raise UserError(f"{out}: exists and is not a prepared store; choose another --out")
    store = open_store(out)
    if store.manifest.get("fingerprint") != fingerprint:
        raise UserError(f"{out}: exists, made from another {what}; choose another --out")
    return store


def without_tokens(source: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's `source` less what it says of tokens."""
    return {key: value for key, value in source.items() if key not in OF_TOKENS}


def link_or_copy(source: Path, target: Path) -> None:
    """The same content under another name; a copy where the file system has no links or is another one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
