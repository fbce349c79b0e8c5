"""The store of a run: the user's, or a synthetic one made once and kept; as the workload reads it.

Pages are wanted at the workload's size, texts as tokens of its width. What is derived from a store is kept beside the
synthetic ones, under a name that tells it from every other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.data.vocabulary_files import load_vocabulary
from bench.host.locations import results_directory
from bench.run.plan import Pages
from shared.errors import UserError
from shared.spec import ImageWorkload, TextWorkload, Workload
from shared.store import SPLITS, Store, open_store

SYNTHETIC_SEED = 0  # of the pages, whatever the seed of the training: every run sees the same ones
NOT_MADE = "not made yet"
PROGRESS_SECONDS = 5.0

Say = Callable[[str], None]


def describe(store: Store) -> Pages:
    """What the plan needs to know of an opened store."""
    vocabulary = store.manifest.get("source", {}).get("vocabulary_size")
    return Pages(
        path=str(store.path.resolve()),
        name=store.name,
        digest=store.digest,
        num_classes=len(store.classes),
        image_size=store.image_size,
        split_sizes={split: len(store.indices(split)) for split in SPLITS},
        max_tokens=store.max_tokens,
        vocabulary_size=vocabulary,
        multi_label=store.multi_label,
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
    from bench.data import synthetic, synthetic_text
    from bench.data.prepare import prepare

    count = workload.data.synthetic_pages
    classes = min(workload.model.num_classes, len(synthetic.CLASSES))
    if isinstance(workload, ImageWorkload):
        size, what = workload.input.image_size, f"pages-{workload.input.image_size}px"
        source = synthetic.source(count, SYNTHETIC_SEED, classes)
    else:
        size, what, several = 0, "texts", workload.model.multi_label
        source = synthetic_text.source(count, SYNTHETIC_SEED, classes, several=several)
    # with the fingerprint in its name a store of an older generator is left aside, not mistaken for this one
    out = kept_stores() / f"synthetic-{count}-{what}-{source.fingerprint(size)[:8]}"
    if not out.is_dir():
        if dry_run:
            splits = Counter(page.split for page in source.pages)
            sizes = {split: splits[split] for split in SPLITS}
            return Pages(str(out), source.name, NOT_MADE, classes, size or None, sizes)
        say(f"making {count} synthetic {'pages' if size else 'texts'}: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
        prepare(source, out, size, progress=seldom(say))
    return describe(open_store(out, checksums=None))


def sized_pages(path: str, workload: ImageWorkload, dry_run: bool, say: Say) -> Pages:
    """The user's store; where its pages are larger than the workload's, a smaller copy, made once and kept.

    Raises:
        UserError: no store there, a damaged one, or one without pages, or with smaller ones than the workload's.
    """
    store = open_store(path, checksums=None)
    size = workload.input.image_size
    if store.image_size is None:
        raise UserError(f"{path}: holds no pages, and {workload.name} reads pages; prepare them with `bench data`")
    if store.multi_label:
        raise UserError(f"{path}: its documents have several labels each; {workload.name} gives a page one class")
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


def tokenised_texts(path: str, workload: TextWorkload, vocabulary: str | None, dry_run: bool, say: Say) -> Pages:
    """A store's texts as tokens of the workload's width, made once and kept.

    Args:
        vocabulary: `--vocab`; None: one is trained on the texts of the training split.

    Raises:
        UserError: no store there, a damaged one, one without text, or an unusable vocabulary.
    """
    store = open_store(path, checksums=None)
    settings, size = workload.input, workload.model.vocabulary_size
    wide_enough = store.max_tokens is not None and store.max_tokens == settings.max_tokens and vocabulary is None
    if wide_enough:  # it was tokenised by hand: those are the tokens that are meant
        return describe(store)
    if store.text is None:
        raise UserError(
            f"{path}: holds no text, and {workload.name} reads text; "
            "prepare it again with `bench data prepare ... --ocr`"
        )
    from bench.data.tokens import tokenised

    words = None if vocabulary is None else load_vocabulary(vocabulary)
    origin = f"own{size}" if words is None else words.digest[:8]
    out = kept_stores() / f"{store.digest}-{settings.max_tokens}-tokens-{settings.truncation}-{origin}"
    if dry_run and not out.is_dir():
        pages = describe(store)
        return Pages(str(out), pages.name, NOT_MADE, pages.num_classes, None, pages.split_sizes,
                     settings.max_tokens, size if words is None else len(words.tokens), pages.multi_label)  # fmt: skip
    if not out.is_dir():
        say(f"tokenising the store's texts: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    return describe(tokenised(store, words, size, settings.max_tokens, settings.truncation, out, seldom(say)))


def resolve_pages(
    path: str | None, workload: Workload, dry_run: bool, say: Say, vocabulary: str | None = None
) -> Pages:
    """The store of a run, as its workload reads it.

    Args:
        path: `--data`; None: synthetic pages or texts.
        workload: decides their size, and the number of synthetic ones.
        dry_run: make nothing.
        say: told what is being made.
        vocabulary: `--vocab`, of texts: a vocab.txt, a folder, a hub's name; None: one of the texts' own.
    """
    if vocabulary is not None and not isinstance(workload, TextWorkload):
        raise UserError(f"--vocab: {workload.name} reads pages, not text; leave it out")
    if path is None:
        if vocabulary is not None:
            load_vocabulary(vocabulary)  # refused before texts are made, and in a dry run that makes none
        pages = synthetic_pages(workload, dry_run, say)
        if isinstance(workload, ImageWorkload) or pages.digest == NOT_MADE:
            return pages
        path = pages.path
    if isinstance(workload, TextWorkload):
        return tokenised_texts(path, workload, vocabulary, dry_run, say)
    assert isinstance(workload, ImageWorkload)
    return sized_pages(path, workload, dry_run, say)
