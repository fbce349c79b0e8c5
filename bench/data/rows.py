"""Rows of index, corpus and label files: one set of rules for what a row, a label, an id and a split may be.

Labels and ids are strings or whole numbers; 1 and "1" are the same. Blanks around them are dropped, blanks within
become one space, Unicode is composed (NFC), so that no two of them look the same and differ.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.terminal.printable import printable
from shared.errors import UserError
from shared.outside import open_file, parse_json
from shared.store import SPLITS

SHOWN = 60  # characters of a value or a line in a message


def shown(value: object) -> str:
    """A value in quotes for a message: short, one line, safe to print."""
    return printable(repr(value), SHOWN)


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(`FILE line N`, stripped line) of each line that is not blank."""
    try:
        with open_file(path) as file:
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


def json_rows(path: Path, example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`FILE line N`, object) of each line of a JSONL file.

    Args:
        example: of a line, for the message.

    Raises:
        UserError: a line that is no UTF-8, no JSON, no object, or one in which a key stands twice.
    """
    for where, line in numbered_lines(path):
        try:
            content = parse_json(line, nan=True)  # a NaN in a column that nobody reads does no harm
        except ValueError as error:
            raise UserError(f"{where}: not JSON: {printable(error, SHOWN)}: {shown(line)}") from None
        if not isinstance(content, dict):
            raise UserError(f"{where}: expected an object like {example}, got {shown(line)}")
        yield where, content


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """(`FILE line N`, row) of a CSV file with a header line; blank lines are passed over.

    Args:
        columns: that the header has to name.

    Raises:
        UserError: no CSV, a header without one of `columns` or with two of a name, a row longer or shorter than it.
    """
    try:
        with open_file(path) as data:
            reader = csv.reader(io.TextIOWrapper(data, encoding="utf-8-sig", newline=""), strict=True)
            header = next((row for row in reader if any(cell.strip() for cell in row)), None)
            if header is None:
                return
            names = [name.strip() for name in header]
            require_columns(names, columns, f"{path} line {reader.line_num}")
            for row in reader:
                where = f"{path} line {reader.line_num}"
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(names):
                    raise UserError(
                        f"{where}: {len(row)} columns, the header has {len(names)}; put quotes around a comma in a name"
                    )
                yield where, dict(zip(names, row, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable CSV file: {error}; save it as UTF-8 with commas") from None


def require_columns(names: list[str], columns: tuple[str, ...], where: str) -> None:
    """Raises UserError where a header names a column twice, or not all that are needed; says what is the matter."""
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{where}: the header names {shown(twice)} twice; rename one of the columns")
    for column in columns:
        if column in names:
            continue
        other = next((name for name in names if name.casefold() == column), None)
        if other is not None:
            raise UserError(f"{where}: the header has {shown(other)}; write it in small letters: {column}")
        for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if any(separator in each for each in names):
                raise UserError(f"{where}: the columns are separated by {name}; save the file with commas")
        raise UserError(f"{where}: no `{column}` in the header {shown(','.join(names))}; every row needs one")


def name_of(value: Any, where: str, what: str) -> str:
    """A label or an id as it is compared and stored.

    Args:
        what: `label` or `id`, for the message.

    Raises:
        UserError: neither string nor whole number, or blank.
    """
    if type(value) not in (str, int):
        raise UserError(f"{where}: {what} {shown(value)}: it has to be a string or a whole number")
    name = " ".join(unicodedata.normalize("NFC", str(value)).split())
    if not name:
        raise UserError(f"{where}: no `{what}`: it is empty; every row needs one")
    return name


def label_of(value: Any, where: str) -> str:
    """A label as it is stored: it becomes a class, which tables and figures name.

    Raises:
        UserError: what `name_of` raises, or characters that cannot be seen, or half a surrogate pair.
    """
    label = name_of(value, where, "label")
    if printable(label) != label:
        raise UserError(f"{where}: label '{printable(label, SHOWN)}' has characters that cannot be shown; rename it")
    return label


def split_of(value: Any, where: str) -> str:
    """A row's own split; "" where it says none.

    Raises:
        UserError: not one of SPLITS.
    """
    if value is None:
        return ""
    name = value.strip() if isinstance(value, str) else value
    if name != "" and name not in SPLITS:
        raise UserError(f"{where}: unknown split {shown(name)}; known: {', '.join(SPLITS)}")
    return str(name)


def class_names(labels: Iterable[str], path: Path) -> list[str]:
    """Labels in order: by number where all are numbers, else by name.

    Raises:
        UserError: fewer than two.
    """
    known = set(labels)
    if len(known) < 2:
        raise UserError(f"{path}: {len(known)} label(s) in it; a classifier needs at least two")
    numbers = all(label.isdecimal() for label in known)
    return sorted(known, key=lambda label: (int(label), label) if numbers else (0, label))


def look_alikes(classes: Iterable[str]) -> list[str]:
    """A note for each group of labels that differ in case, or in how a number is written, alone."""
    groups: dict[str | float, list[str]] = defaultdict(list)
    for name in classes:
        try:
            groups[float(name)].append(name)
        except ValueError:
            groups[name.casefold()].append(name)
    return [
        f"labels {', '.join(map(shown, names))} are {len(names)} classes; if they mean the same, write them alike"
        for names in groups.values()
        if len(names) > 1
    ]
