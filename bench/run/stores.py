"""The store of a run: the user's, or a synthetic one made once and kept; as the workload reads it.

Pages are wanted at the workload's size, texts as tokens of its width. What is derived from a store is kept beside the
synthetic ones, under a name that tells it from every other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.data.vectors import VectorFile, open_vectors
from bench.data.vocabulary_files import load_vocabulary
from bench.host.locations import results_directory
from shared.errors import UserError
from shared.families import family_of
from shared.modalities import Boxes, Pages, Tokens, Words
from shared.spec import Workload
from shared.store import SPLITS, Store, open_store
from shared.store_facts import StoreFacts
from shared.tasks import fitting, task, task_of, tasks_of_store

SYNTHETIC_SEED = 0  # of the pages, whatever the seed of the training: every run sees the same ones
NOT_MADE = "not made yet"
PROGRESS_SECONDS = 5.0

Say = Callable[[str], None]


def describe(store: Store) -> StoreFacts:
    """What the plan needs to know of an opened store."""
    made_from: dict[str, Any] = store.manifest.get("source", {})
    return StoreFacts(
        path=str(store.path.resolve()),
        name=store.name,
        digest=store.digest,
        num_classes=len(store.classes),
        split_sizes={split: len(store.indices(split)) for split in SPLITS},
        tasks=tasks_of_store(store),
        image_size=store.image_size,
        max_tokens=store.max_tokens,
        vocabulary_size=made_from.get("vocabulary_size"),
        vector_size=None if store.vectors is None else made_from.get("vector_size"),
        # pages are resized first, then texts are tokenised
        origin=made_from.get("resized_from") or made_from.get("tokenised_from"),
        outputs={name: task(name).outputs(store) for name in tasks_of_store(store)},
    )


def kept_stores() -> Path:
    """The folder of stores that the harness makes for itself."""
    return results_directory() / "data"


def at_intervals(say: Say) -> Callable[[str, int, int], None]:
    """A progress function of `bench.data` that says something every PROGRESS_SECONDS."""
    last = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            say(f"{what}: {done} of {total}")

    return progress


def synthetic_store(workload: Workload, dry_run: bool, say: Say) -> StoreFacts:
    """The synthetic store of a workload, made where it is not there yet; a dry run only says what would be made."""
    from bench.data.prepare import prepare
    from bench.data.synthetic_store import CLASSES, source_of

    family, count = family_of(workload), workload.data.synthetic_pages
    classes, unit = min(workload.model.num_classes, len(CLASSES)), family.describe(workload).unit
    source, size = source_of(workload, count, SYNTHETIC_SEED, classes)
    what = f"{unit}s-{size}px" if size else f"{unit}s"
    # with the fingerprint in its name a store of an older generator is left aside, not mistaken for this one
    out = kept_stores() / f"synthetic-{count}-{what}-{source.fingerprint(size)[:8]}"
    if not out.is_dir():
        if dry_run:
            splits = Counter(page.split for page in source.pages)
            sizes = {split: splits[split] for split in SPLITS}
            outputs = {workload.task: task_of(workload).synthetic_outputs(classes)}
            return StoreFacts(
                str(out), source.name, NOT_MADE, classes, sizes, (workload.task,), size or None, outputs=outputs
            )
        say(f"making {count} synthetic {unit}s: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
        prepare(source, out, size, progress=at_intervals(say))
    made = open_store(out, checksums=None)
    return describe(made) if task_of(workload).distils is None else taught_store(made, workload, dry_run, say)


def taught_store(store: Store, workload: Workload, dry_run: bool, say: Say) -> StoreFacts:
    """Synthetic texts with the logits of a teacher of their own, made once and kept."""
    from bench.data.synthetic_teacher import teacher_of, with_synthetic_teacher
    from bench.data.teacher import fingerprint

    # named after texts and teacher: what an older one has said is left aside
    out = kept_stores() / f"{store.path.name}-taught-{fingerprint(teacher_of(store))[:8]}"
    if dry_run and not out.is_dir():
        facts, own = describe(store), workload.task
        return replace(facts, path=str(out), digest=NOT_MADE, tasks=(own,), outputs={own: len(store.classes)})
    if not out.is_dir():
        say(f"asking a teacher of the synthetic texts' own: {out}")
    return describe(with_synthetic_teacher(store, out))


def sized_pages(path: str, workload: Workload, pages: Pages, dry_run: bool, say: Say) -> StoreFacts:
    """The user's store; where its pages are larger than the workload's, a smaller copy, made once and kept.

    Raises:
        UserError: no store there, a damaged one, or one without pages, or with smaller ones than the workload's.
    """
    store, size = open_store(path, checksums=None), pages.pixels
    if store.image_size is None:
        raise UserError(f"{path}: holds no pages, and {workload.name} reads pages; prepare them with `bench data`")
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
            return replace(describe(store), path=str(out), digest=NOT_MADE, image_size=size)
        from bench.data.derive import resized

        say(f"resizing the store's pages from {store.image_size} to {size} px: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
        resized(store, size, out, progress=at_intervals(say))
    return describe(open_store(out, checksums=None))


def tokenised_texts(
    path: str,
    workload: Workload,
    tokens: Tokens,
    vocabulary: str | None,
    dry_run: bool,
    say: Say,
    with_pages: bool = False,
    with_boxes: bool = False,
) -> StoreFacts:
    """A store's texts as tokens of the workload's width, made once and kept.

    Args:
        with_pages: keep the pages beside them. with_boxes: note where on the page each of them stands.
        vocabulary: `--vocab`; None: one is trained on the texts of the training split.

    Raises:
        UserError: no store there, a damaged one, one without text, or an unusable vocabulary.
    """
    store = open_store(path, checksums=None)
    has_boxes = store.token_boxes is not None or not with_boxes
    has_parts = (store.documents is not None) == (tokens.parts != "documents")
    own = store.max_tokens == tokens.width and store.sentences is None
    if own and vocabulary is None and has_boxes and has_parts:
        return describe(store)  # it was tokenised by hand: those are the tokens that are meant
    if store.text is None:
        raise UserError(
            f"{path}: holds no text, and {workload.name} reads text; "
            "prepare it again with `bench data prepare ... --ocr`"
        )
    from bench.data.tokens import tokenised

    words, size = None if vocabulary is None else load_vocabulary(vocabulary), tokens.vocabulary_size
    origin = f"own{size}" if words is None else words.digest[:8]
    beside = "-pages" * with_pages + "-boxes" * with_boxes
    beside += f"-{tokens.parts}-{tokens.stride}" if tokens.parts != "documents" else ""
    out = kept_stores() / f"{store.digest}-{tokens.width}-tokens-{tokens.truncation}-{origin}{beside}"
    if dry_run and not out.is_dir():
        num_words = size if words is None else len(words.tokens)
        return replace(
            describe(store),
            path=str(out),
            digest=NOT_MADE,
            image_size=store.image_size if with_pages else None,
            max_tokens=tokens.width,
            vocabulary_size=num_words,
        )
    if not out.is_dir():
        say(f"tokenising the store's texts: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    made = tokenised(
        store, words, size, tokens.width, tokens.truncation, out, at_intervals(say), with_pages, with_boxes,
        tokens.parts, tokens.stride,
    )  # fmt: skip
    return describe(made)


def texts_as_words(
    path: str, workload: Workload, read: Words, vectors: VectorFile | None, dry_run: bool, say: Say
) -> StoreFacts:
    """A store's texts as whole words, as many as the workload reads, made once and kept.

    Args:
        vectors: `--vectors`; None: any word of the training split may be known, and there are no vectors.

    Raises:
        UserError: no store there, a damaged one, one without text, or vectors of other words or with something wrong.
    """
    store, width = open_store(path, checksums=None), (read.sentences or 1) * read.width
    if vectors is None and (store.sentences, store.max_tokens) == (read.sentences, width):
        return describe(store)  # its words were made by hand: those are the words that are meant
    if store.text is None:
        raise UserError(
            f"{path}: holds no text, and {workload.name} reads text; "
            "prepare it again with `bench data prepare ... --ocr`"
        )
    from bench.data.word_tokens import word_tokenised

    if vectors is not None:
        say(f"reading word vectors: {vectors.path}")  # all of them, for their digest
    rows = f"{read.sentences}x{read.width}" if read.sentences else str(read.width)
    origin = "own" if vectors is None else f"vectors-{vectors.digest[:8]}-"
    out = kept_stores() / f"{store.digest}-{rows}-words-{origin}{read.vocabulary_size}"
    if dry_run and not out.is_dir():
        return replace(
            describe(store),
            path=str(out),
            digest=NOT_MADE,
            image_size=None,
            max_tokens=width,
            vocabulary_size=read.vocabulary_size,
            vector_size=None if vectors is None else vectors.size,
        )
    if not out.is_dir():
        say(f"cutting the store's texts into words: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    return describe(word_tokenised(store, read, vectors, out, at_intervals(say)))


def opened_vectors(path: str | None) -> VectorFile | None:
    """The file of `--vectors`, if one was named.

    Raises:
        UserError: nothing there, or not word vectors.
    """
    try:
        return None if path is None else open_vectors(path)
    except UserError as error:
        raise UserError(f"--vectors {error}") from None


def resolve_store(
    path: str | None,
    workload: Workload,
    dry_run: bool,
    say: Say,
    vocabulary: str | None = None,
    vectors: str | None = None,
) -> StoreFacts:
    """The store of a run, with all that its workload reads.

    Args:
        path: `--data`; None: synthetic documents.
        workload: decides what is read, and the number of synthetic documents.
        dry_run: make nothing.
        say: told what is being made.
        vocabulary: `--vocab`, of texts: a vocab.txt, a folder, a hub's name; None: one of the texts' own.
        vectors: `--vectors`, of whole words: a file of word2vec or GloVe; None: the network's own, which are trained.

    Raises:
        UserError: the store lacks what the workload reads, or its labels are not of the workload's kind of head.
    """
    family = family_of(workload)
    read = family.modalities(workload)
    kinds, unit = {type(modality) for modality in read}, family.describe(workload).unit
    if vocabulary is not None and Tokens not in kinds:
        what = "whole words, of which the vocabulary is the texts' own" if Words in kinds else f"{unit}s, not text"
        raise UserError(f"--vocab: {workload.name} reads {what}; leave it out")
    if vectors is not None and Words not in kinds:
        what = "pieces of words (WordPiece), not whole words" if Tokens in kinds else f"{unit}s, not whole words"
        raise UserError(f"--vectors: {workload.name} reads {what}; leave it out")
    word_vectors = opened_vectors(vectors)  # refused before texts are made
    if path is None:
        if vocabulary is not None:
            load_vocabulary(vocabulary)  # refused before texts are made, and in a dry run that makes none
        facts = synthetic_store(workload, dry_run, say)
        if facts.digest == NOT_MADE:
            return facts
        path = facts.path
    there = tasks_of_store(open_store(path, checksums=None))
    fits = fitting(workload.task, there)
    if fits is None:
        raise UserError(
            f"{path}: has no teacher's logits, and {workload.name} ({workload.preset}) learns from some; "
            "`bench distill --data` asks a teacher"
        )
    if fits != workload.task and task(fits).head in family.heads:
        workload = workload.overridden({"task": fits}, path)
        read = family.modalities(workload)
    for modality in read:
        if isinstance(modality, Pages):
            facts = sized_pages(path, workload, modality, dry_run, say)
        elif isinstance(modality, Tokens):
            with_pages, with_boxes = (any(isinstance(other, kind) for other in read) for kind in (Pages, Boxes))
            facts = tokenised_texts(path, workload, modality, vocabulary, dry_run, say, with_pages, with_boxes)
        elif isinstance(modality, Words):
            facts = texts_as_words(path, workload, modality, word_vectors, dry_run, say)
        else:
            continue  # places come with the tokens
        if facts.digest == NOT_MADE:
            return facts
        path = facts.path
    return facts
