"""Kleister-NDA: long agreements with four kinds of values (Stanisławek et al., 2021).

The text is that of an extractor, and comes without places of words and, here, without pages. The values come apart from
it and in a spelling of their own: 2014-05-01, New_York, 2_years. They are looked for in the text, and what is not found
is counted.
"""

from __future__ import annotations

import lzma
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.data.annotated.matching import letters, mark, spans, without_edges
from bench.data.annotated.reading import ANSWER, DataSet, require_layout
from bench.data.annotations import AnnotatedText, Annotation, TaggedWord
from bench.data.documents import Seen
from bench.data.rows import shown
from bench.data.source import Page, text_stamp
from shared.entities import OUTSIDE
from shared.errors import UserError
from shared.outside import open_file, read_text

ENTITIES = ("effective_date", "jurisdiction", "party", "term")
SPLIT_OF = {"train": "train", "dev-0": "val", "test-A": "test"}  # folder to split
LAYOUT = "train/, dev-0/ and test-A/ with in.tsv or in.tsv.xz, and expected.tsv"
BEST = "text_best"  # the column of the extractor that the data set's makers chose
MOST_BYTES = 1 << 30  # of a table: the training documents four times over have 60 MB
ESCAPED = {"n": "\n", "t": "\t", "f": "\f", "\\": "\\"}
NOWHERE = (0.0, 0.0, 0.0, 0.0)
NO_PLACES = "documents whose words have no places"
FOUND, NOT_FOUND = "found in the text", "not in the text"
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


class Agreement(NamedTuple):
    """One document."""

    text: str
    values: tuple[tuple[str, str], ...]  # key and value; a key may be there several times


def source(path: Path) -> DataSet:
    """The agreements in a folder.

    Raises:
        UserError: another layout, or a table that is not what the data set's are.
    """
    require_layout(path, (path / "train").is_dir(), LAYOUT)
    column = best_column(path / "in-header.tsv")
    pages: list[Page] = []
    agreements: list[Agreement] = []
    notes = []
    seen = Seen()
    for folder, split in SPLIT_OF.items():
        expected = path / folder / "expected.tsv"
        if split == "test" and not expected.exists():
            # words without a tag would count as words of no value
            notes.append(f"{folder}/ has no expected.tsv: its documents are left out")
            continue
        rows, values = list(table(path / folder / "in.tsv")), list(table(expected))
        if len(rows) != len(values):
            raise UserError(f"{expected}: {len(values)} lines, {len(rows)} documents; {ANSWER}")
        for (where, row), (where_expected, (line, *_)) in zip(rows, values, strict=True):
            name = f"{folder}/{row[0]}"
            seen.name(name, where)
            agreement = Agreement(text_of(row, column, where), values_of(line, where_expected))
            pages.append(Page(len(agreements), 0, split, name, text_stamp(f"{line}\n{agreement.text}")))
            agreements.append(agreement)
    text = AnnotatedText("kleister-nda", partial(annotation, agreements=agreements), ENTITIES)
    return DataSet(["kleister-nda"], pages, text, None, notes)


def table(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(`FILE line N`, columns) of a table, which may be packed (`.xz`); quotes mean nothing in it.

    Raises:
        UserError: no such file, or no table.
    """
    packed = file.with_name(f"{file.name}.xz")
    if not file.exists() and packed.exists():
        file, content = packed, unpacked(packed)
    else:
        content = read_text(file, MOST_BYTES)
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        yield f"{file} line {number}", line.removesuffix("\r").split("\t")


def unpacked(file: Path) -> str:
    """The text in a file that xz has packed.

    Raises:
        UserError: it is damaged, not UTF-8, or too large.
    """
    with open_file(file) as raw:
        try:
            with lzma.open(raw) as packed:
                content = packed.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise UserError(f"{file}: more than {MOST_BYTES:,} bytes when unpacked; {ANSWER}")
            return content.decode("utf-8")
        except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: not a text packed by xz ({error}); unpack the data set again") from None


def best_column(header: Path) -> int | None:
    """The number of the best text's column; None where no header says so."""
    names = next(iter(table(header)))[1] if header.exists() else []
    return names.index(BEST) if BEST in names else None


def text_of(row: list[str], column: int | None, where: str) -> str:
    """The text of a document: of the best extractor, or the last in the row that is not empty.

    Raises:
        UserError: the row is too short.
    """
    if len(row) <= max(column or 0, 2):
        raise UserError(f"{where}: {len(row)} columns; file name, keys and text are separated by tabs; {ANSWER}")
    text = row[column] if column is not None else next((each for each in reversed(row[2:]) if each.strip()), "")
    return re.sub(r"\\([ntf\\])", lambda found: ESCAPED[found[1]], text)


def values_of(line: str, where: str) -> tuple[tuple[str, str], ...]:
    """The keys and values of a document.

    Raises:
        UserError: something that is no `key=value`, or an unknown key.
    """
    found = []
    for pair in line.split():
        key, equals, value = pair.partition("=")
        if not equals or key not in ENTITIES:
            raise UserError(f"{where}: expected key=value with {', '.join(ENTITIES)}, got {shown(pair)}; mend the line")
        found.append((key, value))
    return tuple(found)


def annotation(key: int, agreements: Sequence[Agreement]) -> Annotation:
    """The words of a document, those of its values tagged."""
    text, values = agreements[key]
    notes = Counter([NO_PLACES])
    lines = [line.split() for line in re.split(r"[\n\f]", text)]
    tag = iter(tags_of([word for line in lines for word in line], values, notes))
    return Annotation([[TaggedWord(word, NOWHERE, next(tag)) for word in line] for line in lines], (1, 1), notes=notes)


def tags_of(words: Sequence[str], values: Sequence[tuple[str, str]], notes: Counter[str]) -> list[str]:
    """The tag of each word.

    A value is tagged wherever it stands: an agreement names its parties on each page, and a place that is left out
    would teach that it is none. Longer values go first, for one may be part of another.
    """
    tags = [OUTSIDE] * len(words)
    names, dates = [letters(word) for word in words], [without_edges(word) for word in words]
    for key, value in sorted(values, key=lambda pair: len(pair[1]), reverse=True):
        forms = dates if key == "effective_date" else names
        hits = [span for spelling in spellings(key, value) for span in spans(forms, spelling)]
        hits.sort(key=len, reverse=True)
        marked = [span for span in hits if mark(tags, span, key)]
        notes[f"{key}: {FOUND if marked else NOT_FOUND}"] += 1
    return tags


def spellings(key: str, value: str) -> list[str]:
    """How a value may stand in a text, less blanks and points.

    >>> spellings("term", "2_years")
    ['2years', 'two2years', 'twoyears', '2year', 'two2year', 'twoyear']
    """
    if key == "effective_date":
        return dates_of(value)
    term = re.fullmatch(r"(\d{1,2})_([a-z]+)", value.casefold())
    if key != "term" or not term:
        return [letters(value)]
    number, unit = int(term[1]), term[2]
    name = ONES[number] if number < 20 else TENS[number // 10 - 2] + (ONES[number % 10] if number % 10 else "")
    starts = (f"{number}", f"{name}{number}", name)
    return [f"{start}{each}" for each in dict.fromkeys((unit, unit.removesuffix("s"))) for start in starts]


def dates_of(value: str) -> list[str]:
    """The usual English spellings of YYYY-MM-DD, less blanks and what stands at the ends of words."""
    try:
        day_of_year = date.fromisoformat(value)
    except ValueError:
        return [without_edges(value)]
    year, month, day = day_of_year.year, day_of_year.month, day_of_year.day
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    found = [value, f"{month}/{day}/{year}", f"{month:02}/{day:02}/{year}", f"{month}/{day}/{year % 100:02}"]
    for name in (MONTHS[month - 1], MONTHS[month - 1][:3]):
        for number in (f"{day}", f"{day:02}", f"{day}{ending}"):
            found += [f"{name}{number}{year}", f"{number}{name}{year}", f"{number}dayof{name}{year}"]
    return list(dict.fromkeys(found))
