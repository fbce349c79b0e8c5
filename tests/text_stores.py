"""A small store of texts, for tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.store import NAMES, STORE_SCHEMA, TEXT, Store, open_store, write_strings


def text_store(
    root: Path,
    texts: Sequence[str],
    splits: Sequence[int] | None = None,
    labels: np.ndarray | None = None,
    stem: str = TEXT,
) -> Store:
    """A store of texts alone."""
    root.mkdir(parents=True)
    labels = np.arange(len(texts), dtype=np.int32) % 2 if labels is None else labels
    np.save(root / "labels.npy", labels)
    np.save(root / "splits.npy", np.array([0] * len(texts) if splits is None else splits, np.int8))
    write_strings(root, NAMES, [f"{row}.txt" for row in range(len(texts))])
    write_strings(root, stem, texts)
    paths = sorted(root.iterdir())
    manifest = {
        "schema": STORE_SCHEMA,
        "name": "corpus",
        "source": {"path": "somewhere", "seed": 3},
        "image_size": None,
        "count": len(texts),
        "classes": ["x", "y"],
        "resize_filter": "box",
        "rejected": [{"file": "bad.txt", "reason": "unreadable"}],
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "bytes": {path.name: path.stat().st_size for path in paths},
    }
    (root / "manifest.json").write_text(json.dumps(manifest))
    return open_store(root, checksums=True)
