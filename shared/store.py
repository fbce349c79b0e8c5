"""The prepared store: pages of one size, decoded once, read by both wings without decoding (DESIGN section 4).

A store is a directory, written under a temporary name and renamed when it is whole:
`images.u8` (N x H x W, grey, raw bytes), `labels.npy` (int32, N), `splits.npy` (int8, N: 0 train, 1 val, 2 test) and
`manifest.json` (schema, counts, classes, source, tool versions, sha256 of every file, rejected inputs with the reason).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
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
READ_BYTES = 1 << 22

OnBytes = Callable[[int, int], None]  # called with (bytes read so far, bytes in all)


@dataclass(frozen=True)
class Store:
    """An opened store; the pages stay on disk until they are indexed."""

    path: Path
    manifest: dict[str, Any]
    images: np.ndarray  # uint8, N x H x W, memory-mapped
    labels: np.ndarray  # int32, N
    split_codes: np.ndarray  # int8, N

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place, not the pages: a loader process opens the store itself."""
        return reopen, (self.path, not isinstance(self.images, np.memmap))

    def in_memory(self) -> Store:
        """The same store with its pages read into memory."""
        return Store(self.path, self.manifest, np.array(self.images), self.labels, self.split_codes)

    @property
    def name(self) -> str:
        """Where the pages are from: `synthetic`, `rvl-cdip`, `tobacco3482`, `folder` or `index`."""
        return str(self.manifest["name"])

    @property
    def image_size(self) -> int:
        """Width and height of a page, pixels."""
        return int(self.manifest["image_size"])

    @property
    def classes(self) -> list[str]:
        """Class names; a label is an index into them."""
        return list(self.manifest["classes"])

    @property
    def digest(self) -> str:
        """Identity of the content: equal stores have equal digests wherever they were made."""
        return hashlib.sha256(json.dumps(self.manifest["sha256"], sort_keys=True).encode()).hexdigest()[:16]

    def indices(self, split: str) -> np.ndarray:
        """Sample indices (int64, ascending) of a split."""
        return np.flatnonzero(self.split_codes == SPLITS.index(split))

    def counts(self) -> dict[str, dict[str, int]]:
        """Split to class name to number of pages."""
        return count_pages(self.labels, self.split_codes, self.classes)


def count_pages(labels: np.ndarray, split_codes: np.ndarray, classes: list[str]) -> dict[str, dict[str, int]]:
    """Split to class name to number of pages; every split and class is named, also those without pages."""
    table = {}
    for code, split in enumerate(SPLITS):
        per_class = np.bincount(labels[split_codes == code], minlength=len(classes))
        table[split] = dict(zip(classes, per_class.tolist(), strict=True))
    return table


def file_sha256(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, hex; `on_bytes` is told the size of each block read."""
    checksum = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(READ_BYTES):
            checksum.update(block)
            if on_bytes:
                on_bytes(len(block))
    return checksum.hexdigest()


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a store.

    Raises:
        UserError: no store there, half-written, of another schema version, or not a manifest.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such store; make one with `bench data prepare`")
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except FileNotFoundError:
        raise UserError(
            f"{root}: not a prepared store ({MANIFEST} is missing: half-written, or a folder of pages); "
            "make one with `bench data prepare`"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise UserError(f"{path}: not a store's manifest; prepare the store again") from None
    if schema != STORE_SCHEMA:
        raise UserError(f"{root}: store schema {schema!r}, this version reads {STORE_SCHEMA}; prepare the store again")
    missing = [key for key in ("name", "image_size", "count", "classes", "sha256", "bytes") if key not in manifest]
    for key in ("sha256", "bytes"):
        missing += [file for file in (IMAGES, LABELS, SPLIT_CODES) if file not in manifest.get(key, {})]
    if missing:
        raise UserError(f"{path}: {missing[0]!r} is missing (edited or damaged); prepare the store again")
    return dict(manifest)


def check_files(root: Path, manifest: dict[str, Any], checksums: bool | None, on_bytes: OnBytes | None) -> None:
    """Compare a store's files with its manifest: sizes always, sha256 as `open_store` says."""
    sizes: dict[str, int] = manifest["bytes"]
    for name, size in sizes.items():
        file = root / name
        if not file.is_file() or file.stat().st_size != size:
            raise UserError(f"{file}: missing or not {size} bytes long (half-written?); prepare the store again")
    limit = {True: float("inf"), None: CHECKSUM_LIMIT_BYTES, False: -1}[checksums]
    checked = [name for name, size in sizes.items() if size <= limit]
    total = sum(sizes[name] for name in checked)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if on_bytes:
            on_bytes(done, total)

    for name in checked:
        if file_sha256(root / name, advance) != manifest["sha256"][name]:
            raise UserError(
                f"{root / name}: its sha256 is not the manifest's (changed or damaged); prepare the store again"
            )


def open_store(path: str | Path, checksums: bool | None = False, on_bytes: OnBytes | None = None) -> Store:
    """Open a prepared store.

    Args:
        path: its directory.
        checksums: True compares every file's sha256 with the manifest's; None only for files up to
            CHECKSUM_LIMIT_BYTES; False compares sizes alone (what a worker does: the harness has checked before it).
        on_bytes: told how far the checksums are.

    Raises:
        UserError: no store there, half-written, of another schema version, or with changed files.
    """
    root = Path(path)
    manifest = read_manifest(root)
    check_files(root, manifest, checksums, on_bytes)
    try:
        size, count = int(manifest["image_size"]), int(manifest["count"])
        store = Store(
            path=root,
            manifest=manifest,
            images=np.memmap(root / IMAGES, dtype=np.uint8, mode="r", shape=(count, size, size)),
            labels=np.load(root / LABELS, allow_pickle=False),
            split_codes=np.load(root / SPLIT_CODES, allow_pickle=False),
        )
    except (OSError, TypeError, ValueError) as error:
        raise UserError(f"{root}: cannot be read ({error}); prepare the store again") from None
    if not len(store.images) == len(store.labels) == len(store.split_codes):
        raise UserError(f"{root}: pages, labels and splits differ in number; prepare the store again")
    return store


def reopen(path: Path, in_memory: bool) -> Store:
    """Open a store in another process the way it was open in the first."""
    store = open_store(path)
    return store.in_memory() if in_memory else store
