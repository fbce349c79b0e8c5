"""FUNSD: scanned forms whose words are part of headers, questions and answers (Jaume, Ekenel, Thiran, 2019).

Two layouts: the official one, and that of the re-annotated edition (EC-FUNSD in ROOR-Datasets). Words have boxes of
their own, and those are taken: a segment's or an entity's box would tell which words belong together, which is what is
asked.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from bench.data.annotated.reading import (
    ANSWER,
    DataSet,
    box_of,
    extent,
    files_of,
    image_size,
    json_object,
    objects,
    page_size,
    require_layout,
    stamp_of,
    string,
    tagged,
    unannotated,
)
from bench.data.annotations import AnnotatedText, Annotation, Box, TaggedWord
from bench.data.decode import decode
from bench.data.documents import Seen
from bench.data.rows import numbered_lines, shown
from bench.data.source import Page
from shared.entities import OUTSIDE
from shared.errors import UserError
from shared.outside import inside

ENTITIES = ("header", "question", "answer")
LABELS = (*ENTITIES, "other")
OFFICIAL = {"training_data": "train", "testing_data": "test"}  # folder to split
EDITION = {"data.train.txt": "train", "data.val.txt": "test"}  # what the edition calls val is the official test
LAYOUT = "training_data/ and testing_data/ with annotations/ and images/; or jsons/, images/ and data.train.txt"
PIECES = "pieces of entities whose words do not follow each other"


def source(path: Path) -> DataSet:
    """The forms in a folder.

    Raises:
        UserError: neither layout, a form without its image, or an annotation that contradicts itself.
    """
    is_edition = (path / "jsons").is_dir() and (path / "data.train.txt").is_file()
    require_layout(path, is_edition or (path / "training_data").is_dir(), LAYOUT)
    pages, annotations = [], {}
    for split, file, image, annotation in edition(path) if is_edition else official(path):
        pages.append(Page(str(image), 0, split, str(image.relative_to(path)), stamp_of(file, image)))
        annotations[str(image)] = annotation
    text = AnnotatedText("funsd", annotations.__getitem__, ENTITIES)
    folders = [path / "images"] if is_edition else [path / folder / "images" for folder in OFFICIAL]
    return DataSet(["funsd"], pages, text, decode, unannotated(folders, map(Path, annotations)))


Form = tuple[str, Path, Path, Annotation]  # split, annotation file, image file, what the one says of the other


def official(path: Path) -> list[Form]:
    """The forms of the official layout."""
    forms = []
    for folder, split in OFFICIAL.items():
        for file in files_of(path / folder / "annotations", (".json",)):
            image = path / folder / "images" / f"{file.stem}.png"
            lines = official_lines(json_object(file), file)
            # a page that cannot be read is rejected when it is rendered
            size = image_size(image) or extent(word.box for line in lines for word in line)
            forms.append((split, file, image, Annotation(lines, size)))
    return forms


def official_lines(content: dict[str, Any], file: Path) -> list[list[TaggedWord]]:
    """The segments of a form in their order, a line each; every one is an entity of its own."""
    lines = []
    for number, segment in enumerate(objects(content, "form", file)):
        where = f"{file} segment {number}"
        label = known_label(segment, where)
        lines.append(tagged(words_of(segment, where), label if label in ENTITIES else ""))
    return lines


def known_label(holder: dict[str, Any], where: str) -> str:
    """A segment's or an entity's label.

    Raises:
        UserError: it has none, or one that FUNSD has not.
    """
    label = holder.get("label")
    if label not in LABELS:
        raise UserError(f"{where}: label {shown(label)} is none of {', '.join(LABELS)}; mend the file")
    return str(label)


def words_of(segment: dict[str, Any], where: str) -> list[tuple[str, Box]]:
    """The words of a segment with their boxes."""
    return [
        (string(word, "text", f"{where} word {number}"), box_of(word.get("box"), f"{where} word {number}"))
        for number, word in enumerate(objects(segment, "words", where))
    ]


def edition(path: Path) -> list[Form]:
    """The forms of the re-annotated edition."""
    forms = []
    seen = Seen()
    for name, split in EDITION.items():
        for where, line in numbered_lines(path / name):
            seen.name(line, where)
            file = inside(path / "jsons", line)
            content = json_object(file)
            facts = content.get("img", {})
            size = page_size(facts, f"{file} `img`")
            image = inside(path, facts.get("fname"))
            seen.name(str(image), str(file))
            notes: Counter[str] = Counter()
            forms.append((split, file, image, Annotation(edition_lines(content, file, notes), size, notes=notes)))
    return forms


def edition_lines(content: dict[str, Any], file: Path, notes: Counter[str]) -> list[list[TaggedWord]]:
    """The segments of a form in their order, a line each; entities are lists of words, wherever these stand."""
    segments: list[list[tuple[str, Box]]] = []
    ids: list[int] = []  # of the words, in the order of the file
    for number, segment in enumerate(objects(content, "document", file)):
        where = f"{file} segment {number}"
        segments.append(words_of(segment, where))
        ids += [word_id(word.get("id"), where) for word in objects(segment, "words", where)]
    rows = {word: row for row, word in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(word for word, count in Counter(ids).items() if count > 1)
        raise UserError(f"{file}: two words have the id {twice}, so it is unclear what an entity is of; mend the file")
    blank = [not text.split() for segment in segments for text, _ in segment]
    tags = entity_tags(content, file, rows, blank, notes)
    tag = iter(tags)
    return [[TaggedWord(text, box, next(tag)) for text, box in segment] for segment in segments]


def word_id(value: object, where: str) -> int:
    """A word's number.

    Raises:
        UserError: it has none.
    """
    if type(value) is not int:
        raise UserError(f"{where}: a word id {shown(value)}, not a whole number; {ANSWER}")
    return value


def entity_tags(
    content: dict[str, Any], file: Path, rows: dict[int, int], blank: list[bool], notes: Counter[str]
) -> list[str]:
    """The tag of each word.

    An entity whose words do not follow each other gets a B- for each piece: an I- there would continue whatever entity
    stands before it.

    Args:
        rows: a word's place by its id. blank: whether the word at a place has no character.
    """
    tags = [OUTSIDE] * len(rows)
    owner: dict[int, int] = {}  # a word's place to its entity
    for number, entity in enumerate(objects(content, "label_entities", file)):
        where = f"{file} entity {number}"
        label = known_label(entity, where)
        ids = entity.get("word_idx")
        if not isinstance(ids, list):
            raise UserError(f"{where}: `word_idx` is missing or no list; {ANSWER}")
        for each in ids:
            if word_id(each, where) not in rows:
                raise UserError(f"{where}: no word has the id {each}; mend the file")
            if owner.setdefault(rows[each], number) != number:
                raise UserError(f"{where}: word {each} is in entity {owner[rows[each]]}, too; mend the file")
        if label not in ENTITIES:
            continue
        previous = None
        for row in sorted({rows[each] for each in ids if not blank[rows[each]]}):
            follows = previous is not None and all(blank[between] for between in range(previous + 1, row))
            notes[PIECES] += previous is not None and not follows
            tags[row] = f"{'I' if follows else 'B'}-{label}"
            previous = row
    return tags
