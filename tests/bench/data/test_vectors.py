"""Readers of word vectors: every format as it is, and every file that is none in one line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bench.data import vectors as module
from bench.data.vectors import open_vectors
from shared.errors import UserError

WORDS = {"net": [0.5, -1.25, 3.0], "profit": [1e-3, 2.0, -0.5], "said!": [7.0, 8.0, 9.0]}


def text_of(words: dict[str, list[float]], header: str | None = None, end: str = "\n") -> str:
    lines = [f"{word} {' '.join(map(repr, vector))}" for word, vector in words.items()]
    return "\n".join([*([] if header is None else [header]), *lines]) + end


def binary_of(words: dict[str, list[float]], header: str | None = None, ends: bytes = b"") -> bytes:
    parts = [f"{len(words)} 3\n".encode() if header is None else f"{header}\n".encode()]
    parts += [word.encode() + b" " + np.array(vector, "<f4").tobytes() + ends for word, vector in words.items()]
    return b"".join(parts)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMATS = {
    "word2vec text": text_of(WORDS, "3 3").encode(),
    "word2vec text with blanks at its ends": text_of(WORDS, "3 3").replace("\n", " \r\n").encode(),
    "word2vec binary": binary_of(WORDS),
    "word2vec binary with line ends": binary_of(WORDS, ends=b"\n"),
    "GloVe text": text_of(WORDS).encode(),
    "GloVe text without a last line end": text_of(WORDS, end="").encode(),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_tells_itself_and_gives_the_words_asked_for(tmp_path: Path, kind: str) -> None:
    opened = open_vectors(write(tmp_path / "vectors", FORMATS[kind]))
    assert kind.startswith(opened.kind)
    assert opened.size == 3
    found = opened.read({"net": 4, "said!": 1, "bank": 9})
    assert set(found) == {"net", "said!"}
    for word, vector in found.items():
        assert vector.dtype == np.float32
        np.testing.assert_array_equal(vector, np.array(WORDS[word], np.float32))


def test_the_binary_format_is_gensims(tmp_path: Path) -> None:
    """A file made byte by byte as word2vec.c writes it: `%s `, the floats, a line end."""
    content = b"2 2\n</s> \x00\x00\x80?\x00\x00\x00\xc0\nnet \x00\x00\x00?\x00\x00\x80\xbf\n"
    found = open_vectors(write(tmp_path / "v.bin", content)).read({"</s>", "net"})
    assert {word: vector.tolist() for word, vector in found.items()} == {"</s>": [1.0, -2.0], "net": [0.5, -1.0]}


def test_words_with_blanks_are_split_from_the_right(tmp_path: Path) -> None:
    content = ". . . 1 2 3\nat name@domain.com 4 5 6\nat 7 8 9\n"
    found = open_vectors(write(tmp_path / "v.txt", content)).read({"at", "."})
    assert {word: vector.tolist() for word, vector in found.items()} == {"at": [7.0, 8.0, 9.0]}


def test_a_number_may_be_a_word(tmp_path: Path) -> None:
    opened = open_vectors(write(tmp_path / "v.txt", "1 0.5 2\n2 0.25 4\n"))
    assert (opened.size, opened.kind) == (2, "GloVe text")
    assert opened.read({"2"})["2"].tolist() == [0.25, 4.0]


def test_words_are_looked_up_as_they_are(tmp_path: Path) -> None:
    content = "Bank 1 2 3\nbank 4 5 6\n"
    assert open_vectors(write(tmp_path / "v.txt", content)).read({"bank"})["bank"].tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("net 1 2 3\nprofit 1 2\n", r"line 2: 2 numbers, line 1 has 3; get the file again, or mend the line"),
        ("net 1 2 3\nprofit 1 2", r"line 2: 2 numbers, line 1 has 3, and the file ends there: it is cut short"),
        ("net 1 2 3\nprofit 1 2 3 4\n", r"line 2: 4 numbers, line 1 has 3"),
        ("net 1 2 3\nnet 4 5 6\n", r"line 2: 'net' is there twice, first line 1; remove one"),
        ("net 1 nan 3\n", r"line 1: the vector of 'net' has numbers that are not finite"),
        ("net 1 1e39 3\n", r"line 1: the vector of 'net' has numbers that are not finite"),
        ("a 1 2 3\nnet 1 2x 3\n", r"line 2: '2x' is not a number; mend the line"),
        ("2 3\nnet 1 2 3\n\nprofit 4 5\n", r"line 4: 2 numbers, the header has 3"),
        ("3 3\nnet 1 2 3\nprofit 4 5 6\n", r"line 3: the file ends behind 2 vectors, the header announces 3"),
        ("1 3\nnet 1 2 3\nprofit 4 5 6\n", r"line 3: a vector behind the 1 that the header announces; mend the header"),
        (binary_of(WORDS, "2 3"), r"byte \d+: the file goes on behind the 2 vectors of 3 numbers"),
        (binary_of(WORDS)[:-3], r"byte \d+: the file ends within vector 3 of 3 of 3 numbers: it is cut short"),
        (binary_of({**WORDS, "profit": [0.0, float("inf"), 1.0]}), r"byte \d+: the vector of 'profit' has numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path / "vectors", content)
    with pytest.raises(UserError, match=f"^{path} {message}") as error:
        open_vectors(path).read({"net", "profit"})
    assert "\n" not in str(error.value)


def test_a_word_that_nobody_asked_for_may_be_there_twice_and_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "v.txt", "the 1 2 3\nthe nan x 3\nnet 1 2 3\n")
    assert set(open_vectors(path).read({"net"})) == {"net"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: neither a header of word2vec nor a word and its vector"),
        (b"words and no numbers\n", r"line 1: neither a header"),
        (b"\x80\x04\x95pickle of something\n", r"line 1: neither a header"),
        (b"\x1f\x8b\x08\x00\x00\x00", r": packed by gzip; unpack it first"),
        (b"PK\x03\x04\x14\x00", r": packed by zip; unpack it first"),
        (b"0 3\n", r"line 1: 0 vectors of 3 numbers"),
        (b"9 99999\n", r"line 1: 9 vectors of 99999 numbers"),
        (b"1000 300\n" + b"net " + bytes(1200), r"line 1: the header announces 1,000 vectors of 300 numbers, at least"),
        (b"999999999999999999999 3\nnet 1 2 3\n", r"line 1: the header announces 999,999,999,999,999,999 vectors"),
    ],
)
def test_what_is_none_is_refused_on_opening(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_vectors(write(tmp_path / "vectors", content))


def test_no_file_and_no_regular_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_vectors(tmp_path / "vectors")
    with pytest.raises(UserError, match="not a regular file"):
        open_vectors(tmp_path)


def test_a_line_without_an_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 64)
    path = write(tmp_path / "v.txt", "net 1 2 3\n" + "x" * 1000)
    with pytest.raises(UserError, match="line 2: longer than 64 bytes"):
        open_vectors(path).read({"net"})


def test_a_header_of_another_width_is_found_out(tmp_path: Path) -> None:
    words = {f"w{number}": [0.5] * 3 for number in range(50)}
    wide = write(tmp_path / "wide", binary_of(words, "50 4"))
    with pytest.raises(UserError, match=r"the header announces|cut short|another width"):
        open_vectors(wide).read({"w1"})
    narrow = write(tmp_path / "narrow", binary_of(words, "50 2"))
    with pytest.raises(UserError, match=r"goes on behind|another width"):
        open_vectors(narrow).read({"w1"})


@pytest.mark.parametrize("binary", [True, False])
def test_memory_is_that_of_the_words_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: bool) -> None:
    monkeypatch.setattr(module, "READ_BYTES", 1 << 16)
    words = {f"word{number}": [float(number), 0.5, 0.25] * 100 for number in range(4000)}
    parts = [f"{len(words)} 300\n".encode()]
    for word, vector in words.items():
        numbers = np.array(vector, "<f4").tobytes() if binary else b" ".join(repr(each).encode() for each in vector)
        parts.append(word.encode() + b" " + numbers + b"\n")
    path = write(tmp_path / "vectors", b"".join(parts))
    told: list[tuple[str, int, int]] = []
    tracemalloc.start()
    found = open_vectors(path).read({"word1", "word3999"}, lambda *call: told.append(call))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["word3999"][:3].tolist() == [3999.0, 0.5, 0.25]
    assert peak < path.stat().st_size / 4
    assert told[-1] == ("word vectors", path.stat().st_size, path.stat().st_size)
    assert len(told) > 10 and [byte for _, byte, _ in told] == sorted(byte for _, byte, _ in told)


def test_the_digest_is_the_contents(tmp_path: Path) -> None:
    one, two = (open_vectors(write(tmp_path / name, text_of(WORDS))) for name in ("one", "two"))
    other = open_vectors(write(tmp_path / "other", text_of({**WORDS, "net": [0.5, -1.25, 3.5]})))
    assert one.digest == two.digest != other.digest
