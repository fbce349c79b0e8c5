"""Readers of data sets on disk: RVL-CDIP, Tobacco3482, a folder a class, an index file.

Each returns pages whose files exist, with labels in range; splits where the source has its own, "" where not.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.data.source import Page
from shared.errors import UserError
from shared.store import SPLITS

# The official names in the official order: Harley, Ufkes, Derpanis, "Evaluation of Deep Convolutional Nets for
# Document Image Classification and Retrieval" (ICDAR 2015), the data set's readme.
RVL_CDIP_CLASSES = [
    "letter", "form", "email", "handwritten", "advertisement", "scientific report", "scientific publication",
    "specification", "file folder", "news article", "budget", "invoice", "presentation", "questionnaire", "resume",
    "memo",
]  # fmt: skip
# The folders of the data set: Kumar, Ye, Doermann, "Structural similarity for document image classification and
# retrieval" (Pattern Recognition Letters 2014).
TOBACCO_CLASSES = ["ADVE", "Email", "Form", "Letter", "Memo", "News", "Note", "Report", "Resume", "Scientific"]

Pages = tuple[list[str], list[Page]]  # class names, pages


def require_folder(path: Path) -> None:
    """Raises UserError where a path is no folder, or one without entries."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; give the folder that holds the pages")
    if not any(path.iterdir()):
        raise UserError(f"{path}: the folder is empty; give the folder that holds the pages")


def named_file(folder: Path, name: str, label: int, split: str, where: str) -> Page:
    """The page of a file that an index names.

    Raises:
        UserError: `where` (file and line) names a file that is not there.
    """
    path = folder / name
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise UserError(f"{where}: no such file: {path}; mend the line or add the file") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{where}: not a file: {path}; mend the line")
    return Page(str(path), label, split, name, f"{status.st_size}:{status.st_mtime_ns}")


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(`FILE line N`, stripped line) of each line that is not blank."""
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                where = f"{path} line {number}"
                try:
                    line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    raise UserError(f"{where}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
                if line:
                    yield where, line
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def require_unique(seen: dict[str, str], name: str, where: str) -> None:
    """Raises UserError where a page is named twice: it might be in training and test at once."""
    if name in seen:
        raise UserError(f"{where}: {name} is named before, by {seen[name]}; a page belongs to one line")
    seen[name] = where


def rvl_cdip(path: Path) -> Pages:
    """The official layout: `images/` and `labels/{train,val,test}.txt` with lines `path-below-images label`.

    Raises:
        UserError: a folder or label file missing, a line without a label of 0 to 15, a named file that is not there.
    """
    require_folder(path)
    images = path / "images"
    require_folder(images)
    pages: list[Page] = []
    seen: dict[str, str] = {}
    for split in SPLITS:
        labels = path / "labels" / f"{split}.txt"
        if not labels.is_file():
            raise UserError(f"{labels}: no such file; RVL-CDIP has labels/train.txt, labels/val.txt, labels/test.txt")
        for where, line in numbered_lines(labels):
            name, _, label = line.rpartition(" ")
            if not name or not label.isdecimal():
                raise UserError(f"{where}: expected `path label`, got {line!r}")
            if int(label) >= len(RVL_CDIP_CLASSES):
                raise UserError(f"{where}: label {label} is out of range; RVL-CDIP has 0 to 15")
            require_unique(seen, name, where)
            pages.append(named_file(images, name.strip(), int(label), split, where))
    return RVL_CDIP_CLASSES, pages


def visible(path: Path) -> list[os.DirEntry[str]]:
    """Entries of a folder by name, hidden ones and Windows' thumbnail files left out."""
    with os.scandir(path) as entries:
        kept = [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() != "thumbs.db"]
    return sorted(kept, key=lambda entry: entry.name)


def files_below(folder: Path, prefix: str, label: int) -> Iterator[Page]:
    """Every file below a folder, whatever its name ends on: what is no image is listed as rejected, not passed over."""
    for entry in visible(folder):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from files_below(Path(entry.path), name, label)
        elif entry.is_file():
            status = entry.stat()
            yield Page(entry.path, label, "", name, f"{status.st_size}:{status.st_mtime_ns}")


def folder(path: Path, classes: list[str] | None = None) -> Pages:
    """A folder a class, at any depth below it; class names are the folders' names, in alphabetical order.

    Args:
        path: the folder of folders.
        classes: use these folders alone.

    Raises:
        UserError: no such folder, an empty one, fewer than two classes, or a class without a file.
    """
    require_folder(path)
    names = classes or [entry.name for entry in visible(path) if entry.is_dir()]
    if len(names) < 2:
        raise UserError(f"{path}: {len(names)} class folder(s) in it; a classifier needs two or more")
    pages: list[Page] = []
    for label, name in enumerate(names):
        found = list(files_below(path / name, name, label))
        if not found:
            raise UserError(f"{path / name}: a class without a page; add pages or remove the folder")
        pages += found
    return names, pages


def tobacco3482(path: Path) -> Pages:
    """Tobacco3482: ten folders, a class each.

    Raises:
        UserError: a folder missing, or what `folder` raises.
    """
    require_folder(path)
    missing = [name for name in TOBACCO_CLASSES if not (path / name).is_dir()]
    if missing:
        raise UserError(f"{path}: Tobacco3482's class folders are missing: {', '.join(missing)}; see also `folder`")
    return folder(path, TOBACCO_CLASSES)


def json_rows(path: Path, example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`FILE line N`, object) of each line of a JSONL file.

    Args:
        example: of a line, for the message.

    Raises:
        UserError: a line that is no UTF-8, no JSON or no object.
    """
    for where, line in numbered_lines(path):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"{where}: not JSON: {line[:60]!r}") from None
        if not isinstance(content, dict):
            raise UserError(f"{where}: expected an object like {example}, got {line[:60]!r}")
        yield where, content


def index_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(`FILE line N`, row) of a CSV file with a header line, or of a JSONL file."""
    if path.suffix.lower() == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                for row in reader:
                    yield f"{path} line {reader.line_num}", {key: value or "" for key, value in row.items() if key}
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not a readable CSV file: {error}") from None
        return
    for where, content in json_rows(path, '{"file": ..., "label": ...}'):
        yield where, {key: "" if value is None else str(value) for key, value in content.items()}


def class_names(labels: set[str], path: Path) -> list[str]:
    """Labels in order: by number where all are numbers, else by name.

    Raises:
        UserError: fewer than two.
    """
    if len(labels) < 2:
        raise UserError(f"{path}: {len(labels)} label(s) in it; a classifier needs at least two")
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=int if numbers else str)


def index(path: Path, root: Path | None = None) -> Pages:
    """A CSV or JSONL file with `file`, `label` and, where it has its own split, `split` (train, val or test).

    Args:
        path: the index, ending in .csv or .jsonl.
        root: the folder that the file names start from; by default the index's own.

    Raises:
        UserError: another suffix, a missing column or value, an unknown split, a named file that is not there, or
            fewer than two labels.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .csv or .jsonl index")
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"{path}: an index ends in .csv or .jsonl")
    rows: list[tuple[str, dict[str, str]]] = []
    seen: dict[str, str] = {}
    for where, row in index_rows(path):
        for column in ("file", "label"):
            if not row.get(column):
                raise UserError(f"{where}: no `{column}`; every row needs a file and a label")
        if row.get("split", "") not in (*SPLITS, ""):
            raise UserError(f"{where}: unknown split {row['split']!r}; known: {', '.join(SPLITS)}")
        if rows and bool(row.get("split")) != bool(rows[0][1].get("split")):
            raise UserError(f"{where}: split in some rows and not in others; give it in all rows or none")
        require_unique(seen, row["file"], where)
        rows.append((where, row))
    classes = class_names({row["label"] for _, row in rows}, path)
    label_ids = {name: i for i, name in enumerate(classes)}
    base = root or path.parent
    return classes, [
        named_file(base, row["file"], label_ids[row["label"]], row.get("split", ""), where) for where, row in rows
    ]
