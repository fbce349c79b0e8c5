"""A document is one document, however it is named, and belongs to one split."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.data.rows import shown
from bench.data.source import Page, counted
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.store import SPLITS

Identity = tuple[int, int]  # device and inode: the same for all names of a file


class Seen:
    """Names and files that lines of an index have named so far."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # to file and line
        self.files: dict[Identity, tuple[str, str]] = {}  # to name, and file and line

    def name(self, name: str, where: str) -> None:
        """Raises UserError where a document is named twice: it might be in training and test at once."""
        if name in self.names:
            raise UserError(
                f"{where}: {printable(name)} is named before, by {self.names[name]}; a page belongs to one line"
            )
        self.names[name] = where

    def file(self, status: os.stat_result, name: str, where: str) -> None:
        """Raises UserError where a file is named twice, if only by another spelling or a link."""
        identity = (status.st_dev, status.st_ino)
        if identity in self.files:
            other, line = self.files[identity]
            raise UserError(
                f"{where}: {printable(name)} is the same file as {printable(other)}, {line}; a page belongs to one line"
            )
        self.files[identity] = (name, where)


def without_links(pages: Sequence[Page], classes: Sequence[str]) -> tuple[list[Page], list[dict[str, str]]]:
    """Pages of a folder, each file once; the other names of a file are listed as rejected.

    Raises:
        UserError: a file that lies in two classes or two splits.
    """
    first: dict[Identity, Page] = {}
    kept, rejected = [], []
    for page in pages:
        try:
            status = Path(str(page.key)).stat()
        except OSError:  # listed when it is read
            kept.append(page)
            continue
        other = first.setdefault((status.st_dev, status.st_ino), page)
        if other is page:
            kept.append(page)
            continue
        both = f"{printable(other.name)} and {printable(page.name)} are one file (a link)"
        if other.label != page.label:
            assert isinstance(other.label, int) and isinstance(page.label, int)
            names = f"{shown(classes[other.label])} and {shown(classes[page.label])}"
            raise UserError(f"{both}, in the classes {names}; remove one of them")
        if other.split != page.split:
            raise UserError(f"{both}, in {other.split} and {page.split}; remove one of them")
        rejected.append({"file": stored_name(page.name), "reason": f"the same file as {stored_name(other.name)}"})
    return kept, rejected


def stored_name(name: str) -> str:
    r"""A document's name as a store holds it: what UTF-8 cannot hold is written as an escape, so that names stay apart.

    >>> stored_name("f\udcfcnf.png")
    'f\\udcfcnf.png'
    """
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


class Content(NamedTuple):
    """What tells whether two documents hold the same."""

    keys: Sequence[Hashable]  # one per document: equal where the content is; None: nothing to compare
    what: str  # "pixels", "text"
    equal: Callable[[int, int], bool]  # of two rows whose keys are equal


def content_notes(pages: Sequence[Page], content: Content) -> list[str]:
    """Notes on documents that hold the same in two splits, or under two labels."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(content.keys):
        if key is not None:
            rows[key].append(row)
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)  # names of two that hold the same, by what is noted
    for group in rows.values():
        for first, second in repeats(group, pages, content):
            names = stored_name(pages[first].name), stored_name(pages[second].name)
            if pages[first].split != pages[second].split:
                pairs[f"with the {content.what} of one of {pages[first].split} in {pages[second].split}"].append(names)
            if pages[first].label != pages[second].label:
                pairs[f"with the {content.what} of one of another label"].append(names)
    return [
        f"{counted(len(found), 'document')} {what} (first: {' and '.join(found[0])})" for what, found in pairs.items()
    ]


def repeats(group: Sequence[int], pages: Sequence[Page], content: Content) -> list[tuple[int, int]]:
    """(the first, a later one) of rows that hold the same, training before validation before test."""
    if len(group) == 1:
        return []
    ordered = sorted(group, key=lambda row: SPLITS.index(pages[row].split))
    found: list[tuple[int, int]] = []
    firsts: list[int] = []
    for row in ordered:
        same = next((first for first in firsts if content.equal(first, row)), None)
        if same is None:
            firsts.append(row)
        else:
            found.append((same, row))
    return found
