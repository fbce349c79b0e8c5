"""Many strings in two files: those of a store's names, texts and questions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.errors import UserError
from shared.outside import open_file, read_array
from shared.store_check import string_files


@dataclass(frozen=True)
class Strings:
    """Many strings in one file of UTF-8, found by their offsets: `STEM.utf8` and `STEM.offsets.npy` (int64, N + 1)."""

    data: np.ndarray  # uint8, memory-mapped
    offsets: np.ndarray  # int64, N + 1, bytes

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return bytes(self.data[self.offsets[index] : self.offsets[index + 1]]).decode("utf-8", errors="replace")


def write_strings(folder: Path, stem: str, strings: Iterable[str]) -> None:
    """Write `Strings`; lone surrogates, which UTF-8 cannot hold, become question marks."""
    data_file, offsets_file = string_files(stem)
    offsets = [0]
    with (folder / data_file).open("wb") as file:
        for string in strings:
            offsets.append(offsets[-1] + file.write(string.encode("utf-8", errors="replace")))
    np.save(folder / offsets_file, np.array(offsets, np.int64), allow_pickle=False)


def read_strings(folder: Path, stem: str) -> Strings:
    """Open what `write_strings` wrote.

    Raises:
        UserError: not such files, or offsets that are not in order.
    """
    data_file, offsets_file = (folder / name for name in string_files(stem))
    data, offsets = map_bytes(data_file), read_array(offsets_file)
    ends = offsets.ndim == 1 and len(offsets) > 0 and offsets.dtype.kind in "iu"
    if not ends or offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise UserError(f"{offsets_file}: not where the strings of {data_file.name} end; prepare the store again")
    return Strings(data, offsets)


def map_bytes(path: Path) -> np.ndarray:
    """The bytes of a regular file (uint8), on disk until they are indexed."""
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return np.zeros(0, np.uint8)  # an empty file cannot be mapped
        return np.memmap(file, dtype=np.uint8, mode="r")
