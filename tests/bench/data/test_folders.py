"""Folders: which are classes, which are splits, and what else lies in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bench.data.folders import is_litter
from bench.data.load import Request, open_source
from bench.data.prepare import prepare
from bench.data.source import Source
from bench.data.sources import RVL_CDIP_CLASSES, TOBACCO_CLASSES
from shared.errors import UserError

MakePage = Callable[..., Path]
Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path, make_page: MakePage) -> Fill:
    """Make folders of two pages each."""

    def make(folders: Iterable[str], root: str = "set") -> Path:
        for number, folder in enumerate(folders):
            for i in range(2):
                make_page(tmp_path / root / folder / f"{i}.png", 10 * number + i)
        return tmp_path / root

    return make


def opened(path: Path, kind: str = "folder", val_share: float | None = None) -> Source:
    return open_source(Request(kind, path, val_share=val_share))


def splits_of(source: Source) -> dict[str, str]:
    return {page.name: page.split for page in source.pages}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "Valid", "TEST"),
        ("training", "validation", "testing"),
        ("train", "dev", "eval"),
    ],
)
def test_split_folders_are_splits(names: tuple[str, ...], fill: Fill) -> None:
    source = opened(fill(f"{split}/{label}" for split in names for label in ("memo", "letter")))
    assert source.classes == ["letter", "memo"]
    wanted = dict(zip(names, ("train", "val", "test"), strict=True))
    assert all(split == wanted[name.split("/")[0]] for name, split in splits_of(source).items())
    assert len(source.pages) == 12
    assert source.notes[0].startswith(f"folders taken as splits: {names[0]}/ is train, {names[1]}/ is val, ")
    with pytest.raises(UserError, match="has its own split"):
        open_source(Request("folder", source.path and Path(source.path), split=(0.8, 0.1, 0.1)))


def test_a_missing_val_is_drawn_from_train(fill: Fill) -> None:
    path = fill(f"{split}/{label}" for split in ("train", "test") for label in ("memo", "letter"))
    source = opened(path, val_share=0.5)
    assert list(splits_of(source).values()).count("val") == 2
    assert all(split == "test" for name, split in splits_of(source).items() if name.startswith("test/"))
    assert "the data set has no val: 50% of train were drawn as val (--val-share)" in source.notes
    assert "val" not in splits_of(opened(path, val_share=0.0)).values()
    with pytest.raises(UserError, match="has no split of its own"):
        opened(fill(("memo", "letter"), "plain"), val_share=0.5)


def test_a_class_that_a_split_lacks(fill: Fill) -> None:
    with pytest.raises(UserError, match="label 'budget' is in test alone, never in train"):
        opened(fill(("train/memo", "train/letter", "test/memo", "test/budget")))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train/a", "train/b", "test/a", "memo/a"), "test, train look like splits, but beside them is memo"),
        (("val/a", "val/b", "test/a", "test/b"), "look like splits, and none of them is train"),
        (("train/a", "val/a", "valid/a"), "look like splits, and two of them are val"),
        (("train", "test"), "look like splits, but test has no class folders"),
        (("fold1/a", "fold1/b", "fold2/a"), "fold1, fold2 look like parts of a data set"),
        (("Fold_1", "Fold_2"), "look like parts of a data set"),
        (("part-1/a", "part-1/b", "part-2/a", "part-2/b"), "look like parts of a data set"),
        (("outer/memo", "outer/letter"), r"1 class folder\(s\).*; its one folder holds 2 more: give .*outer"),
    ],
)
def test_folders_that_only_look_like_classes(folders: tuple[str, ...], message: str, fill: Fill) -> None:
    with pytest.raises(UserError, match=message):
        opened(fill(folders))


@pytest.mark.parametrize(
    "folders",
    [
        ("memo", "letter", "test"),
        ("train", "ship"),
        ("part1", "part2"),
        ("a/2001", "a/2002", "b/2001"),
        ("test", "dev-kit"),
    ],
)
def test_classes_of_odd_names(folders: tuple[str, ...], fill: Fill) -> None:
    assert opened(fill(folders)).classes == sorted({name.split("/")[0] for name in folders})


def test_layouts_given_under_another_name(fill: Fill, tmp_path: Path, make_page: MakePage) -> None:
    rvl = tmp_path / "rvl"
    (rvl / "labels").mkdir(parents=True)
    make_page(rvl / "images" / "a.png")
    for split in ("train", "val", "test"):
        (rvl / "labels" / f"{split}.txt").write_text("")
    with pytest.raises(UserError, match="RVL-CDIP's layout: `bench data prepare rvl-cdip`"):
        opened(rvl)
    with pytest.raises(UserError, match="RVL-CDIP has images/ and labels/; for a folder per class see `folder`"):
        opened(fill(("memo", "letter")), "rvl-cdip")
    (tmp_path / "wrapped").mkdir()
    rvl.rename(tmp_path / "wrapped" / "rvl")
    with pytest.raises(UserError, match=r"its one folder holds 2 more: give .*wrapped/rvl"):
        opened(tmp_path / "wrapped", "rvl-cdip")
    fill(TOBACCO_CLASSES, "zip/Tobacco3482-jpg")
    with pytest.raises(UserError, match=r"are missing: .*; its one folder holds 10 more: give .*Tobacco3482-jpg"):
        opened(tmp_path / "zip", "tobacco3482")
    make_page(tmp_path / "zip" / "Tobacco3482-jpg" / "Extra" / "a.png")
    source = opened(tmp_path / "zip" / "Tobacco3482-jpg", "tobacco3482")
    assert source.classes == TOBACCO_CLASSES
    assert "not taken: 1 file or folders beside the class folders (Extra)" in source.notes


def test_label_files_with_tabs_and_other_digits(tmp_path: Path, make_page: MakePage) -> None:
    make_page(tmp_path / "images" / "a b.png")
    (tmp_path / "labels").mkdir()
    for split, line in (("train", "a b.png\t3"), ("val", ""), ("test", "")):
        (tmp_path / "labels" / f"{split}.txt").write_text(line)
    page = opened(tmp_path, "rvl-cdip").pages[0]
    assert (page.name, page.label, RVL_CDIP_CLASSES[3]) == ("a b.png", 3, "handwritten")
    (tmp_path / "labels" / "val.txt").write_text("a b.png \u0663")
    with pytest.raises(UserError, match=r"val\.txt line 1: expected `path label`"):
        opened(tmp_path, "rvl-cdip")


def test_what_operating_systems_leave_is_passed_over_and_counted(fill: Fill) -> None:
    root = fill(("memo", "letter"))
    for name in ("Thumbs.db", ".DS_Store", "._0.png", "~$memo.doc", "desktop.ini"):
        (root / "memo" / name).write_bytes(b"x")
    for name in ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints", ".git"):
        (root / name / "inside").mkdir(parents=True)
    (root / "readme.txt").write_text("x")
    source = opened(root)
    assert source.classes == ["letter", "memo"]
    assert len(source.pages) == 4
    assert any(
        note.startswith("passed over: 10 files or folders that operating systems leave") for note in source.notes
    )
    assert "not taken: 1 file or folders beside the class folders (readme.txt)" in source.notes
    assert not is_litter("page.tif")
    assert not is_litter("thumbs.db.png")


def test_what_is_neither_file_nor_folder_is_rejected(fill: Fill, tmp_path: Path) -> None:
    root = fill(("memo", "letter"))
    os.mkfifo(root / "memo" / "pipe.png")
    (root / "memo" / "lost.png").symlink_to("/not/mounted/1.png")
    (root / "memo" / "inner").mkdir()
    (root / "memo" / "inner" / "up").symlink_to("..")
    (root / "letter" / "around.png").symlink_to("around.png")
    (root / "letter" / "deep").mkdir()
    store = prepare(opened(root), tmp_path / "out", 8, workers=1).store
    assert {entry["file"]: entry["reason"] for entry in store.manifest["rejected"]} == {
        "memo/pipe.png": "a named pipe, not a file",
        "memo/lost.png": "a link to nothing: /not/mounted/1.png",
        "memo/inner/up": "a folder that a link leads back to",
        "letter/around.png": "a loop of links",
    }
    assert len(store.labels) == 4


def test_a_class_that_leads_nowhere(fill: Fill) -> None:
    root = fill(("memo", "letter"))
    (root / "invoice").symlink_to("/not/mounted/invoice")
    with pytest.raises(UserError, match="invoice: a link that cannot be followed"):
        opened(root)


def test_a_class_by_a_link(fill: Fill) -> None:
    root = fill(("memo", "letter"))
    elsewhere = fill(("budget",), "elsewhere")
    (root / "budget").symlink_to(elsewhere / "budget")
    assert opened(root).classes == ["budget", "letter", "memo"]


def test_names_that_utf8_cannot_hold(fill: Fill, tmp_path: Path) -> None:
    root = fill(("memo", "letter"))
    for number in (0, 1):
        (root / "memo" / f"{number}.png").rename(root / "memo" / os.fsdecode(b"f%cnf.png" % (0xFC + number)))
    (root / "memo" / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    store = prepare(opened(root), tmp_path / "out", 8, workers=1).store
    assert [store.names[row] for row in (2, 3)] == ["memo/f\\udcfcnf.png", "memo/f\\udcfdnf.png"]
    assert store.manifest["rejected"] == [{"file": "memo/\\udcff.txt", "reason": "zero bytes"}]
    assert prepare(opened(root), tmp_path / "out", 8, workers=1).existed
    (root / "letter").rename(root / os.fsdecode(b"l\xe9tter"))
    with pytest.raises(UserError, match="cannot be shown") as caught:
        opened(root)
    assert str(caught.value).isprintable()


def test_folders_that_are_the_same_class(fill: Fill) -> None:
    with pytest.raises(UserError, match=r"the folders .* are the same class 'm\u00e9mo'"):
        opened(fill(("m\u00e9mo", "me\u0301mo", "letter")))
    composed = fill(("train/m\u00e9mo", "train/letter", "test/me\u0301mo", "test/letter"), "other")
    assert opened(composed).classes == ["letter", "m\u00e9mo"]
