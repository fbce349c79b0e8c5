"""The transfer set: the texts of a training split and augmented copies of them, as a store of texts.

Training split: the originals and the copies, with their originals' labels; validation and test as they were. Work is
done in parts that are kept as files, so that an interrupted call goes on from them; the set does not depend on the
number of processes. A copy whose text is there already is skipped.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.derive import label_of, open_once
from bench.data.pages import follow_parent, interrupts_held, usable_cores
from bench.data.partial import Partial
from bench.data.prepare import disk_errors, prepare, silent
from bench.data.source import Page, Progress, Source, TextJob, TextOutcome, text_stamp
from bench.distill.augment import MASKED, REPLACED, augmented
from bench.distill.words import WordTable, added_counts, counted_words, tagged_words, tagger_name
from bench.host.files import write_atomically
from shared.errors import UserError
from shared.outside import parse_json, read_json, read_text
from shared.store import MANIFEST, SPLITS, TEXT, Store, open_store, write_strings

TRANSFER_VERSION = 1  # part of the fingerprint: raise it when the same texts would give others
DOCUMENTS_PER_PART = 1000
MOST_PART_BYTES = 1 << 31


@dataclass(frozen=True)
class Augmentation:
    """What decides a transfer set beside the store that it is made of."""

    copies: int  # of each training document, the original included
    seed: int

    def arguments(self, store: Store) -> dict[str, Any]:
        """For the manifest, and for the fingerprint."""
        return {
            "transfer_from": store.digest,
            "copies": self.copies,
            "transfer_seed": self.seed,
            "masked": MASKED,
            "replaced": REPLACED,
            "tagger": tagger_name(),
            "transfer_version": TRANSFER_VERSION,
        }

    def fingerprint(self, store: Store) -> str:
        """Hash of everything that decides the copies."""
        content = json.dumps(self.arguments(store), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Report:
    """What became of documents and of the words of their copies."""

    originals: int  # training documents
    copies: int  # texts added to them
    duplicates: int  # copies that were skipped: their text was there already
    masked: int  # words of the added copies
    replaced: int
    kept: int

    def lines(self) -> list[str]:
        """For people."""
        words = self.masked + self.replaced + self.kept
        shares = [
            f"{count:,} {what} ({count / max(words, 1):.1%})"
            for what, count in (("masked", self.masked), ("replaced", self.replaced), ("kept", self.kept))
        ]
        return [
            f"{self.originals + self.copies:,} training texts: {self.originals:,} originals, {self.copies:,} copies; "
            f"{self.duplicates:,} duplicates skipped",
            f"words of the copies: {', '.join(shares)}",
        ]


class Copy(NamedTuple):
    """An augmented text, a line of a part's file."""

    row: int  # of its original
    number: int  # of the copy, from 1
    masked: int
    replaced: int
    kept: int
    text: str


class PartJob(NamedTuple):
    """Some training documents, for a worker process."""

    store: str
    rows: list[int]
    out: str
    augmentation: Augmentation
    table: str


def is_transfer_set(store: Store) -> bool:
    """Whether a store is one already."""
    return "transfer_from" in store.manifest.get("source", {})


def report_of(store: Store) -> Report | None:
    """The report that a transfer set's manifest holds; None: it has none that can be read."""
    try:
        return Report(**store.manifest["transfer"])
    except (KeyError, TypeError):
        return None


def check_store(store: Store) -> None:
    """Whether a transfer set can be made of a store.

    Raises:
        UserError: no text, no training documents, or rows that are parts of documents.
    """
    if store.text is None:
        raise UserError(
            f"{store.path}: holds no text to learn from; prepare it again with `bench data prepare ... --ocr`, or give "
            "a corpus"
        )
    if store.documents is not None:
        raise UserError(f"{store.path}: its rows are parts of documents; give the store that it was made from")
    if not len(store.indices(SPLITS[0])):
        raise UserError(f"{store.path}: has no training documents; a transfer set is made of them")


def make_transfer_set(
    store: Store, augmentation: Augmentation, out: Path, workers: int | None = None, progress: Progress = silent
) -> Store:
    """The transfer set of a store; reused where it is there, gone on with where a call was interrupted.

    Args:
        store: with texts. out: the new store's directory.
        workers: processes, by default and at most one per core. The set does not depend on it.
        progress: told how far it is.

    Raises:
        UserError: what `check_store` raises; `out` is something else or cannot be written.
    """
    check_store(store)
    if is_transfer_set(store):
        raise UserError(f"{store.path}: is a transfer set already; give the store that it was made from")
    if (out / MANIFEST).is_file():
        return existing(out, augmentation.arguments(store))
    # the copies' files, beside those of the store in the making, which `prepare` locks
    working = Partial(out.with_name(f"{out.name}-copies"))
    with disk_errors(out), working.locked():
        working.begin(augmentation.fingerprint(store), 0, 0)
        parts: list[Path] = []
        if augmentation.copies > 1:
            parts = write_parts(store, augmentation, working.store, workers, progress)
        source = source_of(store, augmentation, parts)
        made = prepare(source, out, 0, 1, progress).store
        working.remove()
    return made


def existing(out: Path, arguments: dict[str, Any]) -> Store:
    """The store at `out`, if it is the transfer set asked for.

    Raises:
        UserError: it is another one, or damaged.
    """
    found = open_store(out, checksums=None)
    source = found.manifest.get("source", {})
    for key, value in arguments.items():
        if source.get(key) != value:
            there = f"its {key} is {source.get(key)!r}, {value!r} asked for"
            raise UserError(f"{out}: exists and is another transfer set ({there}); name another, or delete it")
    return found


def write_parts(
    store: Store, augmentation: Augmentation, folder: Path, workers: int | None, progress: Progress
) -> list[Path]:
    """The files of the augmented texts, in the order of the documents; those that are there are kept."""
    rows = store.indices(SPLITS[0]).tolist()
    chunks = [rows[begin : begin + DOCUMENTS_PER_PART] for begin in range(0, len(rows), DOCUMENTS_PER_PART)]
    # its name tells it from another store's: a process keeps the table that it has read
    table = folder / f"table-{augmentation.fingerprint(store)}.json"

    def jobs(stem: str) -> list[PartJob]:
        return [
            PartJob(str(store.path.absolute()), chunk, str(folder / f"{stem}-{index}.json"), augmentation, str(table))
            for index, chunk in enumerate(chunks)
        ]

    counting, copying = jobs("words"), jobs("copies")
    if not table.is_file():
        run_parts(count_part, counting, workers, partial(progress, "words"))
        counts = added_counts(read_json(Path(job.out)) for job in counting)
        write_atomically(table, json.dumps(counts))
    run_parts(copy_part, copying, workers, partial(progress, "copies"))
    return [Path(job.out) for job in copying]


def run_parts(
    work: Callable[[PartJob], None], jobs: list[PartJob], workers: int | None, progress: Callable[[int, int], None]
) -> None:
    """Do the parts whose files are not there, in worker processes where there are several of both.

    Raises:
        UserError: a worker process was killed.
    """
    waiting = [job for job in jobs if not Path(job.out).is_file()]
    done = len(jobs) - len(waiting)
    progress(done, len(jobs))
    processes = min(workers or usable_cores(), usable_cores(), len(waiting))
    if processes <= 1:
        for job in waiting:
            work(job)
            done += 1
            progress(done, len(jobs))
        return
    # spawned, not forked: the caller may have threads (a progress bar), and a fork copies their locks
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=follow_parent)
    try:
        running: list[Future[None]] = []
        for job in waiting:
            with interrupts_held():
                running.append(pool.submit(work, job))
        for future in as_completed(running):
            future.result()
            done += 1
            progress(done, len(jobs))
    except BrokenProcessPool:
        raise UserError(
            "a process that augments texts was killed (out of memory?); finished parts are kept: run the same command "
            "again"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def count_part(job: PartJob) -> None:
    """Count the words of some documents by their part of speech."""
    text = open_once(job.store).text
    assert text is not None, "checked before"
    write_atomically(Path(job.out), json.dumps(counted_words(text[row] for row in job.rows)))


@lru_cache(maxsize=1)
def table_of(path: str) -> WordTable:
    """The words of a training split; in a worker process, once for all of its parts."""
    return WordTable(read_json(Path(path)))


def copy_part(job: PartJob) -> None:
    """Augment some documents, a line for each copy."""
    text, table = open_once(job.store).text, table_of(job.table)
    assert text is not None, "checked before"
    lines = []
    for row in job.rows:
        original = text[row]
        tagged = tagged_words(original)
        for number in range(1, job.augmentation.copies):
            made = augmented(original, tagged, table, job.augmentation.seed, number, row)
            lines.append(json.dumps(Copy(row, number, made.masked, made.replaced, made.kept, made.text)))
    write_atomically(Path(job.out), "\n".join(lines))


def read_copies(parts: Iterable[Path]) -> Iterator[Copy]:
    """The augmented texts of some files, in order."""
    for path in parts:
        for line in read_text(path, MOST_PART_BYTES).split("\n"):
            yield Copy(*parse_json(line))


def new_copies(store: Store, parts: Iterable[Path]) -> Iterator[tuple[Copy, bool]]:
    """The augmented texts in order, and whether each is new: neither an original's text nor an earlier copy's."""
    assert store.text is not None, "checked before"
    seen = {stamp(store.text[row]) for row in range(len(store.text))}
    for copy in read_copies(parts):
        key = stamp(copy.text)
        yield copy, key not in seen
        seen.add(key)


def stamp(text: str) -> bytes:
    """What tells one text from another, in few bytes: a set of millions is held."""
    return hashlib.sha256(" ".join(text.split()).lower().encode(errors="surrogatepass")).digest()[:12]


@dataclass(frozen=True)
class TransferText:
    """A `bench.data.source.TextPart`: the originals' texts and the new copies', read from their files as they are
    written."""

    store: Store
    parts: list[Path]
    report: Report

    def identity(self) -> str:
        """The pages' stamps say it all."""
        return "transfer set"

    def write(self, job: TextJob) -> TextOutcome:
        """Write the texts."""
        text = self.store.text
        assert text is not None, "checked before"
        empty = 0

        def texts() -> Iterator[str]:
            nonlocal empty
            for row in range(len(text)):
                empty += not text[row]
                yield text[row]
            yield from (copy.text for copy, is_new in new_copies(self.store, self.parts) if is_new)

        write_strings(job.partial.store, TEXT, texts())
        return TextOutcome({"text": {"empty": empty, "cut": []}, "transfer": asdict(self.report)})


def source_of(store: Store, augmentation: Augmentation, parts: list[Path]) -> Source:
    """The documents of a transfer set: those of the store in order, then the new copies by original and number."""
    text = store.text
    assert text is not None, "checked before"
    pages = [
        Page(row, label_of(store, row), SPLITS[code], store.names[row], text_stamp(text[row]))
        for row, code in enumerate(store.split_codes.tolist())
    ]
    added = duplicates = masked = replaced = kept = 0
    for copy, is_new in new_copies(store, parts):
        if not is_new:
            duplicates += 1
            continue
        added, masked = added + 1, masked + copy.masked
        replaced, kept = replaced + copy.replaced, kept + copy.kept
        name = f"{store.names[copy.row]} [copy {copy.number}]"
        pages.append(Page(len(pages), label_of(store, copy.row), SPLITS[0], name, text_stamp(copy.text)))
    report = Report(len(store.indices(SPLITS[0])), added, duplicates, masked, replaced, kept)
    return Source(
        name=store.name,
        classes=store.classes,
        pages=pages,
        render=None,
        arguments={**documents_source(store), **augmentation.arguments(store)},
        path=str(store.path),
        rejected=store.manifest.get("rejected", []),
        notes=[*store.manifest.get("notes", []), *report.lines()],
        text=TransferText(store, parts, report),
        multi_label=store.multi_label,
    )


# what a manifest's `source` says of tokens, which a store of texts has not
OF_TOKENS = ("vocabulary", "vocabulary_digest", "vocabulary_size", "max_tokens", "truncation", "tokenised_from", "path")


def documents_source(store: Store) -> dict[str, Any]:
    """What a store's manifest says of the documents' own source."""
    return {key: value for key, value in store.manifest.get("source", {}).items() if key not in OF_TOKENS}
