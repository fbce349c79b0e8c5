"""Documents of text alone: JSONL with `text` (or `title` and `body`) and `label` (or `labels`, a list).

A folder has `train.jsonl` and perhaps `val.jsonl` and `test.jsonl`; a single file may say `split` in each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.documents import Seen, stored_name
from bench.data.folders import SPLIT_NAMES
from bench.data.page_text import PageText, plain_text
from bench.data.rows import class_names, json_rows, label_of, name_of, split_of
from bench.data.source import Page, TextJob, TextOutcome, text_stamp
from bench.data.splits import DEFAULT_SPLIT, DEFAULT_VAL_SHARE, assign_splits, draw_val
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.store import SPLITS, TEXT, write_strings

EXAMPLE = '{"text": ..., "label": ...}'


class Document(NamedTuple):
    """One row of a corpus."""

    where: str  # file and line
    name: str
    text: PageText
    labels: tuple[str, ...]
    several: bool  # whether they stood in a list
    split: str


@dataclass(frozen=True)
class CorpusText:
    """A `bench.data.source.TextPart`; the pages' stamps are hashes of their texts."""

    texts: dict[str | int, PageText]  # by a page's key

    def identity(self) -> str:
        """The stamps say it all."""
        return "corpus"

    def write(self, job: TextJob) -> TextOutcome:
        """Write the texts."""
        texts = [self.texts[job.pages[slot].key] for slot in job.kept]
        write_strings(job.partial.store, TEXT, (text.text for text in texts))
        cut = [
            {"file": stored_name(job.pages[slot].name), "characters": text.length}
            for slot, text in zip(job.kept, texts, strict=True)
            if text.cut
        ]
        return TextOutcome({"text": {"empty": sum(not text.text for text in texts), "cut": cut}})


def text_of(row: dict[str, Any], where: str) -> PageText:
    """A row's text; title and body are joined by a line end.

    Raises:
        UserError: there is none, or it is no string.
    """
    keys = ["text"] if "text" in row else [key for key in ("title", "body") if key in row]
    if not keys:
        raise UserError(f"{where}: no `text` (nor `title` and `body`); every row needs one, if only an empty one")
    parts = [row[key] for key in keys if row[key] is not None]
    if not all(isinstance(part, str) for part in parts):
        raise UserError(f"{where}: its text is not a string; mend the line")
    return plain_text("\n".join(parts))


def labels_of(row: dict[str, Any], where: str) -> tuple[str, ...]:
    """A row's labels: one from `label`, any number from `labels`.

    Raises:
        UserError: neither or both of them, no list of labels, or what `label_of` raises.
    """
    if ("label" in row) == ("labels" in row):
        raise UserError(f"{where}: give either `label` or `labels` (a list), and the same in every row")
    labels = row["labels"] if "labels" in row else [row["label"]]
    if not isinstance(labels, list):
        raise UserError(f"{where}: several labels are a list: `labels`: [...]; for one label write `label`")
    return tuple(dict.fromkeys(label_of(label, where) for label in labels))


def documents(path: Path, split: str) -> Iterator[Document]:
    """The rows of a file.

    Args:
        split: of all rows; "" where a row may say its own.
    """
    for number, (where, row) in enumerate(json_rows(path, EXAMPLE), start=1):
        own = split_of(row.get("split"), where)
        if own and split and own != split:
            raise UserError(f"{where}: split {own!r} in a file of {split}; mend the line or move it")
        has_id = row.get("id") is not None
        name = name_of(row["id"], where, "id") if has_id else f"{path.name} {number}"
        yield Document(where, name, text_of(row, where), labels_of(row, where), "labels" in row, split or own)


def split_files(path: Path) -> list[tuple[Path, str]]:
    """The files of a folder, a split each, in the order of SPLITS; `valid.jsonl` or `dev.jsonl` is a val, too.

    Raises:
        UserError: none of them is for training, two are for one split, or a .jsonl is for none.
    """
    found: dict[str, Path] = {}
    for file in sorted(each for each in path.glob("*.jsonl") if not each.name.startswith(".")):
        split = SPLIT_NAMES.get(file.stem.casefold())
        if split is None or split in found:
            trouble = f"a second file of {split}" if split else "no split's name"
            raise UserError(f"{printable(file)}: {trouble}; a corpus has train.jsonl, perhaps val.jsonl and test.jsonl")
        found[split] = file
    if SPLITS[0] not in found:
        raise UserError(f"{path}: no train.jsonl in it; a corpus has train.jsonl, perhaps val.jsonl and test.jsonl")
    return [(found[split], split) for split in SPLITS if split in found]


def read_documents(path: Path) -> list[Document]:
    """All documents of a corpus: of a folder's files, or of one file.

    Raises:
        UserError: no such file or folder, rows that contradict each other, or what `documents` raises.
    """
    if path.is_dir():
        files = split_files(path)
    elif path.is_file():
        files = [(path, "")]
    else:
        raise UserError(f"{path}: no such file or folder; give a .jsonl file, or a folder with train.jsonl")
    found = [document for file, split in files for document in documents(file, split)]
    if not found:
        raise UserError(f"{path}: no document in it; give a corpus with at least a line of JSON")
    seen = Seen()
    for document in found:
        seen.name(document.name, document.where)
        if document.several != found[0].several:
            raise UserError(f"{document.where}: `label` in some rows and `labels` in others; use one of them in all")
        if bool(document.split) != bool(found[0].split):
            raise UserError(f"{document.where}: split in some rows and not in others; give it in all rows or none")
    return found


def corpus(
    path: Path, seed: int, shares: tuple[float, ...] | None = None, val_share: float | None = None
) -> tuple[list[str], list[Page], CorpusText, bool]:
    """The documents of a corpus, all with a split.

    Args:
        path: a folder or a file. seed: of splits that are drawn here.
        shares: of train, val and test, where the corpus has no split of its own.
        val_share: of the training documents, where the corpus has train but no val.

    Returns:
        class names, pages, their text, and whether they may have several labels.

    Raises:
        UserError: an option that has no use here, or what `read_documents` raises.
    """
    found = read_documents(path)
    several = found[0].several
    classes = class_names({label for document in found for label in document.labels}, path)
    ids = {name: i for i, name in enumerate(classes)}
    splits = split_of_documents(path, found, seed, shares, val_share)
    pages = []
    for row, (document, split) in enumerate(zip(found, splits, strict=True)):
        labels = tuple(sorted(ids[label] for label in document.labels))
        stamp = text_stamp(document.text.text)
        pages.append(Page(row, labels if several else labels[0], split, document.name, stamp))
    texts: dict[str | int, PageText] = {row: document.text for row, document in enumerate(found)}
    return classes, pages, CorpusText(texts), several


def split_of_documents(
    path: Path, found: Sequence[Document], seed: int, shares: tuple[float, ...] | None, val_share: float | None
) -> list[str]:
    """Each document's split: its own, or drawn; stratified where each has one label."""
    own = [document.split for document in found]
    if own[0] and shares:
        raise UserError(f"--split: {path} has its own split; leave --split away (see --val-share)")
    if val_share is not None and (not own[0] or "val" in own):
        reason = "has its own val documents" if own[0] else "has no split of its own; see --split"
        raise UserError(f"--val-share: {path} {reason}")
    if own[0] and "val" in own:
        return own
    names, labels = [document.name for document in found], strata(found)
    if own[0]:
        return draw_val(names, labels, own, DEFAULT_VAL_SHARE if val_share is None else val_share, seed)
    return assign_splits(names, labels, shares or DEFAULT_SPLIT, seed)


def strata(found: Sequence[Document]) -> list[int]:
    """A number per label; one for all where documents may have several."""
    ids: dict[tuple[str, ...], int] = {}
    return [0 if document.several else ids.setdefault(document.labels, len(ids)) for document in found]
