"""Readers of data sets on disk: RVL-CDIP, Tobacco3482, a folder per class, an index file.

Each returns pages with labels in range; splits where the source has its own, "" where not. The files of an index exist;
what lies in a folder and is no page is rejected when it is read.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.documents import Seen
from bench.data.folders import Walk, class_of_folder, folder_names, is_litter, page_of, split_folders
from bench.data.rows import class_names, csv_rows, json_rows, label_of, look_alikes, numbered_lines, shown, split_of
from bench.data.source import Page
from bench.terminal.printable import printable
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


class Found(NamedTuple):
    """What a reader has found."""

    classes: list[str]
    pages: list[Page]
    notes: list[str]


def require_folder(path: Path) -> None:
    """Raises UserError where a path is no folder, or one without entries."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; give the folder that holds the pages")
    if all(is_litter(entry.name) for entry in path.iterdir()):
        raise UserError(f"{path}: the folder is empty; give the folder that holds the pages")


def named_file(folder: Path, name: str, label: int, split: str, where: str, seen: Seen) -> Page:
    """The page of a file that an index names.

    Raises:
        UserError: `where` (file and line) names a file that is not there, or one that was named before.
    """
    path = folder / name
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise UserError(f"{where}: no such file: {printable(path)}; mend the line or add the file") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{where}: not a file: {printable(path)}; mend the line")
    seen.file(status, name, where)
    return Page(str(path), label, split, name, f"{status.st_size}:{status.st_mtime_ns}")


def looks_like_rvl_cdip(path: Path) -> bool:
    """Whether a folder has RVL-CDIP's layout."""
    return (path / "images").is_dir() and (path / "labels" / "train.txt").is_file()


def inner_folder(path: Path) -> str:
    """What to say where a folder holds nothing but another one, as an unpacked archive does; "" where it does not."""
    names = folder_names(path)
    if len(names) != 1 or not folder_names(path / names[0]):
        return ""
    return f"; its one folder holds {len(folder_names(path / names[0]))} more: give {printable(path / names[0])}"


def rvl_cdip(path: Path) -> Found:
    """The official layout: `images/` and `labels/{train,val,test}.txt` with lines `path-below-images label`.

    Raises:
        UserError: a folder or label file missing, a line without a label of 0 to 15, a named file that is not there.
    """
    require_folder(path)
    images = path / "images"
    if not images.is_dir():
        hint = inner_folder(path) or "; for a folder per class see `folder`"
        raise UserError(f"{images}: no such folder; RVL-CDIP has images/ and labels/{hint}")
    require_folder(images)
    pages: list[Page] = []
    seen = Seen()
    for split in SPLITS:
        labels = path / "labels" / f"{split}.txt"
        if not labels.is_file():
            raise UserError(f"{labels}: no such file; RVL-CDIP has labels/train.txt, labels/val.txt, labels/test.txt")
        for where, line in numbered_lines(labels):
            name, label = [*line.rsplit(maxsplit=1), ""][:2]
            if not (label.isascii() and label.isdecimal()):
                raise UserError(f"{where}: expected `path label`, got {shown(line)}")
            if len(label) > 2 or int(label) >= len(RVL_CDIP_CLASSES):
                raise UserError(f"{where}: label {label[:20]} is out of range; RVL-CDIP has 0 to 15")
            seen.name(name, where)
            pages.append(named_file(images, name, int(label), split, where, seen))
    return Found(RVL_CDIP_CLASSES, pages, [])


def folder(path: Path, only: list[str] | None = None) -> Found:
    """A folder per class, at any depth below it; or, where the folders are splits, a folder per class in each of them.

    Class names are the folders' names, in alphabetical order.

    Args:
        path: the folder of folders.
        only: use these folders alone, as classes.

    Raises:
        UserError: no such folder, an empty one, another layout, fewer than two classes, or a class without a file.
    """
    require_folder(path)
    if only is None and looks_like_rvl_cdip(path):
        raise UserError(f"{path}: images/ and labels/train.txt are RVL-CDIP's layout: `bench data prepare rvl-cdip`")
    walk = Walk()
    entries = walk.folders(path)
    splits = {} if only else split_folders(path, [entry.name for entry in entries])
    if splits:
        inside = [(split, path / name) for name, split in splits.items()]
        listed = [(split, entry, f"{outer.name}/") for split, outer in inside for entry in walk.folders(outer)]
    else:
        walk.left += [entry.name for entry in entries if only and entry.name not in only]
        listed = [("", entry, "") for entry in entries if not only or entry.name in only]
    labels = {entry.path: class_of_folder(entry) for _, entry, _ in listed}
    classes = only or sorted(set(labels.values()))
    require_apart(path, [(split, labels[entry.path], entry.name) for split, entry, _ in listed])
    if len(classes) < 2:
        raise UserError(
            f"{path}: {len(classes)} class folder(s) in it; a classifier needs two or more{inner_folder(path)}"
        )
    pages: list[Page] = []
    for split, entry, prefix in listed:
        label = classes.index(labels[entry.path])
        files = list(walk.files(Path(entry.path), f"{prefix}{entry.name}"))
        if not files:
            raise UserError(f"{printable(entry.path)}: a class without a page; add pages or remove the folder")
        pages += [page_of(file, label, split, name) for file, name in files]
    by_split = sorted(splits.items(), key=lambda item: SPLITS.index(item[1]))
    taken = [f"folders taken as splits: {', '.join(f'{name}/ is {split}' for name, split in by_split)}"]
    return Found(classes, pages, [*(taken if splits else []), *look_alikes(classes), *walk.notes()])


def require_apart(path: Path, folders: list[tuple[str, str, str]]) -> None:
    """Raises UserError where two folders (split, class, name) would be the same class of the same split."""
    known: dict[tuple[str, str], str] = {}
    for split, label, name in folders:
        other = known.setdefault((split, label), name)
        if other != name:
            raise UserError(f"{path}: the folders {other!a} and {name!a} are the same class {shown(label)}")


def tobacco3482(path: Path) -> Found:
    """Tobacco3482: ten folders, a class each.

    Raises:
        UserError: a folder missing, or what `folder` raises.
    """
    require_folder(path)
    missing = [name for name in TOBACCO_CLASSES if not (path / name).is_dir()]
    if missing:
        hint = inner_folder(path) or "; see also `folder`"
        raise UserError(f"{path}: Tobacco3482's class folders are missing: {', '.join(missing)}{hint}")
    return folder(path, TOBACCO_CLASSES)


def index_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`FILE line N`, row) of a CSV file with a header line, or of a JSONL file."""
    if path.suffix.lower() == ".csv":
        yield from csv_rows(path, ("file", "label"))
    else:
        yield from json_rows(path, '{"file": ..., "label": ...}')


def index(path: Path, root: Path | None = None) -> Found:
    """A CSV or JSONL file with `file`, `label` and, where it has its own split, `split` (train, val or test).

    Args:
        path: the index, ending in .csv or .jsonl.
        root: the folder that the file names start from; by default the index's own.

    Raises:
        UserError: another suffix, a missing column or value, an unknown split, a named file that is not there, one that
            is named twice, or fewer than two labels.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .csv or .jsonl index")
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"{path}: an index ends in .csv or .jsonl")
    rows: list[tuple[str, str, str, str]] = []  # where, file, label, split
    seen = Seen()
    for where, row in index_rows(path):
        file, label = row.get("file"), row.get("label")
        if not isinstance(file, str) or not file.strip():
            raise UserError(f"{where}: no `file`, or not a string; every row needs a file and a label")
        if label is None or label == "":
            several = " (of several labels: see `corpus`; pages have one)" if "labels" in row else ""
            raise UserError(f"{where}: no `label`; every row needs a file and a label{several}")
        split = split_of(row.get("split"), where)
        if rows and bool(split) != bool(rows[0][3]):
            raise UserError(f"{where}: split in some rows and not in others; give it in all rows or none")
        seen.name(file.strip(), where)
        rows.append((where, file.strip(), label_of(label, where), split))
    classes = class_names({label for _, _, label, _ in rows}, path)
    label_ids = {name: i for i, name in enumerate(classes)}
    base = root or path.parent
    pages = [named_file(base, file, label_ids[label], split, where, seen) for where, file, label, split in rows]
    return Found(classes, pages, look_alikes(classes))
