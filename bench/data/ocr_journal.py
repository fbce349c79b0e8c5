"""Pages that OCR has finished: one line each, so that an interrupted call goes on page by page."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.data.ocr_worker import Reading
from bench.data.page_text import PageText
from shared.outside import parse_json


def packed(reading: Reading) -> bytes:
    """A page's line: the CRC-32 of the rest in hex, then JSON."""
    content = json.dumps([reading.slot, reading.reason, *reading.text], ensure_ascii=False, separators=(",", ":"))
    data = content.encode()
    return b"%08x %s\n" % (zlib.crc32(data), data)


def unpacked(line: bytes) -> Reading | None:
    """The page of a line; None where a crash or the disk has damaged it."""
    crc, _, data = line.rstrip(b"\n").partition(b" ")
    if crc != b"%08x" % zlib.crc32(data):
        return None
    try:
        slot, reason, *text = parse_json(data)
        return Reading(int(slot), PageText(*text), reason)
    except (ValueError, TypeError):
        return None


class OcrJournal:
    """The file; what it holds in memory is where each page's line begins (a large set has gigabytes of text).

    Pages that failed in an earlier call are not in it: they are tried again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[int, int] = {}  # slot to offset, bytes
        if not path.exists():
            return
        with path.open("rb") as file:
            place = 0
            for line in file:
                reading = unpacked(line)
                if reading is not None and reading.reason is None:
                    self.places[reading.slot] = place
                place += len(line)

    @contextmanager
    def appending(self) -> Iterator[Callable[[Reading], None]]:
        """A function that notes a page down, at once."""
        with self.path.open("ab") as file:
            file.write(b"\n")  # ends a line that a crash cut off

            def note(reading: Reading) -> None:
                place = file.tell()
                file.write(packed(reading))
                file.flush()
                self.places[reading.slot] = place

            yield note

    def read(self, slots: Sequence[int]) -> Iterator[Reading]:
        """Finished pages, in the order asked for."""
        with self.path.open("rb") as file:
            for slot in slots:
                yield self._at(file, self.places[slot])

    def _at(self, file: BinaryIO, place: int) -> Reading:
        file.seek(place)
        reading = unpacked(file.readline())
        assert reading is not None, "the line was whole when its place was noted"
        return reading
