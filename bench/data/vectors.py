"""Word vectors that were trained elsewhere: files of word2vec (text or binary) and of GloVe (text).

Which of them a file is, it tells by itself: word2vec's begins with a line of two numbers (vectors, and numbers of a
vector), and what follows in a binary one is no text. A word of GloVe may hold blanks, so that lines are split from the
right. Files of several GB are read from the beginning to the end, and only vectors of the words that are asked for
are kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from bench.data.prepare import silent
from bench.data.rows import shown
from bench.data.source import Progress
from shared.errors import UserError
from shared.outside import open_file

Kind = Literal["word2vec text", "word2vec binary", "GloVe text"]

LONGEST_LINE = 1 << 20  # bytes
LONGEST_WORD = 4096  # bytes
MOST_FEATURES = 4096  # of a word, see shared.sections.WordModel
READ_BYTES = 1 << 22
SAMPLE_BYTES = 4096  # by which text is told from what is none
CONTROL = bytes(set(range(32)) - set(b"\t\n\r"))  # bytes that no text has
PACKED = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
WHAT_TO_DO = "give a file of word2vec (text or binary) or GloVe"

Vectors = dict[str, np.ndarray]  # word to its vector, float32, D


@dataclass(frozen=True)
class VectorFile:
    """An opened file of word vectors; see `open_vectors`."""

    path: Path
    kind: Kind
    size: int  # D, numbers of a vector
    count: int | None  # vectors, as the header says; None: the file has none
    begin: int  # byte of the first vector

    @cached_property
    def digest(self) -> str:
        """Identity of the content; reads all of it."""
        checksum = hashlib.sha256()
        with open_file(self.path) as file:
            while block := file.read(READ_BYTES):
                checksum.update(block)
        return checksum.hexdigest()[:16]

    def read(self, words: Collection[str], progress: Progress = silent) -> Vectors:
        """The vectors of some words; those that the file does not have are left out.

        Args:
            words: without blanks, a mapping or a set: each of the file's is looked up there.
            progress: told how many bytes are read.

        Raises:
            UserError: a vector of another width, a file that ends too early or goes on behind the number of vectors
                that it announces, a word that was asked for and is there twice, or whose vector has something that is
                not a finite number.
        """
        wanted = {word.encode(): word for word in words}
        total, last, found = self.path.stat().st_size, 0, Vectors()
        places: dict[str, str] = {}
        with open_file(self.path) as file:
            file.seek(self.begin)
            entries = self._binary(file, wanted) if self.kind == "word2vec binary" else self._text(file, wanted)
            for where, byte, word, vector in entries:
                if byte - last >= READ_BYTES:
                    last = byte
                    progress("word vectors", byte, total)
                if word is None or vector is None:
                    continue
                name = wanted[word]
                if name in found:
                    raise UserError(
                        f"{where}: {shown(name)} is there twice, first {places[name]}; remove one of its vectors"
                    )
                if not np.isfinite(vector).all():
                    raise UserError(
                        f"{where}: the vector of {shown(name)} has numbers that are not finite in float32; mend or "
                        "remove it"
                    )
                found[name], places[name] = vector, where.removeprefix(f"{self.path} ")
        progress("word vectors", total, total)
        return found

    def _text(self, file: BinaryIO, wanted: Collection[bytes]) -> Iterator[Entry]:
        """Each line's place, byte, and where its word is asked for, word and vector."""
        number, done, byte = 0 if self.count is None else 1, 0, self.begin
        announced = "line 1" if self.count is None else "the header"
        while line := file.readline(LONGEST_LINE):
            number, byte = number + 1, byte + len(line)
            where = f"{self.path} line {number}"
            if len(line) == LONGEST_LINE:
                raise UserError(f"{where}: longer than {LONGEST_LINE:,} bytes; {WHAT_TO_DO}")
            content = line.rstrip(b" \t\r\n")
            if not content:
                continue
            if done == self.count:
                raise UserError(f"{where}: a vector behind the {done:,} that the header announces; mend the header")
            done += 1
            blanks = content.count(b" ")
            if blanks < self.size:
                cut = "" if line.endswith(b"\n") else ", and the file ends there: it is cut short"
                raise UserError(
                    f"{where}: {blanks} numbers, {announced} has {self.size}{cut}; get the file again, or mend the line"
                )
            word, numbers = content.split(b" ", 1) if blanks == self.size else self._split(content, where, announced)
            asked = word in wanted
            yield where, byte, *((word, self._numbers(numbers.split(b" "), where)) if asked else (None, None))
        if self.count is not None and done < self.count:
            raise UserError(
                f"{self.path} line {number}: the file ends behind {done:,} vectors, the header announces "
                f"{self.count:,}: it is cut short, or the header is wrong; get the file again"
            )

    def _split(self, content: bytes, where: str, announced: str) -> tuple[bytes, bytes]:
        """A line of more blanks than a vector has numbers, from the right: a word with blanks, and its numbers.

        Raises:
            UserError: the word is one and numbers: the vector is longer than the others.
        """
        word, *pieces = content.rsplit(b" ", self.size)
        _, *more = word.split(b" ")
        if all(map(_is_number, more)):
            raise UserError(
                f"{where}: {len(more) + self.size} numbers, {announced} has {self.size}; get the file again, or mend "
                "the line"
            )
        return word, b" ".join(pieces)

    def _numbers(self, pieces: list[bytes], where: str) -> np.ndarray:
        """A vector (float32, D)."""
        for piece in pieces:
            if not _is_number(piece):
                raise UserError(f"{where}: {shown(piece.decode(errors='replace'))} is not a number; mend the line")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes an infinity, and is refused as one
            return np.array([float(piece) for piece in pieces], np.float64).astype(np.float32)

    def _binary(self, file: BinaryIO, wanted: Collection[bytes]) -> Iterator[Entry]:
        """Each vector's place, the byte behind it, and where its word is asked for, word and vector."""
        assert self.count is not None, "a binary file has a header"
        num_bytes, buffer, position, byte = 4 * self.size, b"", 0, self.begin
        for number in range(1, self.count + 1):
            if len(buffer) - position < num_bytes + LONGEST_WORD + 2:
                buffer, position = buffer[position:] + file.read(READ_BYTES), 0
            where = f"{self.path} byte {byte}"
            start = position
            while buffer[start : start + 1] == b"\n":  # some writers end a vector with a line end
                start += 1
            end = buffer.find(b" ", start, start + LONGEST_WORD)
            rest = len(buffer) - start
            if end < 0 and rest > LONGEST_WORD:
                raise UserError(
                    f"{where}: no word there (vector {number:,}): vectors of another width than the {self.size} of the "
                    "header, or damaged; get the file again"
                )
            if end < 0 or len(buffer) < end + 1 + num_bytes:
                raise UserError(
                    f"{where}: the file ends within vector {number:,} of {self.count:,} of {self.size} numbers: it is "
                    "cut short, or the header is wrong; get the file again"
                )
            word, behind = buffer[start:end], end + 1 + num_bytes
            byte += behind - position
            position = behind
            if word in wanted:
                yield where, byte, word, np.frombuffer(buffer, "<f4", self.size, end + 1).astype(np.float32)
            else:
                yield where, byte, None, None
        if (buffer[position:] + file.read(SAMPLE_BYTES)).strip(b"\n"):
            raise UserError(
                f"{self.path} byte {byte}: the file goes on behind the {self.count:,} vectors of {self.size} numbers "
                "that its header announces: the header is wrong; get the file again"
            )


Entry = tuple[str, int, bytes | None, np.ndarray | None]  # place for messages, byte, word and vector


def open_vectors(path: str | Path) -> VectorFile:
    """Open a file of word vectors: which kind it is, and how wide they are.

    Raises:
        UserError: no such file, a packed one, neither of the formats, or a header that asks for more than there is.
    """
    path = Path(path)
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        line = file.readline(LONGEST_LINE)
        sample = file.read(SAMPLE_BYTES)
    for magic, name in PACKED.items():
        if line.startswith(magic) and any(byte in CONTROL for byte in (line + sample)[:SAMPLE_BYTES]):
            raise UserError(f"{path}: packed by {name}; unpack it first")
    header = line.split()
    if len(header) == 2 and all(piece.isdigit() for piece in header):
        count, width = (int(piece[:18]) for piece in header)
        if not (count >= 1 and 1 <= width <= MOST_FEATURES):
            raise UserError(f"{path} line 1: {count} vectors of {width} numbers; {WHAT_TO_DO} (1 to {MOST_FEATURES})")
        binary = any(byte in CONTROL for byte in sample) or not sample
        least = count * (4 * width + 1 if binary else 2 * width)
        if size - len(line) < least:
            raise UserError(
                f"{path} line 1: the header announces {count:,} vectors of {width} numbers, at least {least:,} bytes, "
                f"and the file has {size - len(line):,} behind it: it is cut short, or the header is wrong; get the "
                "file again"
            )
        return VectorFile(path, "word2vec binary" if binary else "word2vec text", width, count, len(line))
    pieces = line.rstrip(b" \t\r\n").split(b" ")
    width = next((index for index, piece in enumerate(pieces[:0:-1]) if not _is_number(piece)), len(pieces) - 1)
    if any(byte in CONTROL for byte in line + sample) or not 1 <= width <= MOST_FEATURES:
        raise UserError(f"{path} line 1: neither a header of word2vec nor a word and its vector; {WHAT_TO_DO}")
    return VectorFile(path, "GloVe text", width, None, 0)


def _is_number(piece: bytes) -> bool:
    try:
        float(piece)
    except ValueError:
        return False
    return b"_" not in piece  # which Python takes
