"""Folders of pages: what is in them, what operating systems leave there, which folders are classes and which splits."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.rows import label_of, shown
from bench.data.source import Page, counted
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.store import SPLITS

# Left by operating systems, archivers and servers, not by the one who made the data set; so is what begins with "."
# (.DS_Store, ._page.png, .git, .ipynb_checkpoints) or "~$".
LITTER = frozenset({
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx", "lost+found", "@eadir",
    "#recycle", "$recycle.bin", "system volume information",
})  # fmt: skip
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "development": "val",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
FOLDS = re.compile(r"(fold|cv|split)s?[ _-]?\d+")
PARTS = re.compile(r"(part|set|batch|shard)[ _-]?\d+")
SHOWN = 3  # names in a note
INDEX = "write an index (`bench data prepare index`) with the columns file,label,split"


@dataclass
class Walk:
    """What a look through folders has come upon beside pages."""

    ignored: Counter[str] = field(default_factory=Counter)  # names that operating systems leave
    left: list[str] = field(default_factory=list)  # files beside the class folders

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """Entries of a folder by name, less the litter."""
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        self.ignored.update(entry.name for entry in found if is_litter(entry.name))
        return [entry for entry in found if not is_litter(entry.name)]

    def folders(self, folder: Path) -> list[os.DirEntry[str]]:
        """Folders in a folder; files beside them are noted.

        Raises:
            UserError: a link that leads to nothing: it may have been one of them.
        """
        found = []
        for entry in self.entries(folder):
            try:
                is_folder = stat.S_ISDIR(entry.stat().st_mode)
            except OSError as error:
                raise UserError(
                    f"{printable(entry.path)}: a link that cannot be followed ({error.strerror}); was it a folder of "
                    "pages? mount what it leads to, or remove it"
                ) from None
            if is_folder:
                found.append(entry)
            else:
                self.left.append(entry.name)
        return found

    def files(self, folder: Path, prefix: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[str, str]]:
        """(path, name) of everything below a folder that is no folder, whatever its name ends on or it is.

        What is no page is listed as rejected when it is read, so also links to nothing, pipes, and a folder that a link
        leads back to.
        """
        status = folder.stat()
        above = (*above, (status.st_dev, status.st_ino))
        for entry in self.entries(folder):
            name = f"{prefix}/{entry.name}" if prefix else entry.name
            try:
                found = entry.stat()
            except OSError:
                yield entry.path, name
                continue
            if stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) not in above:
                yield from self.files(Path(entry.path), name, above)
            else:
                yield entry.path, name

    def notes(self) -> list[str]:
        """What there is to say of it."""
        notes = []
        if self.ignored:
            names = ", ".join(printable(name) for name, _ in self.ignored.most_common(SHOWN))
            number = counted(self.ignored.total(), "file")
            notes.append(f"passed over: {number} or folders that operating systems leave ({names})")
        if self.left:
            names = ", ".join(printable(name) for name in self.left[:SHOWN])
            notes.append(f"not taken: {counted(len(self.left), 'file')} or folders beside the class folders ({names})")
        return notes


def is_litter(name: str) -> bool:
    """Whether an entry of this name is no part of a data set.

    >>> [name for name in (".DS_Store", "Thumbs.db", "__MACOSX", "~$memo.doc", "page.tif") if not is_litter(name)]
    ['page.tif']
    """
    return name.startswith((".", "~$")) or name.lower() in LITTER


def page_of(path: str, label: int, split: str, name: str) -> Page:
    """The page of a file; one that cannot be looked at has no stamp, and is rejected when it is read."""
    try:
        status = Path(path).stat()
    except OSError:
        return Page(path, label, split, name)
    return Page(path, label, split, name, f"{status.st_size}:{status.st_mtime_ns}")


def split_folders(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Folder to split where the folders of a data set are its splits (ImageFolder's layout); {} where they are classes.

    A class may be called `test`; it is one as long as nothing but classes is beside it.

    Raises:
        UserError: folders that only look like splits, or like the folds of a cross-validation.
    """
    splits = {name: SPLIT_NAMES[name.casefold()] for name in names if name.casefold() in SPLIT_NAMES}
    shown_names = ", ".join(map(printable, sorted(splits)))
    if names and (all_match(FOLDS, names) or (all_match(PARTS, names) and same_folders(path, names))):
        some = ", ".join(map(printable, names[:SHOWN])) + " ..." * (len(names) > SHOWN)
        raise UserError(f"{path}: {some} look like parts of a data set, not like classes; {INDEX}")
    if len(splits) < 2:
        return {}
    if len(splits) < len(names):
        if SPLITS[0] not in splits.values():
            return {}
        others = ", ".join(printable(name) for name in names if name not in splits)
        raise UserError(
            f"{path}: {shown_names} look like splits, but beside them is {others}; move it away, or {INDEX}"
        )
    twice = [split for split, count in Counter(splits.values()).items() if count > 1]
    if twice or SPLITS[0] not in splits.values():
        trouble = f"two of them are {twice[0]}" if twice else "none of them is train"
        raise UserError(f"{path}: {shown_names} look like splits, and {trouble}; rename them, or {INDEX}")
    for name in sorted(splits):
        if not has_folders(path / name):
            raise UserError(f"{path}: {shown_names} look like splits, but {name} has no class folders in it; {INDEX}")
    return splits


def all_match(pattern: re.Pattern[str], names: Sequence[str]) -> bool:
    """Whether all names are of a pattern, in any case."""
    return all(pattern.fullmatch(name.casefold()) for name in names)


def folder_names(path: Path) -> list[str]:
    """Names of the folders in a folder, less the litter."""
    return sorted(entry.name for entry in os.scandir(path) if not is_litter(entry.name) and entry.is_dir())


def has_folders(path: Path) -> bool:
    """Whether a folder holds any."""
    return bool(folder_names(path))


def same_folders(path: Path, names: Sequence[str]) -> bool:
    """Whether folders hold folders of the same names."""
    held = {tuple(folder_names(path / name)) for name in names}
    return len(held) == 1 and held != {()}


def class_of_folder(entry: os.DirEntry[str]) -> str:
    """The class that a folder is, under the rules for labels.

    Raises:
        UserError: a name that UTF-8 cannot hold, or that cannot be shown.
    """
    return label_of(entry.name, f"the folder {shown(entry.path)}")
