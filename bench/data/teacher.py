"""A store with a teacher's logits of its documents: `teacher.npy`, and in the manifest whose they are.

Of a store with texts: what a teacher is asked about is the text, and its identity holds a digest of all of them, so
that the logits are refused beside other documents, other classes or another order
(`shared.store_check.check_teacher`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.copies import link_or_copy
from bench.data.partial import Partial
from bench.data.prepare import disk_errors
from shared.errors import UserError
from shared.store import MANIFEST, TEACHER, Store, file_sha256, open_store
from shared.store_check import classes_digest, texts_digest

Identity = dict[str, Any]


def identity_of(store: Store, name: str, weights: str, spec: str, **more: str) -> Identity:
    """Who a teacher is and what it was asked about.

    Args:
        store: with the texts that it was asked about.
        name: of its workload and preset, for messages. weights: sha256 of them. spec: its workload's spec hash.
        more: what else a reader may want to know.
    """
    texts, classes = texts_digest(store.manifest), classes_digest(store.classes)
    known = {"name": name, "weights": weights, "spec": spec, "texts": texts, "classes": classes}
    return {**more, **known, "asked": store.digest}


def fingerprint(identity: Mapping[str, Any]) -> str:
    """An identity in a few digits: of the teacher and of the texts and classes."""
    known = [identity[key] for key in ("weights", "spec", "texts", "classes")]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def same_teacher(store: Store, identity: Mapping[str, Any]) -> bool:
    """Whether a store has the logits of this teacher."""
    found = store.manifest.get("teacher")
    return found is not None and fingerprint(found) == fingerprint(identity)


def check_no_other(store: Store, identity: Mapping[str, Any]) -> None:
    """Raises UserError where a store has the logits of another teacher."""
    found = store.manifest.get("teacher")
    if found is not None and not same_teacher(store, identity):
        whose = f"{found['name']}, weights {found['weights'][:8]}"
        asked = f"{identity['name']}, weights {identity['weights'][:8]}"
        raise UserError(
            f"{store.path}: has logits of another teacher ({whose}; asked for: {asked}); give the store that it was "
            "made from, or that teacher"
        )


def taught(store: Store, logits: np.ndarray, identity: Identity, out: Path) -> Store:
    """A store with a teacher's logits beside all that is in another; reused where it is there.

    Args:
        logits: float32, N x K, finite: a row for each row of the store.
        identity: as `identity_of` makes it. out: the new store's directory.

    Raises:
        UserError: the store has those of another teacher, or rows that are no whole documents, or no text; `out` is
            something else or cannot be written.
    """
    check_no_other(store, identity)
    if store.text is None or store.documents is not None:
        lacks = "no text" if store.text is None else "rows that are parts of documents"
        raise UserError(f"{store.path}: holds {lacks}; a teacher is asked about whole documents of text")
    if out.exists() or out.is_symlink():
        found = open_store(out) if (out / MANIFEST).is_file() else None
        if found is None or not same_teacher(found, identity):
            raise UserError(
                f"{out}: exists and is not this store with this teacher's logits; name another, or delete it"
            )
        return found
    partial = Partial(out)
    with disk_errors(out), partial.locked():
        partial.discard_content()
        partial.store.mkdir()
        try:
            write(store, logits, identity, partial.store)
        except BaseException:
            partial.remove()  # nothing in it is worth continuing
            raise
        partial.publish()
    return open_store(out, checksums=None)


def write(store: Store, logits: np.ndarray, identity: Identity, folder: Path) -> None:
    """Write the files of a store with a teacher's logits into an empty folder."""
    kept = [name for name in store.manifest["bytes"] if name != TEACHER]
    for name in kept:
        link_or_copy(store.path / name, folder / name)
    np.save(folder / TEACHER, np.ascontiguousarray(logits, np.float32), allow_pickle=False)
    known = store.manifest
    manifest = known | {
        "sha256": {name: known["sha256"][name] for name in kept} | {TEACHER: file_sha256(folder / TEACHER)},
        "bytes": {name: known["bytes"][name] for name in kept} | {TEACHER: (folder / TEACHER).stat().st_size},
        "teacher": identity,
        "fingerprint": fingerprint(identity),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
