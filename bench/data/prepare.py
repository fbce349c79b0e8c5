"""Write a prepared store from a source of documents: parallel, resumable, whole or absent."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.data.finish import finish, require_readable
from bench.data.judge import Judge, spread_first
from bench.data.pages import Result, render_all, usable_cores
from bench.data.partial import Partial
from bench.data.retry import num_failed, take_back
from bench.data.source import Progress, Source, TextJob, TextOutcome
from shared.errors import UserError
from shared.store import MANIFEST, Store, open_store


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


@dataclass(frozen=True)
class Prepared:
    """The outcome of `prepare`."""

    store: Store
    existed: bool  # the store was there already, from the same arguments and inputs
    num_resumed: int  # pages that an earlier, interrupted call had decoded
    num_rendered: int  # pages decoded or drawn by this call, rejected ones included
    num_read_before: int = 0  # pages whose text an earlier, interrupted call had read
    num_failed: int = 0  # pages that could not be read, as pixels or as text


def prepare(
    source: Source,
    out: str | Path,
    size: int,
    workers: int | None = None,
    progress: Progress = silent,
    retry_failed: bool = False,
) -> Prepared:
    """Make a store of all documents of a source.

    Args:
        source: the documents; its `text` says where their text is from.
        out: the store's directory; must not exist, unless it is the very store asked for.
        size: height and width of a page, pixels; of no meaning for documents without pages.
        workers: processes, by default and at most one per core. The store does not depend on it.
        progress: told how far it is.
        retry_failed: where the store is there already, try the pages again that failed, and put the outcome in its
            place. (Of a store in the making they are tried again anyway.)

    Raises:
        UserError: `out` exists and is something else, can't be written, or the disk is full (finished pages are kept
            and the same call goes on from them); a class or the training split has no readable page; OCR can't go on;
            the first pages all fail for one reason.
    """
    out = Path(out)
    fingerprint = source.fingerprint(size)
    partial = Partial(out)
    partial.recover()
    store = None
    if out.exists() or out.is_symlink():
        store = existing(out, fingerprint, source, size)
        failed = num_failed(store, source)
        if not (retry_failed and failed):
            partial.remove()
            return Prepared(store, existed=True, num_resumed=0, num_rendered=0, num_failed=failed)
    image_bytes = size * size if source.render else 0
    workers = workers or usable_cores()
    require_space(partial, len(source.pages) * image_bytes)
    with disk_errors(out), partial.locked():
        finished = partial.begin(fingerprint, image_bytes, len(source.pages))
        if store and not finished:
            finished = take_back(store, source, partial)
        num_resumed = len(finished)
        try:
            render_missing(source, size, workers, partial, finished, progress)
        except UserError:
            if all(result.reason is not None for result in finished.values()):
                partial.remove()  # not one page to go on from
            raise
        kept = [slot for slot in range(len(source.pages)) if slot not in finished or finished[slot].reason is None]
        try:
            require_readable(source, kept, finished)
        except UserError:
            partial.remove()  # all pages are read and no store can come of them
            raise
        text = TextOutcome({})
        if source.text:
            text = source.text.write(TextJob(partial, source.pages, kept, workers, progress))
        finish(source, size, fingerprint, partial, kept, finished, text.facts, progress)
    num_rendered = len(finished) - num_resumed
    made = open_store(out)
    return Prepared(made, False, num_resumed, num_rendered, text.num_resumed, num_failed(made, source))


def existing(out: Path, fingerprint: str, source: Source, size: int) -> Store:
    """The store at `out`, if it is the one asked for.

    Raises:
        UserError: it is another one, damaged, or no store.
    """
    if not (out / MANIFEST).is_file():
        raise UserError(f"{out}: exists and is not a prepared store; choose another --out")
    store = open_store(out)
    if store.manifest.get("fingerprint") != fingerprint:
        there = [store.name, f"{store.image_size} pixels" if store.image_size else "no pages"]
        there += [f"{store.manifest['count']} documents", engine_of(store.manifest.get("ocr", {}))]
        asked = [source.name, f"{size} pixels" if source.render else "no pages", f"{len(source.pages)} documents"]
        asked += [engine_of(source.text.identity() if source.text else {})]
        raise UserError(
            f"{out}: exists, made from other arguments or inputs ({', '.join(filter(None, there))}; asked for: "
            f"{', '.join(filter(None, asked))}); choose another --out or delete it"
        )
    return store


def engine_of(facts: object) -> str:
    """What reads the text, for a message."""
    return f"OCR {facts['engine']}" if isinstance(facts, dict) and "engine" in facts else ""


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Turn the disk's refusals into one line each."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"{out}: the disk is full; finished pages are kept: free space and run the same command again"
            ) from None
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None


def require_space(partial: Partial, needed: int) -> None:
    """Raises UserError where a disk can't hold the pages: better now than in three hours."""
    there = partial.images.stat().st_blocks * 512 if partial.images.exists() else 0
    folder = next(parent for parent in partial.root.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise UserError(
            f"{partial.out}: the pages need {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; "
            "free space, choose another --out, or a smaller --size or --limit"
        )


def render_missing(
    source: Source, size: int, workers: int, partial: Partial, finished: dict[int, Result], progress: Progress
) -> None:
    """Render what is not in `finished` yet, and add it there.

    Raises:
        UserError: the first pages, taken from all over the source, have all failed for one reason.
    """
    if source.render is None:
        return
    missing = [(slot, page.key) for slot, page in enumerate(source.pages) if slot not in finished]
    progress("pages", len(finished), len(source.pages))
    judge = Judge("reading the pages", len(source.pages))
    for _ in finished:
        judge.note(None)
    rendered = render_all(spread_first(missing), source.render, size, partial.images, workers, source.num_pages)
    with partial.journal() as note:
        for results in rendered:
            note(results)
            finished.update((result.slot, result) for result in results)
            for result in results:
                judge.note(result.reason)
            progress("pages", len(finished), len(source.pages))
