from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.load import Request, open_source
from bench.data.source import Source
from bench.data.sources import TOBACCO_CLASSES
from shared.errors import UserError

MakePage = Callable[..., Path]


def opened(kind: str, path: Path | None, **options: Any) -> Source:
    return open_source(Request(kind, path, **options))


@pytest.fixture
def rvl(tmp_path: Path, make_page: MakePage) -> Path:
    """RVL-CDIP's layout with a page a class in training, and one page each in val and test."""
    root = tmp_path / "rvl"
    (root / "labels").mkdir(parents=True)
    lines: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for label in range(16):
        make_page(root / "images" / "imagesa" / f"{label} x.tif", label)
        lines["train"].append(f"imagesa/{label} x.tif {label}")
    for split in ("val", "test"):
        make_page(root / "images" / f"{split}.tif")
        lines[split].append(f"{split}.tif 3")
    for split, content in lines.items():
        (root / "labels" / f"{split}.txt").write_text("\n".join(content) + "\n")
    return root


def test_rvl_cdip_layout(rvl: Path) -> None:
    source = opened("rvl-cdip", rvl)
    assert source.classes[0] == "letter"
    assert source.classes[15] == "memo"
    assert [page.split for page in source.pages] == ["train"] * 16 + ["val", "test"]
    assert [page.label for page in source.pages] == [*range(16), 3, 3]
    assert source.pages[2].name == "imagesa/2 x.tif"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("absent.tif 3", r"val\.txt line 3: no such file: .*absent\.tif"),
        ("val.tif 16", r"val\.txt line 3: label 16 is out of range"),
        ("val.tif -1", r"val\.txt line 3: expected `path label`"),
        ("val.tif", r"val\.txt line 3: expected `path label`"),
        ("imagesa 3", r"val\.txt line 3: not a file"),
        ("test.tif 3", r"test\.txt line 1: test\.tif is named before, by .*val\.txt line 3"),
    ],
)
def test_rvl_cdip_bad_lines_are_named(rvl: Path, line: str, message: str) -> None:
    with (rvl / "labels" / "val.txt").open("a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(UserError, match=message):
        opened("rvl-cdip", rvl)


def test_rvl_cdip_without_a_label_file(rvl: Path) -> None:
    (rvl / "labels" / "test.txt").unlink()
    with pytest.raises(UserError, match=r"test\.txt: no such file"):
        opened("rvl-cdip", rvl)


def test_own_split_refuses_another(rvl: Path) -> None:
    with pytest.raises(UserError, match="has its own split"):
        opened("rvl-cdip", rvl, split=(0.8, 0.1, 0.1))


def test_limit_keeps_all_classes(rvl: Path) -> None:
    source = opened("rvl-cdip", rvl, limit=17)
    assert len(source.pages) == 17


def test_folder(tree: Path) -> None:
    (tree / ".hidden").mkdir()
    source = opened("folder", tree)
    assert source.classes == ["bill", "letter", "memo"]
    assert len(source.pages) == 30
    assert {page.split for page in source.pages} == {"train", "val", "test"}
    assert source.pages[0].name == "bill/0.png"


@pytest.mark.parametrize("kind", ["rvl-cdip", "tobacco3482", "folder"])
def test_missing_or_empty_folder(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        opened(kind, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="folder is empty"):
        opened(kind, tmp_path / "empty")


def test_one_class_or_a_class_without_pages(tmp_path: Path, make_page: MakePage) -> None:
    make_page(tmp_path / "set" / "only" / "a.png")
    with pytest.raises(UserError, match="1 class folder"):
        opened("folder", tmp_path / "set")
    (tmp_path / "set" / "vacant").mkdir()
    with pytest.raises(UserError, match="vacant: a class without a page"):
        opened("folder", tmp_path / "set")


def test_tobacco3482(tmp_path: Path, make_page: MakePage) -> None:
    for name in TOBACCO_CLASSES:
        make_page(tmp_path / "set" / name / "a.jpg")
    assert opened("tobacco3482", tmp_path / "set").classes == TOBACCO_CLASSES
    (tmp_path / "set" / "Note").rename(tmp_path / "set" / "Notes")
    with pytest.raises(UserError, match="missing: Note;"):
        opened("tobacco3482", tmp_path / "set")


def write_index(tree: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = tree / f"index{suffix}"
    if suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_index(tree: Path, suffix: str, tmp_path: Path) -> None:
    rows = [{"file": f"{name}/{i}.png", "label": name} for name in ("memo", "bill") for i in range(3)]
    source = opened("index", write_index(tree, suffix, rows))
    assert source.classes == ["bill", "memo"]
    assert [page.label for page in source.pages] == [1, 1, 1, 0, 0, 0]
    moved = tmp_path / f"moved{suffix}"
    write_index(tree, suffix, rows).rename(moved)
    assert opened("index", moved, root=tree).pages == source.pages


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_index_with_splits_and_numbers_as_labels(tree: Path, suffix: str) -> None:
    rows = [{"file": f"memo/{i}.png", "label": 8 + i % 3, "split": "val" if i % 2 else "train"} for i in range(6)]
    source = opened("index", write_index(tree, suffix, rows))
    assert source.classes == ["8", "9", "10"]
    assert [page.split for page in source.pages] == ["train", "val"] * 3


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"file": "memo/absent.png", "label": "b"}, r"line \d: no such file: .*absent\.png"),
        ({"file": "memo/1.png", "label": ""}, r"line \d: no `label`"),
        ({"file": "memo/0.png", "label": "b"}, r"line \d: memo/0\.png is named before"),
        ({"file": "memo/1.png", "label": "a"}, r"1 label\(s\) in it"),
    ],
)
def test_bad_index_rows(tree: Path, suffix: str, second: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened("index", write_index(tree, suffix, [{"file": "memo/0.png", "label": "a"}, second]))


def test_bad_index_splits(tree: Path) -> None:
    first = {"file": "memo/0.png", "label": "a", "split": "train"}
    for split, message in (("dev", "unknown split 'dev'"), ("", "split in some rows")):
        path = write_index(tree, ".csv", [first, {"file": "memo/1.png", "label": "b", "split": split}])
        with pytest.raises(UserError, match=message):
            opened("index", path)


def test_bad_index_files(tree: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        opened("index", tree / "absent.csv")
    for name, content, message in (
        ("index.txt", b"file,label\n", "ends in .csv or .jsonl"),
        ("index.jsonl", b"{\n", "line 1: not JSON"),
        ("index.jsonl", b"[1]\n", "line 1: expected an object"),
        ("index.jsonl", b'{"file": "a", "label": "b"}\n\xff\n', r"line 2: not UTF-8 text \(byte 0\)"),
        ("index.csv", b"file,label\n\xff,a\n", "not a readable CSV"),
        ("index.csv", b"", r"0 label\(s\)"),
        ("index.csv", b"name,class\na,b\n", "line 1: no `file` in the header"),
    ):
        (tree / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            opened("index", tree / name)


@pytest.mark.parametrize(
    ("kind", "path", "options", "message"),
    [
        ("synthetic", Path("x"), {}, "takes no PATH"),
        ("synthetic", None, {"limit": 3}, "takes no --limit"),
        ("folder", Path("x"), {"pages": 3}, "takes no --pages"),
        ("folder", Path("x"), {"classes": 3}, "takes no --classes"),
        ("folder", Path("x"), {"root": Path("y")}, "takes no --root"),
        ("folder", None, {}, "needs a PATH"),
    ],
)
def test_options_that_a_source_has_no_use_for(
    kind: str, path: Path | None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        opened(kind, path, **options)


def test_fingerprint_follows_the_content_not_the_place(tree: Path, tmp_path: Path, make_page: MakePage) -> None:
    before = opened("folder", tree).fingerprint(16)
    assert opened("folder", tree).fingerprint(32) != before
    assert opened("folder", tree, seed=1).fingerprint(16) != before
    moved = tree.rename(tmp_path / "moved")
    assert opened("folder", moved).fingerprint(16) == before
    make_page(moved / "memo" / "3.png", 999, (20, 20))
    assert opened("folder", moved).fingerprint(16) != before
