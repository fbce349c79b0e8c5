from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from bench.data.annotated.kleister import dates_of
from bench.data.prepare import prepare
from shared.store import WORD_TAGS
from shared.words import read_words
from tests.bench.data.annotated.makers import notes, opened, put, read, refused, tags

TEXT = (
    r"NDA of May 1, 2014\nbetween Acme, Inc. and\f ACME INC and Bo \\ Co.\n\n"
    r"laws of the State of New\nYork; for two (2) years"
)
VALUES = "effective_date=2014-05-01 jurisdiction=New_York party=Acme_Inc. party=Bo_\\_Co. party=Zed term=2_years\n"
HEADER = "filename\tkeys\ttext_tesseract\ttext_best\ttext_other\n"


def row(name: str, *texts: str) -> str:
    return "\t".join([name, "effective_date jurisdiction party term", *texts]) + "\n"


@pytest.fixture
def kleister(tmp_path: Path) -> Path:
    root = tmp_path / "kleister"
    put(
        root / "train" / "in.tsv.xz",
        lzma.compress(row("a.pdf", "early", TEXT).encode() + row("b.pdf", "only", "").encode()),
    )
    put(root / "train" / "expected.tsv", VALUES + "\n")
    put(root / "dev-0" / "in.tsv", row("c.pdf", 'a "quote'))
    put(root / "dev-0" / "expected.tsv", "term=5_years\n")
    put(root / "test-A" / "in.tsv", row("d.pdf", "text"))
    put(root / "test-A" / "expected.tsv", "\n")
    return root


def test_values_are_found_wherever_they_stand(kleister: Path) -> None:
    source = opened("kleister-nda", kleister)
    assert source.render is None
    assert [(page.name, page.split) for page in source.pages] == [
        ("train/a.pdf", "train"),
        ("train/b.pdf", "train"),
        ("dev-0/c.pdf", "val"),
        ("test-A/d.pdf", "test"),
    ]
    found = read(source)
    assert tags(found) == [
        [("NDA", "O"), ("of", "O"), ("May", "B-effective_date"),
         ("1,", "I-effective_date"), ("2014", "I-effective_date")],
        [("between", "O"), ("Acme,", "B-party"), ("Inc.", "I-party"), ("and", "O")],
        [
            ("ACME", "B-party"), ("INC", "I-party"), ("and", "O"),
            ("Bo", "B-party"), ("\\", "I-party"), ("Co.", "I-party"),
        ],
        [],
        [("laws", "O"), ("of", "O"), ("the", "O"), ("State", "O"), ("of", "O"), ("New", "B-jurisdiction")],
        [("York;", "I-jurisdiction"), ("for", "O"), ("two", "B-term"), ("(2)", "I-term"), ("years", "I-term")],
    ]  # fmt: skip
    assert {word.box for line in found.lines for word in line} == {(0, 0, 0, 0)}
    assert notes(found) == {
        "documents whose words have no places": 1,
        "effective_date: found in the text": 1,
        "jurisdiction: found in the text": 1,
        "party: found in the text": 2,
        "party: not in the text": 1,
        "term: found in the text": 1,
    }
    assert tags(read(source, 1)) == [[("only", "O")]]  # the last text that is not empty
    assert notes(read(source, 2))["term: not in the text"] == 1
    assert tags(read(source, 2)) == [[("a", "O"), ('"quote', "O")]]


def test_the_best_text_is_taken_where_a_header_names_it(kleister: Path) -> None:
    put(kleister / "in-header.tsv", HEADER)
    for folder, name in (("train", "ab"), ("dev-0", "c"), ("test-A", "d")):
        put(kleister / folder / "in.tsv", "".join(row(f"{each}.pdf", "first", "best", "last") for each in name))
    assert tags(read(opened("kleister-nda", kleister))) == [[("best", "O")]]


def test_a_longer_value_goes_before_its_part(kleister: Path) -> None:
    put(kleister / "dev-0" / "in.tsv", row("c.pdf", "Acme Holding of Acme"))
    put(kleister / "dev-0" / "expected.tsv", "party=Acme party=Acme_Holding\n")
    words = ["B-party", "I-party", "O", "B-party"]
    assert [tag for _, tag in tags(read(opened("kleister-nda", kleister), 2))[0]] == words


@pytest.mark.parametrize(
    "text",
    [
        "May 1, 2014", "MAY 01, 2014", "1 May 2014", "May 1st, 2014", "1st day of May, 2014", "1st day of May 2014",
        "05/01/2014", "5/1/2014", "5/1/14", "2014-05-01", "(May 1, 2014)",
    ],
)  # fmt: skip
def test_spellings_of_a_date(kleister: Path, text: str) -> None:
    put(kleister / "dev-0" / "in.tsv", row("c.pdf", f"dated {text} by"))
    put(kleister / "dev-0" / "expected.tsv", "effective_date=2014-05-01\n")
    found = [tag for _, tag in tags(read(opened("kleister-nda", kleister), 2))[0]]
    assert found == ["O", "B-effective_date", *["I-effective_date"] * (len(text.split()) - 1), "O"]


def test_a_date_that_is_none_is_looked_for_as_it_is() -> None:
    assert dates_of("2014-13-45") == ["2014-13-45"]
    assert "november22nd2014" in dates_of("2014-11-22") and "november12th2014" in dates_of("2014-11-12")


@pytest.mark.parametrize(
    ("value", "text", "is_found"),
    [
        ("36_months", "thirty-six (36) months", True), ("20_years", "twenty year", True),
        ("5_years", "five-year", True),
        ("5_years", "15 years", False), ("indefinite", "indefinite", True), ("100_years", "100 years", True),
    ],
)  # fmt: skip
def test_spellings_of_a_term(kleister: Path, value: str, text: str, is_found: bool) -> None:
    put(kleister / "dev-0" / "in.tsv", row("c.pdf", text))
    put(kleister / "dev-0" / "expected.tsv", f"term={value}\n")
    assert ("term: found in the text" in notes(read(opened("kleister-nda", kleister), 2))) is is_found


def test_the_store_has_words_and_tags_and_no_pages(kleister: Path, tmp_path: Path) -> None:
    store = prepare(opened("kleister-nda", kleister), tmp_path / "store", 16, workers=1).store
    words = read_words(store)
    assert store.pixels is None and words is not None
    assert len(np.load(store.path / WORD_TAGS)) == len(words.boxes)
    assert "documents whose words have no places: 4" in store.manifest["annotation_notes"]


def test_a_test_without_values_is_left_out(kleister: Path) -> None:
    (kleister / "test-A" / "expected.tsv").unlink()
    source = opened("kleister-nda", kleister)
    assert [page.split for page in source.pages] == ["train", "train", "val"]
    assert source.notes == ["test-A/ has no expected.tsv: its documents are left out"]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("train/expected.tsv", "term=2_years\n", ("expected.tsv: 1 lines, 2 documents",)),
        ("train/expected.tsv", "term\n\n", ("expected.tsv line 1: expected key=value", "got 'term'")),
        ("train/expected.tsv", "\ncolour=red\n", ("expected.tsv line 2", "got 'colour=red'")),
        ("train/in.tsv.xz", b"no xz", ("in.tsv.xz: not a text packed by xz",)),
        ("train/in.tsv.xz", lzma.compress(b"\xff"), ("in.tsv.xz: not a text packed by xz",)),
        ("train/in.tsv.xz", lzma.compress(b"a\tb\tc\n")[:-9], ("in.tsv.xz: not a text packed by xz",)),
        ("dev-0/in.tsv", "c.pdf\tkeys\n", ("in.tsv line 1: 2 columns",)),
        ("in-header.tsv", HEADER, ("in.tsv line 1: 3 columns",)),
        ("dev-0/in.tsv", row("c.pdf", "x") * 2, ("1 lines, 2 documents",)),
    ],
)
def test_tables_that_are_refused(kleister: Path, name: str, content: str | bytes, parts: tuple[str, ...]) -> None:
    put(kleister / name, content)
    message = refused("kleister-nda", kleister)
    assert all(part in message for part in parts), message


def test_documents_that_are_there_twice_or_not_at_all_are_refused(kleister: Path) -> None:
    put(kleister / "train" / "in.tsv.xz", lzma.compress(row("a.pdf", "x").encode() * 2))
    assert "in.tsv.xz line 2: train/a.pdf is named before" in refused("kleister-nda", kleister)
    (kleister / "dev-0" / "in.tsv").unlink()
    (kleister / "train" / "in.tsv.xz").unlink()
    assert "in.tsv: no such file" in refused("kleister-nda", kleister)
    assert "train/, dev-0/ and test-A/" in refused("kleister-nda", kleister / "train")
