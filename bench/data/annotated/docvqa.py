"""DocVQA, task 1: questions about pages, with every right answer (Mathew, Karatzas, Jawahar, 2021).

A document of the store is a page with all that is asked of it. Its words are those of the OCR that comes with the data
set; where that is missing, the page has no words. The answers of test are not public: its questions have none.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.data.annotated.reading import (
    ANSWER,
    DataSet,
    around,
    json_object,
    numbers,
    objects,
    page_size,
    require_layout,
    stamp_of,
    string,
)
from bench.data.annotations import AnnotatedText, Annotation, Question, TaggedWord
from bench.data.decode import decode
from bench.data.rows import shown
from bench.data.source import Page, text_stamp
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.outside import inside
from shared.store import SPLITS

FILES = ("{}_v1.0.json", "{}_v1.0_withQT.json")  # the second: the same with the questions' types, a later download
LAYOUT = "train_v1.0.json, val_v1.0.json and test_v1.0.json beside documents/ and ocr_results/ (or a folder a split)"
NO_OCR_FILE = "pages without an OCR file"
NOT_READ = "pages whose OCR file has no result"


class Asked(NamedTuple):
    """What belongs to a page's image."""

    ocr: Path  # may be absent
    questions: tuple[Question, ...]


def source(path: Path) -> DataSet:
    """The pages in a folder that something is asked of.

    Raises:
        UserError: no questions of train, a page in two splits, an image that is missing, or a file that is not what the
            data set's are. OCR files are read later.
    """
    files = {split: question_file(path, split) for split in SPLITS}
    require_layout(path, files["train"] is not None, LAYOUT)
    pages, asked = [], {}
    split_of: dict[str, str] = {}
    for split, file in files.items():
        for image, questions in by_image(file).items() if file else ():
            key = str(image)
            if key in asked:
                raise UserError(
                    f"{file}: {printable(image.name)} is in {split_of[key]}, too; a page belongs to one split"
                )
            ocr = image.parent.parent / "ocr_results" / f"{image.stem}.json"
            files_there = [image, ocr] if ocr.exists() else [image]
            stamp = f"{stamp_of(*files_there)} {text_stamp(json.dumps(questions))}"
            asked[key], split_of[key] = Asked(ocr, tuple(questions)), split
            pages.append(Page(key, 0, split, str(image.relative_to(path)), stamp))
    text = AnnotatedText("docvqa", partial(annotation, asked=asked), asks=True)
    return DataSet(["docvqa"], pages, text, decode, [])


def question_file(path: Path, split: str) -> Path | None:
    """The file of a split's questions, in the folder or in one named like the split."""
    places = [folder / name.format(split) for folder in (path, path / split) for name in FILES]
    return next((place for place in places if place.is_file()), None)


def by_image(file: Path) -> dict[Path, list[Question]]:
    """The questions of a split, page by page, in the file's order.

    Raises:
        UserError: a question without text or image, or an image that is not in the file's folder.
    """
    found: dict[Path, list[Question]] = {}
    for number, entry in enumerate(objects(json_object(file), "data", file)):
        where = f"{file} question {number}"
        image = inside(file.parent, string(entry, "image", where))
        if image.parent.parent != file.parent:
            raise UserError(f"{where}: image {shown(entry['image'])} is not of the form documents/NAME.png; {ANSWER}")
        question = Question(string(entry, "question", where), answers_of(entry, where))
        found.setdefault(image, []).append(question)
    return found


def answers_of(entry: dict[str, Any], where: str) -> tuple[str, ...]:
    """The right answers to a question; none where the data set keeps them.

    Raises:
        UserError: no list of strings.
    """
    answers = entry.get("answers", [])
    if not isinstance(answers, list) or not all(isinstance(each, str) for each in answers):
        raise UserError(f"{where}: `answers` is no list of strings; {ANSWER}")
    return tuple(answers)


def annotation(key: str, asked: dict[str, Asked]) -> Annotation:
    """The words of a page, and what is asked of it.

    Raises:
        UserError: its OCR file is not what the data set's are.
    """
    ocr, questions = asked[key]
    if not ocr.exists():
        return Annotation([], (1, 1), questions, Counter([NO_OCR_FILE]))
    content = json_object(ocr)
    results = objects(content, "recognitionResults", ocr) if content.get("recognitionResults") is not None else []
    if not results:
        return Annotation([], (1, 1), questions, Counter([NOT_READ]))
    page = results[0]  # a file is of one page
    lines = [words_of(line, f"{ocr} line {number}") for number, line in enumerate(objects(page, "lines", ocr))]
    return Annotation(lines, page_size(page, ocr), questions)


def words_of(line: dict[str, Any], where: str) -> list[TaggedWord]:
    """The words of a line with the boxes around their quadrilaterals."""
    return [
        TaggedWord(
            string(word, "text", f"{where} word {number}"),
            around(numbers(word.get("boundingBox"), 8, f"{where} word {number}")),
        )
        for number, word in enumerate(objects(line, "words", where))
    ]
