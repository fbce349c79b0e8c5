"""From the words of the command line to a source of documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data import annotated, sources
from bench.data.decode import count_pages, decode, later_pages, open_page
from bench.data.documents import without_links
from bench.data.ocr import PAGE_SECONDS, find_engine, with_ocr
from bench.data.rows import look_alikes
from bench.data.source import Page, Source
from bench.data.splits import DEFAULT_SPLIT, DEFAULT_VAL_SHARE, assign_splits, draw_val, take
from bench.data.text_files import with_text_files, without_text_files
from shared.errors import UserError
from shared.store import SPLITS

ANNOTATED = tuple(annotated.READERS)  # words, and what is asked of them, come with the data set
KINDS = ("rvl-cdip", "tobacco3482", "folder", "index", "corpus", "hedwig", *ANNOTATED, "synthetic")
TEXT_ALONE = ("corpus", "hedwig", "kleister-nda")  # kinds without pages
# kinds that may have splits of their own without a val
OWN_SPLITS = ("folder", "index", "corpus", "hedwig", *ANNOTATED)
NO_OCR, TEXT_FILES = "none", "txt"
FIRST, ALL = "first", "all"  # of several pages in a file
DEFAULT_PAGES, DEFAULT_CLASSES = 3200, 16


@dataclass(frozen=True)
class Request:
    """What to prepare; None where the user said nothing."""

    kind: str  # one of KINDS
    path: Path | None = None
    seed: int = 0  # of a split, a limit, or the synthetic pages
    split: tuple[float, float, float] | None = None
    limit: int | None = None
    root: Path | None = None  # index: where its file names start from
    pages: int | None = None  # synthetic
    classes: int | None = None  # synthetic
    val_share: float | None = None  # of train, where there is a train and no val
    ocr: str | None = None  # one of bench.data.ocr.ENGINES, TEXT_FILES or NO_OCR
    ocr_language: str | None = None
    ocr_seconds: float | None = None  # time limit of a page
    text_root: Path | None = None  # TEXT_FILES: folder that mirrors the pages'
    file_pages: str | None = None  # FIRST or ALL: whose text is read, of several pages in a file


def open_source(request: Request) -> Source:
    """The documents that a request asks for; pages are looked up, not read.

    Raises:
        UserError: an option that the source has no use for, an engine that is not installed, or anything the
            source's reader objects to.
    """
    refuse_unused(request)
    openers = {"synthetic": open_synthetic, "corpus": open_corpus, "hedwig": open_hedwig}
    openers |= dict.fromkeys(ANNOTATED, open_annotated)
    try:
        return with_text(openers.get(request.kind, open_pages)(request), request)
    except OSError as error:
        raise UserError(f"{error.filename or request.path}: cannot be read: {error.strerror}") from None


def refuse_unused(request: Request) -> None:
    """Raises UserError for an option that would change nothing."""
    kind = request.kind
    if kind != "synthetic":
        refuse(kind, {"--pages": request.pages, "--classes": request.classes})
        if request.path is None:
            raise UserError(f"{kind} needs a PATH: the data set's folder (for `index` and `corpus`, perhaps a file)")
    if kind != "index":
        refuse(kind, {"--root": request.root})
    if kind not in OWN_SPLITS:
        refuse(kind, {"--val-share": request.val_share})
    if kind in ("corpus", "hedwig", "synthetic", *ANNOTATED):
        refuse(kind, {f"--pages {request.file_pages}": request.file_pages})
    ocr = request.ocr or NO_OCR
    if ocr in (NO_OCR, TEXT_FILES) and request.file_pages == ALL:
        raise UserError("--pages all: without OCR it changes nothing (pixels are the first page's); see --ocr")
    if ocr in (NO_OCR, TEXT_FILES):
        refuse(f"--ocr {ocr}", {"--ocr-lang": request.ocr_language, "--ocr-timeout": request.ocr_seconds})
    if ocr != TEXT_FILES:
        refuse(f"--ocr {ocr}", {"--text-root": request.text_root})


def refuse(kind: str, options: dict[str, object]) -> None:
    """Raises UserError for the first option that was given."""
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{kind} takes no {name}; leave it away")


def with_text(source: Source, request: Request) -> Source:
    """The source with the text that the request asks for."""
    if request.ocr in (None, NO_OCR):
        return source
    if request.ocr == TEXT_FILES:
        return with_text_files(source, request.text_root)
    seconds = PAGE_SECONDS if request.ocr_seconds is None else request.ocr_seconds
    return with_ocr(source, find_engine(str(request.ocr), request.ocr_language), seconds)


def open_pages(request: Request) -> Source:
    """A data set of page images."""
    assert request.path is not None
    readers: dict[str, Callable[[Path], sources.Found]] = {
        "rvl-cdip": sources.rvl_cdip,
        "tobacco3482": sources.tobacco3482,
        "folder": sources.folder,
        "index": lambda path: sources.index(path, request.root),
    }
    classes, pages, notes = readers[request.kind](request.path)
    if request.ocr == TEXT_FILES and request.text_root is None:
        pages = without_text_files(pages)
    # an index has refused them by itself, with the line
    pages, rejected = (pages, []) if request.kind in ("index", "rvl-cdip") else without_links(pages, classes)
    shares = request.split or DEFAULT_SPLIT
    has_splits = bool(pages and pages[0].split)
    if has_splits:
        require_learnable(request.path, classes, pages)
    elif request.val_share is not None:
        raise UserError(f"--val-share: {request.path} has no split of its own; see --split")
    if has_splits:
        pages, drawn = with_val(request, pages)
        notes = [*notes, *drawn]
    if request.limit is not None:
        pages = take(pages, request.limit, request.seed)
    if not has_splits:
        splits = assign_splits([page.name for page in pages], labels_of(pages), shares, request.seed)
        pages = [page._replace(split=split) for page, split in zip(pages, splits, strict=True)]
    arguments = {"seed": request.seed, "limit": request.limit, "split": None if has_splits else list(shares)}
    return Source(
        name=request.kind,
        classes=classes,
        pages=pages,
        render=decode,
        image=open_page,
        arguments={**arguments, "val": request.val_share, "pages": ALL if request.file_pages == ALL else None},
        path=str(request.path),
        rejected=rejected,
        notes=notes,
        num_pages=count_pages,
        later_pages=later_pages if request.file_pages == ALL else None,
    )


def labels_of(pages: Sequence[Page]) -> list[int]:
    """The label of each page, 0 of all that may have several: by what splits are stratified."""
    return [page.label if isinstance(page.label, int) else 0 for page in pages]


def with_val(request: Request, pages: list[Page]) -> tuple[list[Page], list[str]]:
    """Pages that have their own splits; where none of them is val, a share of train becomes it, and a note says so.

    Raises:
        UserError: an option that has no use here.
    """
    if request.split:
        raise UserError(f"--split: {request.path} has its own split; leave --split away")
    if any(page.split == "val" for page in pages):
        if request.val_share is not None:
            raise UserError(f"--val-share: {request.path} has its own val documents; leave --val-share away")
        return pages, []
    share = DEFAULT_VAL_SHARE if request.val_share is None else request.val_share
    own = [page.split for page in pages]
    splits = draw_val([page.name for page in pages], labels_of(pages), own, share, request.seed)
    note = f"the data set has no val: {share:.0%} of train were drawn as val (--val-share)"
    drawn = [page._replace(split=split) for page, split in zip(pages, splits, strict=True)]
    return drawn, [note] if share else []


def open_corpus(request: Request) -> Source:
    """A corpus of text without pages."""
    from bench.data.corpus import corpus

    assert request.path is not None
    refuse("corpus", {"--ocr": None if request.ocr == NO_OCR else request.ocr})
    classes, pages, text, several = corpus(request.path, request.seed, request.split, request.val_share)
    if not several:
        require_learnable(request.path, classes, pages)
    if request.limit is not None:
        pages = take(pages, request.limit, request.seed)
    return Source(
        name=request.kind,
        classes=classes,
        pages=pages,
        render=None,
        arguments={"seed": request.seed, "limit": request.limit, "split": request.split, "val": request.val_share},
        path=str(request.path),
        text=text,
        multi_label=several,
        notes=look_alikes(classes),
    )


def open_hedwig(request: Request) -> Source:
    """A corpus of text as hedwig-data has them; it has its own splits."""
    from bench.data.hedwig import read

    assert request.path is not None
    refuse(request.kind, {"--ocr": None if request.ocr == NO_OCR else request.ocr})
    found = read(request.path)
    if not found.several:
        require_learnable(request.path, found.classes, found.pages)
    pages, drawn = with_val(request, found.pages)
    if request.limit is not None:
        pages = take(pages, request.limit, request.seed)
    return Source(
        name=request.kind,
        classes=found.classes,
        pages=pages,
        render=None,
        arguments={"seed": request.seed, "limit": request.limit, "val": request.val_share},
        path=str(request.path),
        text=found.text,
        multi_label=found.several,
        notes=[*found.notes, *drawn],
    )


def open_annotated(request: Request) -> Source:
    """A data set whose words are annotated; it has its own text and splits."""
    assert request.path is not None
    refuse(request.kind, {"--ocr": None if request.ocr == NO_OCR else request.ocr})
    found = annotated.read(request.kind, request.path)
    require_learnable(request.path, found.classes, found.pages)
    pages, drawn = with_val(request, found.pages)
    if request.limit is not None:
        pages = take(pages, request.limit, request.seed)
    return Source(
        name=request.kind,
        classes=found.classes,
        pages=pages,
        render=found.render,
        arguments={"seed": request.seed, "limit": request.limit, "val": request.val_share},
        path=str(request.path),
        text=found.text,
        notes=[*found.notes, *drawn],
    )


def require_learnable(path: Path, classes: Sequence[str], pages: Sequence[Page]) -> None:
    """Raises UserError for a label that the split of the data set itself never trains on."""
    where: dict[int | tuple[int, ...], set[str]] = {}
    for page in pages:
        where.setdefault(page.label, set()).add(page.split)
    for label, name in enumerate(classes):
        splits = where.get(label, set())
        if splits and SPLITS[0] not in splits:
            raise UserError(
                f"{path}: label {name!r} is in {' and '.join(sorted(splits))} alone, never in train: it cannot be "
                "learnt; add training documents of it or leave it out"
            )


def open_synthetic(request: Request) -> Source:
    """The synthetic pages of a request."""
    from bench.data import synthetic

    refuse("synthetic", {"PATH": request.path, "--limit (see --pages)": request.limit})
    if request.ocr == TEXT_FILES:
        raise UserError("synthetic pages have no text files; let --ocr read them")
    return synthetic.source(
        DEFAULT_PAGES if request.pages is None else request.pages,
        request.seed,
        DEFAULT_CLASSES if request.classes is None else request.classes,
        request.split or DEFAULT_SPLIT,
    )
