"""The store of a run: the user's, or synthetic pages made once and kept; at the workload's page size."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.locations import results_directory
from bench.plan import Pages
from shared.errors import UserError
from shared.spec import Workload
from shared.store import SPLITS, Store, open_store

SYNTHETIC_SEED = 0  # of the pages, whatever the seed of the training: every run sees the same ones
NOT_MADE = "not made yet"
PROGRESS_SECONDS = 5.0

Say = Callable[[str], None]


def describe(store: Store) -> Pages:
    """What the plan needs to know of an opened store."""
    return Pages(
        path=str(store.path.resolve()),
        name=store.name,
        digest=store.digest,
        num_classes=len(store.classes),
        image_size=store.image_size,
        split_sizes={split: len(store.indices(split)) for split in SPLITS},
    )


def kept_stores() -> Path:
    """The folder of stores that the harness makes for itself."""
    return results_directory() / "data"


def seldom(say: Say) -> Callable[[str, int, int], None]:
    """A progress function of `bench.data` that says something every PROGRESS_SECONDS."""
    last = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            say(f"{what}: {done} of {total}")

    return progress


def synthetic_pages(workload: Workload, dry_run: bool, say: Say) -> Pages:
    """The synthetic store of a workload, made where it is not there yet; a dry run only says what would be made."""
    from bench.data import synthetic
    from bench.data.prepare import prepare

    count, size, classes = workload.data.synthetic_pages, workload.input.image_size, workload.model.num_classes
    source = synthetic.source(count, SYNTHETIC_SEED, classes)
    # with the fingerprint in its name a store of an older generator is left aside, not mistaken for this one
    out = kept_stores() / f"synthetic-{count}-pages-{size}px-{source.fingerprint(size)[:8]}"
    if not out.is_dir():
        if dry_run:
            splits = Counter(page.split for page in source.pages)
            return Pages(str(out), source.name, NOT_MADE, classes, size, {split: splits[split] for split in SPLITS})
        say(f"making {count} synthetic pages of {size} px: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
        prepare(source, out, size, progress=seldom(say))
    return describe(open_store(out, checksums=None))


def given_pages(path: str, workload: Workload, dry_run: bool, say: Say) -> Pages:
    """The user's store; where its pages are larger than the workload's, a smaller copy, made once and kept.

    Raises:
        UserError: no store there, a damaged one, or one with smaller pages than the workload's.
    """
    store = open_store(path, checksums=None)
    size = workload.input.image_size
    if store.image_size < size:
        raise UserError(
            f"{path}: its pages are {store.image_size} px, {workload.name} ({workload.preset}) needs {size}: "
            f"prepare it again with `bench data prepare --size {size}`, or choose a --preset with smaller pages"
        )
    if store.image_size == size:
        return describe(store)
    out = kept_stores() / f"{store.digest}-{size}px"
    if not out.is_dir():
        if dry_run:
            pages = describe(store)
            return Pages(str(out), pages.name, NOT_MADE, pages.num_classes, size, pages.split_sizes)
        from bench.data.derive import resized

        say(f"resizing the store's pages from {store.image_size} to {size} px: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
        resized(store, size, out, progress=seldom(say))
    return describe(open_store(out, checksums=None))


def resolve_pages(path: str | None, workload: Workload, dry_run: bool, say: Say) -> Pages:
    """The pages of a run.

    Args:
        path: `--data`; None: synthetic pages.
        workload: decides their size, and the number of synthetic ones.
        dry_run: make nothing.
        say: told what is being made.
    """
    if path is None:
        return synthetic_pages(workload, dry_run, say)
    return given_pages(path, workload, dry_run, say)
