"""The OCR stage with an engine of our own: results, failures, limits, kills and restarts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.data.load import Request, open_source
from bench.data.ocr import with_ocr
from bench.data.ocr_journal import OcrJournal, packed
from bench.data.ocr_worker import Reading
from bench.data.page_text import MAX_CHARACTERS, PageText, page_text, plain_text
from bench.data.partial import OCR_JOURNAL, Partial
from bench.data.prepare import Prepared, prepare
from bench.data.source import Source
from shared.errors import UserError
from shared.words import Word, read_words
from tests.bench.data.fake_engines import Fake

MakePage = Callable[..., Path]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def wide_tree(tmp_path: Path, make_page: MakePage) -> Path:
    """Two classes of six pages; page i is 20 + i pixels wide."""
    for c, name in enumerate(("bill", "memo")):
        for i in range(6):
            make_page(tmp_path / "wide" / name / f"{i}.png", i, (40, 20 + 6 * c + i))
    return tmp_path / "wide"


def opened(path: Path) -> Source:
    return open_source(Request("folder", path))


def read(path: Path, out: Path, engine: Fake, seconds: float = 30.0) -> Prepared:
    return prepare(with_ocr(opened(path), engine, seconds), out, 16, workers=2)


def test_text_and_words_of_every_page(wide_tree: Path, tmp_path: Path) -> None:
    (wide_tree / "bill" / "2.png").write_bytes(b"")
    store = read(wide_tree, tmp_path / "out", Fake()).store
    assert store.text is not None
    words = read_words(store)
    assert words is not None
    widths = [20, 21, *range(23, 32)]
    assert [store.text[i] for i in range(11)] == [f"size {width}x40\né" for width in widths]
    assert words.page(2) == [
        Word("size", (0, 0, 500, 100), 90),
        Word("23x40", (500, 0, 1000, 100), 80),  # clipped to the page
        Word("é", (0, 500, 10, 600), 70),
    ]
    facts = store.manifest["ocr"]
    assert facts.pop("pages_per_second") > 0
    assert facts == {
        "engine": "fake", "version": "1", "language": "eng", "failed": [], "empty": 0, "words": 33, "cut": [],
    }  # fmt: skip
    assert not list(tmp_path.glob(".*"))


def test_a_page_that_the_engine_cannot_read_has_no_text(wide_tree: Path, tmp_path: Path) -> None:
    engine = Fake(fails_at=21, hangs_at=23, dies_at=25)
    store = read(wide_tree, tmp_path / "out", engine, seconds=3).store
    assert store.text is not None
    assert store.manifest["ocr"]["failed"] == [
        {"file": "bill/1.png", "reason": "ValueError: this is why"},
        {"file": "bill/3.png", "reason": "took longer than 3 s"},
        {"file": "bill/5.png", "reason": "the process that read it died (exit code 7)"},
    ]
    assert store.manifest["ocr"]["empty"] == 3
    assert [row for row in range(12) if not store.text[row]] == [1, 3, 5]
    assert store.pixels is not None
    assert len(store.pixels) == 12  # the pixels stay
    assert store.manifest["rejected"] == []
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not [command for command in commands if "time.sleep(60)" in command or "spawn_main" in command]


def test_an_engine_that_does_not_start_or_always_dies(wide_tree: Path, tmp_path: Path, make_page: MakePage) -> None:
    with pytest.raises(UserError, match=r"fake cannot be started \(RuntimeError: second line\)"):
        read(wide_tree, tmp_path / "out", Fake(broken=True))
    for path in wide_tree.rglob("*.png"):
        make_page(path, 0, (40, 33))
    with pytest.raises(UserError, match="5 processes died one after another"):
        read(wide_tree, tmp_path / "out", Fake(dies_at=33))
    assert not (tmp_path / "out").exists()


def test_another_engine_is_another_store_another_limit_is_not(wide_tree: Path, tmp_path: Path) -> None:
    plain = opened(wide_tree)
    prints = {with_ocr(plain, engine).fingerprint(16) for engine in (Fake(), Fake(version="2"), Fake(language="fra"))}
    assert len(prints | {plain.fingerprint(16)}) == 4
    assert with_ocr(plain, Fake(), 1.0).fingerprint(16) == with_ocr(plain, Fake(), 2.0).fingerprint(16)
    first = read(wide_tree, tmp_path / "out", Fake(), seconds=30)
    assert read(wide_tree, tmp_path / "out", Fake(), seconds=20).existed
    with pytest.raises(UserError, match=r"12 documents, OCR fake; asked for: folder, 16 pixels, 12 documents\)"):
        prepare(plain, tmp_path / "out", 16)
    assert first.store.digest != prepare(plain, tmp_path / "plain", 16).store.digest


def start_slow(folder: Path, out: Path, hangs_at: int) -> subprocess.Popen[bytes]:
    code = "from tests.bench.data import fake_engines as f; "
    call = f"f.prepare_slowly({str(folder)!r}, {str(out)!r}, {hangs_at})"
    body = f"{code}\nif __name__ == '__main__': {call}"
    return subprocess.Popen([sys.executable, "-c", body], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def test_killed_half_way_then_continued_page_by_page(tmp_path: Path, make_page: MakePage) -> None:
    for c, name in enumerate(("bill", "memo")):
        for i in range(20):
            make_page(tmp_path / "tree" / name / f"{i}.png", i, (40, 20 + 20 * c + i))
    out = tmp_path / "out"
    journal = Partial(out).root / OCR_JOURNAL
    process = start_slow(tmp_path / "tree", out, hangs_at=20)  # one reader waits for a program that does not end
    try:
        deadline = time.monotonic() + 60
        while not journal.exists() or journal.read_bytes().count(b"\n") < 7:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        commands = [" ".join(child.cmdline()) for child in children]
    finally:
        process.kill()
        process.wait()
    assert [command for command in commands if "time.sleep(60)" in command]
    assert not psutil.wait_procs(children, timeout=60)[1]
    assert not out.exists()
    with journal.open("ab") as file:
        file.write(b'0badc0de [39,null,"gar')  # as a crash leaves it
    prepared = read(tmp_path / "tree", out, Fake())  # its speed is no part of what the store is
    assert prepared.num_resumed == 40
    assert 5 <= prepared.num_read_before < 40
    undisturbed = read(tmp_path / "tree", tmp_path / "undisturbed", Fake()).store
    assert prepared.store.digest == undisturbed.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "tree", "undisturbed"]


def test_the_journal_passes_over_what_is_damaged(tmp_path: Path) -> None:
    readings = [Reading(slot, PageText(f"text {slot}\né", [[0, 4, 1, 2, 3, 4, 5]], 8), None) for slot in range(4)]
    lines = [packed(reading) for reading in readings]
    lines[1] = lines[1].replace(b"text", b"fext")
    path = tmp_path / "ocr.jsonl"
    path.write_bytes(b"\n" + b"".join(lines[:3]) + lines[3][:-5])
    journal = OcrJournal(path)
    assert sorted(journal.places) == [0, 2]
    with journal.appending() as note:
        note(readings[1])
        note(Reading(3, PageText("", [], 0), "why"))
    failed = Reading(3, PageText("", [], 0), "why")
    assert list(journal.read([3, 2, 1, 0])) == [failed, readings[2], readings[1], readings[0]]
    later = OcrJournal(path)
    assert list(later.read([2, 1, 0])) == [readings[2], readings[1], readings[0]]
    assert 3 not in later.places  # it is tried again


def test_progress_counts_pages_of_both_stages(wide_tree: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    prepare(with_ocr(opened(wide_tree), Fake()), tmp_path / "out", 16, 1, lambda *now: told.append(now))
    assert [done for what, done, _ in told if what == "OCR"] == list(range(13))


def test_a_megabyte_of_words_is_cut() -> None:
    found = page_text([[Word("é" * 99, (0, 0, 1, 1), 50)] for _ in range(12_000)])
    assert found.cut
    assert len(found.text) == len(found.words) * 100 - 1 == MAX_CHARACTERS - 1
    assert found.words[-1][1] == len(found.text.encode())
    assert found.length == 12_000 * 100 - 1
    assert plain_text("x" * MAX_CHARACTERS).cut is False
    assert plain_text("x" * (MAX_CHARACTERS + 1)) == PageText("x" * MAX_CHARACTERS, [], MAX_CHARACTERS + 1)


def test_words_are_bytes_of_the_text() -> None:
    lines = [["שלום", "文書"], [" ", "", "\ud800x"], ["a b\t\nc", "é"]]
    found = page_text([[Word(text, (-5, 0, 2000, 7), 150) for text in line] for line in lines])
    assert found.text == "שלום 文書\n?x\na b c é"
    data = found.text.encode()
    assert [data[row[0] : row[1]].decode() for row in found.words] == ["שלום", "文書", "?x", "a b c", "é"]
    assert found.words[0][2:] == [0, 0, 1000, 7, 100]
    spans, boxes, confidence = found.arrays()
    assert (spans.shape, boxes.shape, confidence.shape) == ((5, 2), (5, 4), (5,))
