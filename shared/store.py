"""The prepared store: pages of one size, decoded once, read by both wings without decoding (DESIGN section 4).

A store is a directory, written under a temporary name and renamed when it is whole:
`images.u8` (N x H x W, grey, raw bytes), `labels.npy` (int32, N), `splits.npy` (int8, N: 0 train, 1 val, 2 test) and
`manifest.json` (schema, counts, classes, source, tool versions, sha256 of every file, rejected inputs with the reason).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import UserError

STORE_SCHEMA = 1
MANIFEST = "manifest.json"
IMAGES, LABELS, SPLIT_CODES = "images.u8", "labels.npy", "splits.npy"
SPLITS = ("train", "val", "test")
CHECKSUM_LIMIT_BYTES = 1 << 30  # larger files are checked by size on opening, by sha256 only when asked to


@dataclass(frozen=True)
class Store:
    """An opened store; the pages stay on disk until they are indexed."""

    path: Path
    manifest: dict[str, Any]
    images: np.ndarray  # uint8, N x H x W, memory-mapped
    labels: np.ndarray  # int32, N
    split_codes: np.ndarray  # int8, N

    @property
    def image_size(self) -> int:
        return int(self.manifest["image_size"])

    @property
    def classes(self) -> list[str]:
        return list(self.manifest["classes"])

    @property
    def digest(self) -> str:
        """Identity of the content: equal stores have equal digests wherever they were made."""
        return hashlib.sha256(json.dumps(self.manifest["sha256"], sort_keys=True).encode()).hexdigest()[:16]

    def indices(self, split: str) -> np.ndarray:
        """Sample indices (int64, ascending) of a split."""
        return np.flatnonzero(self.split_codes == SPLITS.index(split))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_store(path: str | Path, checksums: bool | None = False) -> Store:
    """Open a prepared store.

    Args:
        path: its directory.
        checksums: True compares every file's sha256 with the manifest's; None only for files up to
            CHECKSUM_LIMIT_BYTES; False compares sizes alone (what a worker does: the harness has checked before it).

    Raises:
        UserError: no store there, half-written, of another schema version, or with changed files.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"{root}: no such store; make one with `bench data prepare`")
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except FileNotFoundError:
        raise UserError(
            f"{root}: not a prepared store ({MANIFEST} is missing: half-written, or a folder of pages); "
            "make one with `bench data prepare`"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise UserError(f"{root / MANIFEST}: not a store's manifest; prepare the store again") from None
    if schema != STORE_SCHEMA:
        raise UserError(f"{root}: store schema {schema!r}, this version reads {STORE_SCHEMA}; prepare the store again")
    for name, expected in manifest["sha256"].items():
        file = root / name
        wanted_size = manifest["bytes"][name]
        if not file.is_file() or file.stat().st_size != wanted_size:
            raise UserError(f"{file}: missing or not {wanted_size} bytes long (half-written?); prepare the store again")
        small = wanted_size <= CHECKSUM_LIMIT_BYTES
        if (checksums or (checksums is None and small)) and file_sha256(file) != expected:
            raise UserError(f"{file}: its sha256 is not the manifest's (changed or damaged); prepare the store again")
    size, count = int(manifest["image_size"]), int(manifest["count"])
    return Store(
        path=root,
        manifest=manifest,
        images=np.memmap(root / IMAGES, dtype=np.uint8, mode="r", shape=(count, size, size)),
        labels=np.load(root / LABELS, allow_pickle=False),
        split_codes=np.load(root / SPLIT_CODES, allow_pickle=False),
    )
