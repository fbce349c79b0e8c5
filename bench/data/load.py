"""From the words of the command line to a source of pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data import sources
from bench.data.decode import decode
from bench.data.source import Source
from bench.data.splits import DEFAULT_SPLIT, assign_splits, take
from shared.errors import UserError

KINDS = ("rvl-cdip", "tobacco3482", "folder", "index", "synthetic")
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


def open_source(request: Request) -> Source:
    """The pages that a request asks for; files are looked up, not read.

    Raises:
        UserError: an option that the source has no use for, or anything the source's reader objects to.
    """
    if request.kind == "synthetic":
        return open_synthetic(request)
    refuse(request.kind, {"--pages": request.pages, "--classes": request.classes})
    if request.kind != "index":
        refuse(request.kind, {"--root": request.root})
    if request.path is None:
        raise UserError(f"{request.kind} needs a PATH: the data set's folder (for `index`, the index file)")
    readers: dict[str, Callable[[Path], sources.Pages]] = {
        "rvl-cdip": sources.rvl_cdip,
        "tobacco3482": sources.tobacco3482,
        "folder": sources.folder,
        "index": lambda path: sources.index(path, request.root),
    }
    try:
        classes, pages = readers[request.kind](request.path)
    except OSError as error:
        raise UserError(f"{error.filename or request.path}: cannot be read: {error.strerror}") from None
    shares = request.split or DEFAULT_SPLIT
    has_splits = bool(pages and pages[0].split)
    if has_splits and request.split:
        raise UserError(f"--split: {request.path} has its own split; leave --split away")
    if request.limit is not None:
        pages = take(pages, request.limit, request.seed)
    if not has_splits:
        splits = assign_splits([page.name for page in pages], [page.label for page in pages], shares, request.seed)
        pages = [page._replace(split=split) for page, split in zip(pages, splits, strict=True)]
    return Source(
        name=request.kind,
        classes=classes,
        pages=pages,
        render=decode,
        arguments={"seed": request.seed, "limit": request.limit, "split": None if has_splits else list(shares)},
        path=str(request.path),
    )


def open_synthetic(request: Request) -> Source:
    """The synthetic pages of a request."""
    from bench.data import synthetic

    refuse("synthetic", {"PATH": request.path, "--limit (see --pages)": request.limit, "--root": request.root})
    return synthetic.source(
        DEFAULT_PAGES if request.pages is None else request.pages,
        request.seed,
        DEFAULT_CLASSES if request.classes is None else request.classes,
        request.split or DEFAULT_SPLIT,
    )


def refuse(kind: str, options: dict[str, object]) -> None:
    """Raises UserError for the first option that was given."""
    for name, value in options.items():
        if value is not None:
            raise UserError(f"{kind} takes no {name}; leave it away")
