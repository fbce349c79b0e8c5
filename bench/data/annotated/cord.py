"""CORD: photographed receipts whose lines are fields, 30 of them (Park et al., 2019).

What lies outside the region of interest is cut off, from the page and from the boxes alike.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.annotated.reading import (
    IMAGES,
    DataSet,
    Size,
    around,
    files_of,
    json_object,
    numbers,
    objects,
    page_size,
    require_layout,
    stamp_of,
    string,
    tagged,
    unannotated,
)
from bench.data.annotations import AnnotatedText, Annotation, Box, TaggedWord
from bench.data.decode import FILTER, decode, open_page, page_errors
from bench.data.rows import shown
from bench.data.source import Page
from shared.errors import UserError

# the order of the data set's readme, less the fields that it crosses out
ENTITIES = (
    "menu.nm", "menu.num", "menu.unitprice", "menu.cnt", "menu.discountprice", "menu.price", "menu.itemsubtotal",
    "menu.vatyn", "menu.etc", "menu.sub_nm", "menu.sub_unitprice", "menu.sub_cnt", "menu.sub_price", "menu.sub_etc",
    "void_menu.nm", "void_menu.price",
    "sub_total.subtotal_price", "sub_total.discount_price", "sub_total.service_price", "sub_total.othersvc_price",
    "sub_total.tax_price", "sub_total.etc",
    "total.total_price", "total.total_etc", "total.cashprice", "total.changeprice", "total.creditcardprice",
    "total.emoneyprice", "total.menutype_cnt", "total.menuqty_cnt",
)  # fmt: skip
SPLIT_OF = {"train": "train", "dev": "val", "test": "test"}  # folder to split
LAYOUT = "train/, dev/ and test/ with image/ and json/"
CORNERS = ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4")
NO_REGION = "regions of interest without an area on the page, not cut to"


def source(path: Path) -> DataSet:
    """The receipts in a folder.

    Raises:
        UserError: another layout, a receipt without its image, or a file that is not what the data set's are.
    """
    require_layout(path, (path / "train").is_dir(), LAYOUT)
    pages, annotations, regions = [], {}, {}
    for folder, split in SPLIT_OF.items():
        images = {image.stem: image for image in files_of(path / folder / "image", IMAGES)}
        for file in files_of(path / folder / "json", (".json",)):
            image = images.get(file.stem)
            if image is None:
                raise UserError(f"{file}: no image of that name in {folder}/image; unpack the data set again")
            key = str(image)
            annotations[key], region = annotation(file)
            if region:
                regions[key] = region
            pages.append(Page(key, 0, split, str(image.relative_to(path)), stamp_of(file, image)))
    left_out = unannotated([path / folder / "image" for folder in SPLIT_OF], map(Path, annotations))
    text = AnnotatedText("cord", annotations.__getitem__, ENTITIES)
    return DataSet(["cord"], pages, text, partial(render, regions=regions), left_out)


def annotation(file: Path) -> tuple[Annotation, Box | None]:
    """What a file says of its receipt, and the part of the page that counts, in shares of the page's sides.

    Raises:
        UserError: it is not what CORD's files are.
    """
    content = json_object(file)
    notes: Counter[str] = Counter()
    meta = content.get("meta")
    width, height = page_size(meta.get("image_size") if isinstance(meta, dict) else None, f"{file} `image_size`")
    region = region_of(content.get("roi"), (width, height), file, notes)
    left, top, right, bottom = region or (0.0, 0.0, width, height)
    lines = [
        [
            TaggedWord(text, (box[0] - left, box[1] - top, box[2] - left, box[3] - top), tag)
            for text, box, tag in fields_of(line, f"{file} line {number}")
        ]
        for number, line in enumerate(objects(content, "valid_line", file))
    ]
    shares = (left / width, top / height, right / width, bottom / height)
    return Annotation(lines, (right - left, bottom - top), notes=notes), shares if region else None


def region_of(roi: object, size: Size, file: Path, notes: Counter[str]) -> Box | None:
    """The region of interest, cut to the page; None where it is the whole page.

    Raises:
        UserError: it is neither blank nor a quadrilateral.
    """
    if not roi:
        return None
    left, top, right, bottom = quad(roi, f"{file} `roi`")
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, size[0]), min(bottom, size[1])
    if right - left < 1 or bottom - top < 1:
        notes[NO_REGION] += 1
        return None
    return left, top, right, bottom


def quad(corners: object, where: str) -> Box:
    """The box around a quadrilateral.

    Raises:
        UserError: a corner is missing.
    """
    values = [corners.get(key) for key in CORNERS] if isinstance(corners, dict) else None
    return around(numbers(values, len(CORNERS), where))


def fields_of(line: dict[str, Any], where: str) -> list[TaggedWord]:
    """The words of a line, which are one entity.

    Raises:
        UserError: a field that CORD has not, or a word without its place.
    """
    category = line.get("category")
    if category not in ENTITIES:
        raise UserError(f"{where}: field {shown(category)} is none of CORD's {len(ENTITIES)}; mend or remove the line")
    words = [
        (string(word, "text", f"{where} word {number}"), quad(word.get("quad"), f"{where} word {number}"))
        for number, word in enumerate(objects(line, "words", where))
    ]
    return tagged(words, str(category))


def render(key: str, size: int, regions: dict[str, Box]) -> np.ndarray:
    """A receipt at the size of a store, cut to its region of interest.

    Args:
        regions: by key, in shares of the page's sides: the image need not have the size that its annotation says.

    Raises:
        PageError: it cannot be read.
    """
    region = regions.get(key)
    if region is None:
        return decode(key, size)
    page = open_page(key)
    left, top, right, bottom = (
        round(share * side) for share, side in zip(region, (*page.size, *page.size), strict=True)
    )
    with page_errors(Path(key)):
        part = page.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
        return np.asarray(part.resize((size, size), FILTER))
