"""SROIE: scanned receipts with four fields (ICDAR 2019 challenge, task 3; Huang et al.).

Text comes in lines with boxes, and is cut into words here. The values of the fields come apart from it, in a spelling
of their own, and are looked for in the text. What is not found is counted: its words stay without a tag.

Two layouts: `box/`, `key/`, `img/` with a `split.json`, as public copies have it; or `train/` and `test/`, each with
`box/`, `entities/` and `img/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data.annotated.matching import amount, letters, mark, spans, without_edges
from bench.data.annotated.reading import (
    ANSWER,
    DataSet,
    around,
    extent,
    files_of,
    image_size,
    is_number,
    json_object,
    require_layout,
    stamp_of,
)
from bench.data.annotations import OUTSIDE, AnnotatedText, Annotation, Box, TaggedWord
from bench.data.decode import decode
from bench.data.documents import Seen
from bench.data.rows import shown
from bench.data.source import Page, counted
from shared.errors import UserError
from shared.outside import inside, is_plain_name, read_bytes
from shared.store import SPLITS

ENTITIES = ("company", "date", "address", "total")
LAYOUT = "box/, key/ and split.json; or train/ and test/ with box/ and entities/"
LINE = "x1,y1,x2,y2,x3,y3,x4,y4,text"
WHITE = 255
NOT_UTF8 = "files that are not UTF-8, read as Latin-1"
NO_IMAGE = "receipts without an image: a white page, as large as their boxes need"
FOUND, NOT_FOUND, MISSING = "found in the text", "not in the text", "not given"

Places = list[list[tuple[str, Box]]]  # words with boxes, line by line


def source(path: Path) -> DataSet:
    """The receipts in a folder.

    Raises:
        UserError: neither layout, a receipt without one of its files, or a file that is not what the data set's are.
    """
    has_split = (path / "box").is_dir()
    require_layout(path, has_split or (path / "train" / "box").is_dir(), LAYOUT)
    pages, annotations = [], {}
    receipts, notes = by_split_file(path) if has_split else by_folder(path)
    for split, box, key, image in receipts:
        there = [image] if image.is_file() else []
        annotations[str(image)] = annotation(box, key, image)
        stamp = stamp_of(box, key, *there)
        pages.append(Page(str(image), 0, split, str(image.relative_to(path)), stamp))
    text = AnnotatedText("sroie", annotations.__getitem__, ENTITIES)
    return DataSet(["sroie"], pages, text, render, notes)


Receipt = tuple[str, Path, Path, Path]  # split, box file, key file, image file (which may be absent)


def by_folder(path: Path) -> tuple[list[Receipt], list[str]]:
    """The receipts of the official layout, a folder a split."""
    receipts = []
    for split in ("train", "test"):
        folder = path / split
        for box in files_of(folder / "box", (".txt", ".csv")):
            receipts.append((split, box, folder / "entities" / box.name, folder / "img" / f"{box.stem}.jpg"))
    return receipts, []


def by_split_file(path: Path) -> tuple[list[Receipt], list[str]]:
    """The receipts that `split.json` lists, and what to say of the others.

    Raises:
        UserError: it is missing, or no object of lists of names, each of them once.
    """
    file = path / "split.json"
    if not file.is_file():
        example = '{"train": ["000", ...], "test": [...]}'
        raise UserError(f"{file}: no such file; SROIE's copies have no split: write one, {example}")
    receipts = []
    seen = Seen()
    for split, names in json_object(file).items():
        if split not in SPLITS or not isinstance(names, list):
            raise UserError(f"{file}: {shown(split)}: expected {', '.join(SPLITS)}, each with a list of names; mend it")
        for name in names:
            if not is_plain_name(name):
                raise UserError(f"{file}: {shown(name)} is no name of a receipt; mend it")
            seen.name(name, f"{file} {split}")
            key, image = inside(path / "key", f"{name}.json"), inside(path / "img", f"{name}.jpg")
            receipts.append((split, inside(path / "box", f"{name}.csv"), key, image))
    others = len(files_of(path / "box", (".csv",))) - len(receipts)
    return receipts, [f"{counted(others, 'receipt')} in no split of split.json, left out"] if others > 0 else []


def annotation(box: Path, key: Path, image: Path) -> Annotation:
    """What is known of a receipt.

    Raises:
        UserError: a file is missing, or not what SROIE's files are.
    """
    notes: Counter[str] = Counter()
    places = read_lines(box, notes)
    flat = [word for line in places for word in line]
    tags = tags_of(flat, values_of(key), notes)
    tag = iter(tags)
    lines = [[TaggedWord(text, place, next(tag)) for text, place in line] for line in places]
    size = image_size(image)
    notes[NO_IMAGE] += not image.exists()
    return Annotation(lines, size or extent(place for _, place in flat), notes=notes)


def read_lines(file: Path, notes: Counter[str]) -> Places:
    """The lines of a box file, cut into words.

    Raises:
        UserError: no such file, or a line without eight numbers and a text.
    """
    content = read_bytes(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes[NOT_UTF8] += 1
    places = []
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines() would cut at a Latin-1 character, too
        if not line.strip():
            continue
        *corners, words = line.split(",", 8)
        coordinates = [to_number(corner) for corner in corners]
        if len(coordinates) != 8 or not all(map(is_number, coordinates)):
            raise UserError(f"{file} line {number}: expected `{LINE}`, got {shown(line.strip())}; {ANSWER}")
        places.append(cut(words.strip(), around(coordinates)))
    return places


def to_number(text: str) -> float:
    """A number as it is written; what is none becomes NaN."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def cut(text: str, box: Box) -> list[tuple[str, Box]]:
    """The words of a line, each with its part of the line's box, in proportion to the characters.

    >>> cut("TO BE", (0, 2, 50, 9))
    [('TO', (0.0, 2, 20.0, 9)), ('BE', (30.0, 2, 50.0, 9))]
    """
    left, top, right, bottom = box
    step = (right - left) / max(1, len(text))
    words = []
    end = 0
    for word in text.split():
        start = text.index(word, end)
        end = start + len(word)
        words.append((word, (left + start * step, top, left + end * step, bottom)))
    return words


def values_of(file: Path) -> dict[str, str]:
    """The fields' values that are given and not blank.

    Raises:
        UserError: no such file, or a value that is no string.
    """
    content = json_object(file)
    for name in ENTITIES:
        if not isinstance(content.get(name, ""), str):
            raise UserError(f"{file}: {name} is {shown(content[name])}, not a string; {ANSWER}")
    return {name: content[name] for name in ENTITIES if content.get(name, "").strip()}


def tags_of(words: Sequence[tuple[str, Box]], values: dict[str, str], notes: Counter[str]) -> list[str]:
    """The tag of each word: the fields are looked for one after the other, and a word is part of one at most.

    Company and address stand at the top and may be named again below, the date is printed once more with a signature:
    the first place is taken. The total is often the price of the only article, and what is paid or given back may
    be the same figure: the last one beside the word "total" is taken, and the last of all where none is.
    """
    tags = [OUTSIDE] * len(words)
    for name in ENTITIES:
        if name not in values:
            notes[f"{name}: {MISSING}"] += 1
            continue
        found = totals(words, values[name]) if name == "total" else places_of(words, values[name], name)
        is_marked = any(mark(tags, span, name) for span in found[:1])
        notes[f"{name}: {FOUND if is_marked else NOT_FOUND}"] += 1
    return tags


def places_of(words: Sequence[tuple[str, Box]], value: str, name: str) -> list[range]:
    """Where a company, an address or a date stands, first place first.

    Points and blanks differ in names; in a date they tell one from the other.
    """
    form = without_edges if name == "date" else letters
    return list(spans([form(text) for text, _ in words], "".join(map(form, value.split()))))


def totals(words: Sequence[tuple[str, Box]], value: str) -> list[range]:
    """Where a total stands, the likeliest place first: a single word, for two prices side by side make up a third."""
    wanted = amount(value)
    found = [number for number, (text, _) in enumerate(words) if wanted and amount(text) == wanted]
    rows = [box for text, box in words if "total" in letters(text)]

    def is_beside(number: int) -> bool:
        middle = (words[number][1][1] + words[number][1][3]) / 2
        return any(top <= middle <= bottom for _, top, _, bottom in rows)

    found.sort(key=lambda number: (is_beside(number), number), reverse=True)
    return [range(number, number + 1) for number in found]


def render(key: str, size: int) -> np.ndarray:
    """A receipt's page at the size of a store; a white one where it has none.

    Raises:
        PageError: its image cannot be read.
    """
    if not Path(key).exists():
        return np.full((size, size), WHITE, np.uint8)
    return decode(key, size)
