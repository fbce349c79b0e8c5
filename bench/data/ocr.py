"""OCR as a stage of a preparation: which engine, the reading of all pages, what the manifest says of it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import Any

from bench.data import ocr_rapidocr, ocr_tesseract
from bench.data.documents import stored_name
from bench.data.judge import Judge, spread_first
from bench.data.ocr_journal import OcrJournal
from bench.data.ocr_worker import Engine, Work
from bench.data.partial import OCR_JOURNAL, SCRATCH
from bench.data.readers import read_pages
from bench.data.source import Source, TextJob, TextOutcome
from shared.errors import UserError
from shared.store import TEXT, write_strings
from shared.words import write_words

ENGINES = ("tesseract", "rapidocr", "auto")
PAGE_SECONDS = 60.0  # time limit of a page


def find_engine(name: str, language: str | None = None) -> Engine:
    """An engine that is installed here.

    Args:
        name: one of ENGINES; auto: Tesseract where it is installed, else RapidOCR.
        language: of Tesseract, see `bench.data.ocr_tesseract.find`.

    Raises:
        UserError: not installed, or it has no such language.
    """
    if name == "auto":
        if not ocr_tesseract.installed() and not ocr_rapidocr.installed():
            raise UserError(
                "--ocr: no engine is installed; install Tesseract (Debian: `apt-get install tesseract-ocr`) or "
                f"RapidOCR ({ocr_rapidocr.INSTALL})"
            )
        name = "tesseract" if ocr_tesseract.installed() else "rapidocr"
    return ocr_tesseract.find(language) if name == "tesseract" else ocr_rapidocr.find(language)


def with_ocr(source: Source, engine: Engine, seconds: float = PAGE_SECONDS) -> Source:
    """The source with the text that an engine reads on its pages.

    Args:
        seconds: time limit of a page; what runs past it has no text. Not part of the store's identity.
    """
    return replace(source, text=OcrText(source, engine, seconds))


@dataclass(frozen=True)
class OcrText:
    """A `bench.data.source.TextPart`."""

    source: Source
    engine: Engine
    seconds: float

    def identity(self) -> dict[str, str]:
        """Another engine, version or language reads other text."""
        return {"engine": self.engine.name, "version": self.engine.version, "language": self.engine.language}

    def write(self, job: TextJob) -> TextOutcome:
        """Read what an earlier call has not, then write text and words of all pages.

        Raises:
            UserError: what `read_pages` raises (finished pages are kept), all of the first pages have failed for one
                reason, or not one word was read on all of them.
        """
        journal = OcrJournal(job.partial.root / OCR_JOURNAL)
        missing = [slot for slot in job.kept if slot not in journal.places]
        num_resumed = len(job.kept) - len(missing)
        started = time.monotonic()
        self.read_missing(missing, journal, job)
        rate = round(len(missing) / (time.monotonic() - started), 3) if missing else None
        facts = self.write_store(journal, job)
        return TextOutcome({"ocr": {**self.identity(), **facts, "pages_per_second": rate}}, num_resumed)

    def read_missing(self, missing: list[int], journal: OcrJournal, job: TextJob) -> None:
        """Read pages into the journal, those first that lie evenly apart."""
        assert self.source.image is not None
        scratch = job.partial.root / SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        work = Work(self.engine, self.source.image, self.seconds, scratch, self.source.later_pages)
        done = len(job.kept) - len(missing)
        job.progress("OCR", done, len(job.kept))
        judge = Judge(f"OCR ({self.engine.name})", len(job.kept))
        for _ in range(done):
            judge.note(None)
        with journal.appending() as note:
            pages = [(slot, job.pages[slot].key) for slot in spread_first(missing)]
            for reading in read_pages(pages, work, job.workers):
                note(reading)
                judge.note(reading.reason)
                done += 1
                job.progress("OCR", done, len(job.kept))

    def write_store(self, journal: OcrJournal, job: TextJob) -> dict[str, Any]:
        """Journal to store; returns what there is to know of its text."""
        failed: list[dict[str, str]] = []
        cut: list[dict[str, Any]] = []
        num_empty = num_words = 0
        for slot, reading in zip(job.kept, journal.read(job.kept), strict=True):
            name = stored_name(job.pages[slot].name)
            if reading.reason is not None:
                failed.append({"file": name, "reason": reading.reason})
            if reading.text.cut:
                cut.append({"file": name, "characters": reading.text.length})
            num_empty += not reading.text.text
            num_words += len(reading.text.words)
        if num_empty == len(job.kept):
            journal.path.unlink()  # or a repeated command would find the same there
            why = f"; {len(failed)} failed, the first: {failed[0]['reason']}" if failed else ""
            raise UserError(
                f"OCR ({self.engine.name}): not one word on {num_empty} pages{why}; nothing was made: look at "
                "the pages and the language (--ocr-lang), or leave --ocr away"
            )
        write_strings(job.partial.store, TEXT, (reading.text.text for reading in journal.read(job.kept)))
        write_words(job.partial.store, (reading.text.arrays() for reading in journal.read(job.kept)))
        return {"failed": failed, "empty": num_empty, "words": num_words, "cut": cut}
