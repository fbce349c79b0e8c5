"""What the readers of annotated data sets share: what they return, and how fields of foreign JSON are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from PIL import Image

from bench.data.annotations import OUTSIDE, AnnotatedText, Box, TaggedWord
from bench.data.decode import page_errors, require_file
from bench.data.grey import PageError
from bench.data.rows import shown
from bench.data.source import Page, counted, file_stamp
from bench.data.sources import inner_folder, require_folder
from shared.errors import UserError
from shared.outside import OutsideError, open_file, read_json

FARTHEST = 1e9  # of a coordinate: what is beyond has no place on any page, and overflows where it is scaled
ANSWER = "mend the file, or unpack the data set again"

IMAGES = (".png", ".jpg", ".jpeg")

Size = tuple[float, float]  # width and height


class DataSet(NamedTuple):
    """What a reader has found: documents of one class, and what is known of their words."""

    classes: list[str]  # one: what a page is of is not asked
    pages: list[Page]  # with splits
    text: AnnotatedText
    render: Callable[[Any, int], np.ndarray] | None  # None: documents without pages
    notes: list[str]


def require_layout(path: Path, found: bool, layout: str) -> None:
    """Raises UserError where a folder has not the layout of the data set.

    Args:
        found: whether it has. layout: in words.
    """
    require_folder(path)
    if not found:
        raise UserError(f"{path}: not the layout of the data set, {layout}{inner_folder(path)}")


def json_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: no such file, or something else is in it.
    """
    content = read_json(file)
    if not isinstance(content, dict):
        raise UserError(f"{file}: an object of JSON is expected, got {shown(content)}; {ANSWER}")
    return content


def objects(holder: dict[str, Any], key: str, where: object) -> list[dict[str, Any]]:
    """The objects that are listed under a key.

    Raises:
        UserError: it is missing, or holds something else.
    """
    found = holder.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UserError(f"{where}: `{key}` is missing or no list of objects; {ANSWER}")
    return found


def string(holder: dict[str, Any], key: str, where: object) -> str:
    """The string under a key.

    Raises:
        UserError: it is missing, or something else.
    """
    found = holder.get(key)
    if not isinstance(found, str):
        raise UserError(f"{where}: `{key}` is missing or no string; {ANSWER}")
    return found


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number that a coordinate can be."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FARTHEST


def page_size(holder: object, where: object) -> Size:
    """The `width` and `height` of a page.

    Raises:
        UserError: not two numbers above 0.
    """
    given = [holder.get("width"), holder.get("height")] if isinstance(holder, dict) else []
    sides = [float(side) for side in given if is_number(side) and side > 0]
    if len(sides) != 2:
        raise UserError(f"{where}: no `width` and `height` above 0, which places of words need; {ANSWER}")
    return sides[0], sides[1]


def numbers(values: object, count: int, where: object) -> list[float]:
    """So many coordinates.

    Raises:
        UserError: not a list of them.
    """
    if not isinstance(values, list) or len(values) != count or not all(map(is_number, values)):
        raise UserError(f"{where}: no box of {count} numbers, which every word needs, but {shown(values)}; {ANSWER}")
    return [float(each) for each in values]


def box_of(values: object, where: object) -> Box:
    """A box of left, top, right, bottom as it is given: perhaps swapped, perhaps off the page.

    Raises:
        UserError: not four numbers.
    """
    left, top, right, bottom = numbers(values, 4, where)
    return left, top, right, bottom


def around(corners: Sequence[float]) -> Box:
    """The box around x1, y1, x2, y2, ...

    >>> around([1, 2, 9, 3, 8, 7, 1, 6])
    (1, 2, 9, 7)
    """
    across, down = corners[::2], corners[1::2]
    return min(across), min(down), max(across), max(down)


def tagged(words: Iterable[tuple[str, Box]], entity: str) -> list[TaggedWord]:
    """The words of one entity, B- and then I-; an empty name: of none.

    A word without a character is in no store, so the one after it begins the entity.
    """
    found, tag = [], f"B-{entity}" if entity else OUTSIDE
    for text, box in words:
        blank = not text.split()
        found.append(TaggedWord(text, box, OUTSIDE if blank else tag))
        if entity and not blank:
            tag = f"I-{entity}"
    return found


def image_size(path: Path) -> Size | None:
    """Width and height of an image in pixels; None where it cannot be read."""
    try:
        require_file(path)
        with page_errors(path), Image.open(path) as image:
            return float(image.width), float(image.height)
    except PageError:
        return None


def extent(boxes: Iterable[Box]) -> Size:
    """The smallest page that has all boxes on it.

    >>> extent([(0, 0, 5, 9), (2, 1, 8, 3)])
    (8.0, 9.0)
    """
    edges = [(max(left, right), max(top, bottom)) for left, top, right, bottom in boxes]
    width, height = (max([1.0, *(float(edge[side]) for edge in edges)]) for side in (0, 1))
    return width, height


def stamp_of(*files: Path) -> str:
    """Lengths and times of change of the files that decide a document.

    Raises:
        UserError: one of them is missing, or no file.
    """
    for file in files:
        try:
            open_file(file).close()
        except OutsideError as error:
            raise UserError(f"{error}; unpack the data set again") from None
    return " ".join(map(file_stamp, files))


def files_of(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder with one of these suffixes (in small letters), by name, less hidden ones.

    Raises:
        UserError: no such folder, or none of them in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the data set has one: unpack it again")
    names = [file for file in folder.iterdir() if file.suffix.lower() in suffixes and not file.name.startswith(".")]
    if not names:
        raise UserError(f"{folder}: no {' or '.join(suffixes)} file in it; unpack the data set again")
    return sorted(names)


def unannotated(folders: Iterable[Path], taken: Iterable[Path]) -> list[str]:
    """What to say of images that no annotation names: a data set that is half unpacked, say.

    Args:
        folders: of the images. taken: those that are documents of the store.
    """
    known = set(taken)
    others = [
        file
        for folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGES and not file.name.startswith(".") and file not in known
    ]
    if not others:
        return []
    return [f"{counted(len(others), 'image')} without an annotation, left out; the first: {min(others).name}"]
