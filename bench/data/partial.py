"""A store in the making: a hidden directory beside its destination, which a later call can continue.

`.STORE.partial/` holds `fingerprint` (of the source), `journal` (a JSON line for each decoded page), `ocr.jsonl` (one
for each page that OCR has read, see `bench.data.ocr_journal`), `scratch/` (an engine's temporary files), `lock` and
`store/`, which becomes the destination when it is whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.data.pages import Result
from shared.errors import UserError
from shared.outside import parse_json, read_bytes
from shared.store import IMAGES

FINGERPRINT, JOURNAL, LOCK, STORE = "fingerprint", "journal", "lock", "store"
MOST_JOURNAL_BYTES = 1 << 32  # of a million pages that all failed there are a tenth of it
OCR_JOURNAL, SCRATCH, REPLACED = "ocr.jsonl", "scratch", "replaced"


@dataclass(frozen=True)
class Partial:
    """Paths of a store in the making."""

    out: Path

    @property
    def root(self) -> Path:
        """The hidden directory."""
        return self.out.parent / f".{self.out.name}.partial"

    @property
    def store(self) -> Path:
        """The directory that becomes the store."""
        return self.root / STORE

    @property
    def images(self) -> Path:
        """The file of slots that pages are rendered into."""
        return self.store / IMAGES

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this partial store; the lock ends with the process, however that ends.

        Raises:
            UserError: another process holds it.
            OSError: the directory can't be made.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.out}: another process is preparing it; wait, or choose another --out") from None
            yield

    def begin(self, fingerprint: str, image_bytes: int, num_pages: int) -> dict[int, Result]:
        """Make ready to render: continue what has this fingerprint, drop anything else.

        Args:
            fingerprint: of the source at the store's size.
            image_bytes: of one page; 0: the documents have no pages. num_pages: slots in the file.

        Returns:
            Results of pages that an earlier call finished and whose pixels are still as it wrote them.
        """
        mark = self.root / FINGERPRINT
        if not (mark.is_file() and mark.read_text() == fingerprint and self.store.is_dir()):
            self.discard_content()
            self.store.mkdir()
            mark.write_text(fingerprint)
        if not image_bytes:
            return {}
        self.images.touch()
        os.truncate(self.images, num_pages * image_bytes)
        return self._verified(self._journalled(num_pages), image_bytes)

    def _journalled(self, num_pages: int) -> Iterator[Result]:
        """What the journal says; a line cut off by a crash is passed over."""
        journal = self.root / JOURNAL
        if not journal.exists():
            return
        for line in read_bytes(journal, MOST_JOURNAL_BYTES).decode(errors="replace").splitlines():
            try:
                slot, crc, reason, pages = parse_json(line)
                result = Result(int(slot), int(crc), reason, int(pages))
            except (ValueError, TypeError):
                continue
            if 0 <= result.slot < num_pages:
                yield result

    def _verified(self, results: Iterable[Result], image_bytes: int) -> dict[int, Result]:
        """Results whose pixels are in the file: after a power failure the journal may know more than the disk.

        Pages that failed are not among them: they are tried again.
        """
        finished = {}
        with self.images.open("rb") as images:
            for result in results:
                images.seek(result.slot * image_bytes)
                if result.reason is None and zlib.crc32(images.read(image_bytes)) == result.crc:
                    finished[result.slot] = result
        return finished

    @contextmanager
    def journal(self) -> Iterator[Callable[[list[Result]], None]]:
        """A function that notes results down for a later call, at once."""
        with (self.root / JOURNAL).open("a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that a crash cut off

            def note(results: list[Result]) -> None:
                file.writelines(json.dumps(result) + "\n" for result in results)
                file.flush()

            yield note

    @property
    def replaced(self) -> Path:
        """Where an earlier store waits while the one that replaces it is given its name."""
        return self.root / REPLACED

    def recover(self) -> None:
        """Give an earlier store its name again, if a call was killed between the two renames of `publish`."""
        if self.replaced.is_dir() and not self.out.exists():
            self.replaced.rename(self.out)

    def publish(self) -> None:
        """Give the finished store its name; the rename is what makes it a store."""
        for path in self.store.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if self.out.is_dir():  # pages that had failed were tried again
            self.out.rename(self.replaced)
        self.store.rename(self.out)
        self.remove()

    def discard_content(self) -> None:
        """Drop what another preparation has done."""
        (self.root / FINGERPRINT).unlink(missing_ok=True)
        (self.root / JOURNAL).unlink(missing_ok=True)
        (self.root / OCR_JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.root / SCRATCH, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)

    def remove(self) -> None:
        """Drop the partial store."""
        shutil.rmtree(self.root, ignore_errors=True)
