"""Corpora as `hedwig-data` has them: `train.tsv`, `dev.tsv` and `test.tsv` of lines `BITS<TAB>text`.

Reuters (90 classes) and AAPD (54) have several labels a document, IMDB (10) and Yelp 2014 (5) one. There is no header
and no quoting: the first tab of a line ends its bits, and everything behind it is text. A corpus is read twice and
never held: once for the labels and the texts' hashes, once when the texts are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from bench.data.page_text import PageText, plain_text
from bench.data.rows import shown
from bench.data.source import EMPTY_STAMP, Page, TextJob, TextOutcome, counted, text_stamp
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.outside import open_file
from shared.store import SPLITS, TEXT, write_strings

FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
LONGEST_LINE = 1 << 28  # bytes


class Line(NamedTuple):
    """A document."""

    where: str  # file and line
    bits: str
    text: PageText
    byte: int  # at which the line begins


@dataclass(frozen=True)
class HedwigText:
    """A `bench.data.source.TextPart` that reads the texts again; a page's key is its place in `places`."""

    root: Path
    places: list[tuple[str, int]] = field(default_factory=list)  # file and byte of each document

    def identity(self) -> str:
        """The pages' stamps, hashes of the texts, say the rest."""
        return "hedwig"

    def write(self, job: TextJob) -> TextOutcome:
        """Write the texts.

        Raises:
            UserError: a file is not what it was a moment ago.
        """
        facts: dict[str, list[dict[str, str | int]]] = {"cut": []}
        empty = 0

        def texts() -> Iterator[str]:
            nonlocal empty
            files: dict[str, BinaryIO] = {}
            try:
                for done, slot in enumerate(job.kept, 1):
                    page = job.pages[slot]
                    name, byte = self.places[int(page.key)]
                    file = files.get(name) or files.setdefault(name, open_file(self.root / name))
                    file.seek(byte)
                    text = parse(file.readline(LONGEST_LINE), page.name, byte).text
                    if text_stamp(text.text) != page.stamp:
                        raise UserError(f"{self.root / name}: changed while it was read; run the same command again")
                    if text.cut:
                        facts["cut"].append({"file": page.name, "characters": text.length})
                    empty += not text.text
                    if done % 1000 == 0 or done == len(job.kept):
                        job.progress("texts", done, len(job.kept))
                    yield text.text
            finally:
                for file in files.values():
                    file.close()

        write_strings(job.partial.store, TEXT, texts())
        return TextOutcome({"text": {"empty": empty, **facts}})


class Corpus(NamedTuple):
    """What is read of a folder."""

    classes: list[str]
    pages: list[Page]
    text: HedwigText
    several: bool
    notes: list[str]


def parse(line: bytes, where: str, byte: int) -> Line:
    """A line's bits and text.

    Raises:
        UserError: no UTF-8, no tab, or something else than bits before the first.
    """
    try:
        content = line.decode("utf-8-sig" if byte == 0 else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    bits, tab, text = content.partition("\t")
    if not tab:
        raise UserError(f"{where}: no tab; a line is the labels' bits, a tab and the text: {shown(content)}")
    if not bits or set(bits) - set("01"):
        raise UserError(f"{where}: its labels are not bits (0 and 1): {shown(bits)}; mend the line")
    return Line(where, bits, plain_text(text), byte)


def lines_of(path: Path) -> Iterator[Line]:
    """The documents of a file, the first line's included; each has as many bits as the first.

    Raises:
        UserError: what `parse` raises, a line that is too long, or one with another number of bits.
    """
    first: Line | None = None
    with open_file(path) as file:
        byte = number = 0
        while data := file.readline(LONGEST_LINE):
            number += 1
            where = f"{path} line {number}"
            if len(data) == LONGEST_LINE:
                raise UserError(f"{where}: longer than {LONGEST_LINE:,} bytes; is it a file of hedwig-data?")
            line = parse(data, where, byte)
            first = first or line
            check_bits(line, first)
            byte += len(data)
            yield line


def check_bits(line: Line, first: Line) -> None:
    """Raises UserError where a line has another number of bits than the first one."""
    if len(line.bits) != len(first.bits):
        raise UserError(
            f"{line.where}: {len(line.bits)} bits, {printable(first.where)} has {len(first.bits)}; mend the line"
        )


def split_files(root: Path) -> dict[str, Path]:
    """The files of a folder by split.

    Raises:
        UserError: no folder, or none of them is for training.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give that of one corpus, with train.tsv, dev.tsv and test.tsv")
    found = {split: root / name for split, name in FILES.items() if (root / name).is_file()}
    if SPLITS[0] not in found:
        below = sorted(path.parent.name for path in root.glob("*/train.tsv"))
        one = f" (for example {root / below[0]})" if below else ""
        raise UserError(f"{root}: no train.tsv in it; give the folder of one corpus{one}")
    return found


def read(root: Path) -> Corpus:
    """The documents of a corpus, all with a split.

    Every document has one label where each line of all files has one bit set, else all may have several. Classes have
    no names there: they are numbers, from 0.

    Raises:
        UserError: another layout, a line that is none of the format's, or fewer than two classes.
    """
    text, found = HedwigText(root), list[tuple[tuple[int, ...], str, str, str]]()
    first: Line | None = None
    other: list[str] = []  # lines with another number of bits than one
    empty: list[str] = []
    for split, path in split_files(root).items():
        for number, line in enumerate(lines_of(path), 1):
            first = first or line
            check_bits(line, first)
            name, labels = f"{path.name} {number}", tuple(place for place, bit in enumerate(line.bits) if bit == "1")
            stamp = text_stamp(line.text.text)
            if len(labels) != 1:
                other.append(f"{name} has {len(labels)}")
            if stamp == EMPTY_STAMP or not line.text.text.strip():
                empty.append(name)
            text.places.append((path.name, line.byte))
            found.append((labels, split, name, stamp))
    if first is None or len(first.bits) < 2:
        classes = 0 if first is None else len(first.bits)
        raise UserError(f"{root}: {classes} class(es) in it; a classifier needs at least two")
    several = bool(other)
    pages = [
        Page(row, labels if several else labels[0], split, name, stamp)
        for row, (labels, split, name, stamp) in enumerate(found)
    ]
    notes = []
    if several:
        notes.append(
            f"documents may have several labels: {counted(len(other), 'line')} of {len(found):,} with another number "
            f"of bits than one (first: {other[0]})"
        )
    if empty:
        notes.append(f"{counted(len(empty), 'document')} without text (first: {empty[0]})")
    return Corpus([str(label) for label in range(len(first.bits))], pages, text, several, notes)
