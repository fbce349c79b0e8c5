"""hedwig-data's corpora: bits, a tab, text; and the statistics of a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli.data import command
from bench.data.hedwig import read
from bench.data.load import Request, open_source
from bench.data.prepare import prepare
from bench.data.statistics import ALL, corpus_rows, statistics, store_rows
from shared.errors import UserError
from shared.store import Store, open_store

TRAIN = [("100", 'a "quoted\ttext" with a tab'), ("010", "two. sentences! here"), ("001", "third"), ("100", "again")]
DEV = [("010", "of dev")]
TEST = [("001", "of test"), ("100", "")]


def write(folder: Path, **files: list[tuple[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        content = "".join(f"{bits}\t{text}\n" for bits, text in rows)
        (folder / f"{name}.tsv").write_bytes(content.encode())
    return folder


def prepared(root: Path, out: Path, **options: object) -> Store:
    return prepare(open_source(Request("hedwig", root, **options)), out, 0, 1).store  # type: ignore[arg-type]


def texts_of(store: Store) -> list[str]:
    assert store.text is not None
    return [store.text[row] for row in range(len(store.text))]


def test_one_label_each_where_every_line_has_one_bit(tmp_path: Path) -> None:
    store = prepared(write(tmp_path / "set", train=TRAIN, dev=DEV, test=TEST), tmp_path / "store")
    store = open_store(store.path, checksums=True)
    assert (store.multi_label, store.classes, store.name) == (False, ["0", "1", "2"], "hedwig")
    assert store.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert store.split_codes.tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert texts_of(store) == [text for _, text in (*TRAIN, *DEV, *TEST)]
    assert store.names[0] == "train.tsv 1"
    assert "1 document without text (first: test.tsv 2)" in store.manifest["notes"]
    assert store.manifest["text"] == {"empty": 1, "cut": []}


@pytest.mark.parametrize(("bits", "number"), [("110", 2), ("000", 0)])
def test_several_labels_where_one_line_has_another_number_of_bits(tmp_path: Path, bits: str, number: int) -> None:
    root = write(tmp_path / "set", train=TRAIN, dev=DEV, test=[(bits, "odd")])
    store = prepared(root, tmp_path / "store")
    assert store.multi_label
    assert store.labels[-1].tolist() == [int(bit) for bit in bits]
    assert store.labels[:-1].sum(1).tolist() == [1] * 5
    note = f"1 line of 6 with another number of bits than one (first: test.tsv 1 has {number})"
    assert any(note in each for each in store.manifest["notes"])


def test_lines_end_where_they_end(tmp_path: Path) -> None:
    root = write(tmp_path / "set", dev=DEV, test=TEST)
    content = "\ufeff10\tone\u2028same\x0bline\r\n01\tno end of a line".encode()
    for name in ("dev", "test"):
        (root / f"{name}.tsv").unlink()
    (root / "train.tsv").write_bytes(content)
    store = prepared(root, tmp_path / "store", val_share=0.0)
    assert texts_of(store) == ["one\u2028same\x0bline", "no end of a line"]


def test_a_corpus_without_dev_has_a_share_of_train_drawn(tmp_path: Path) -> None:
    several = [("11" if row % 3 else "10", f"text {row}") for row in range(40)]
    store = prepared(write(tmp_path / "set", train=several), tmp_path / "store")
    assert len(store.indices("val")) == 4 and store.multi_label
    assert any("10% of train were drawn as val" in note for note in store.manifest["notes"])


def test_a_limit_takes_the_texts_of_its_documents(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=[("10" if row % 2 else "01", f"text {row}") for row in range(50)], dev=DEV[:0])
    whole = prepared(root, tmp_path / "whole", val_share=0.2)
    some = prepared(root, tmp_path / "some", val_share=0.2, limit=10)
    by_name = dict(zip((whole.names[row] for row in range(50)), texts_of(whole), strict=True))
    assert [by_name[some.names[row]] for row in range(10)] == texts_of(some)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"10\ttoo few\n", "2 bits, .*train.tsv line 1 has 3; mend the line"),
        (b"1000\ttoo many\n", "4 bits, .*train.tsv line 1 has 3; mend the line"),
        (b"100 no tab\n", "no tab; a line is the labels' bits, a tab and the text: '100 no tab'"),
        (b"\n", "no tab"),
        (b"1 0\ta blank\n", r"its labels are not bits \(0 and 1\): '1 0'"),
        (b"label\ttext\n", r"its labels are not bits \(0 and 1\): 'label'"),
        (b"\ttext\n", r"its labels are not bits"),
        (b"100\t\xff\xfe\n", r"not UTF-8 text \(byte 4\)"),
    ],
)
@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_a_wrong_line_is_told_with_its_place(tmp_path: Path, name: str, line: bytes, message: str) -> None:
    root = write(tmp_path / "set", train=TRAIN, dev=DEV, test=TEST)
    with (root / f"{name}.tsv").open("ab") as file:
        file.write(line)
    number = {"train": 5, "dev": 2, "test": 3}[name]
    with pytest.raises(
        UserError, match=f"{name}.tsv line {number}: {message.replace('train.tsv line 1', '.* line 1')}"
    ):
        read(root)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "absent")
    write(tmp_path / "Reuters", train=TRAIN)
    with pytest.raises(UserError, match=r"no train.tsv in it; .*for example .*Reuters"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"1 class\(es\) in it"):
        read(write(tmp_path / "one", train=[("1", "a")]))
    with pytest.raises(UserError, match="hedwig takes no --size"):
        CliRunner().invoke(
            command, ["prepare", "hedwig", str(tmp_path), "--out", "x", "--size", "64"], catch_exceptions=False
        )


def test_a_class_that_is_never_in_train(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="label '2' is in test alone, never in train"):
        prepared(write(tmp_path / "set", train=TRAIN[:2], dev=DEV, test=TEST[:1]), tmp_path / "store")


def test_a_file_that_changes_between_the_two_readings(tmp_path: Path) -> None:
    source = open_source(Request("hedwig", write(tmp_path / "set", train=TRAIN, dev=DEV, test=TEST)))
    write(tmp_path / "set", dev=[("010", "other!")])
    with pytest.raises(UserError, match=r"dev.tsv: changed while it was read"):
        prepare(source, tmp_path / "store", 0, 1)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=False)


def test_statistics_of_a_corpus_and_of_its_store_are_the_same(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=TRAIN, dev=DEV, test=[("011", "x. y z. ")])
    store = prepared(root, tmp_path / "store")
    rows = corpus_rows(root)
    assert rows is not None
    found = statistics(rows)
    of_store = {split: totals.cells() for split, totals in statistics(store_rows(store)).items()}
    assert {split: totals.cells() for split, totals in found.items()} == of_store
    assert of_store["train"] == ["4", "3", "1.00", "2.75", "1.25"]
    assert of_store["test"] == ["1", "2", "2.00", "3.00", "2.00"]
    assert of_store[ALL] == ["6", "3", "1.17", f"{16 / 6:.2f}", f"{8 / 6:.2f}"]


def test_info_shows_them(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=TRAIN, dev=DEV, test=TEST)
    shown = invoke("info", root)
    assert shown.exit_code == 0
    assert ["train", "4", "3", "1.00", "2.75", "1.25"] in [line.split() for line in shown.output.splitlines()]
    invoke("prepare", "hedwig", root, "--out", tmp_path / "store")
    of_store = invoke("info", tmp_path / "store", "--check").output
    assert ["train", "4", "3", "1.00", "2.75", "1.25"] in [line.split() for line in of_store.splitlines()]
    with pytest.raises(UserError, match="a corpus that is not prepared takes no --check"):
        invoke("info", root, "--check")
    with pytest.raises(UserError, match="no such store"):
        invoke("info", tmp_path / "absent")


def test_info_of_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "a b. c", "label": "x"}\n{"text": "d", "label": "y"}\n')
    lines = [line.split() for line in invoke("info", path).output.splitlines()]
    assert ["all", "2", "2", "1.00", "2.00", "1.50"] in lines


def test_labels_are_in_the_order_of_the_bits(tmp_path: Path) -> None:
    bits = [f"{1 << (11 - place):012b}" for place in range(12)]
    store = prepared(
        write(tmp_path / "set", train=[(each, f"text {each}") for each in bits]), tmp_path / "store", val_share=0.0
    )
    assert store.classes[10:] == ["10", "11"]
    assert np.array_equal(store.labels, np.arange(12))
