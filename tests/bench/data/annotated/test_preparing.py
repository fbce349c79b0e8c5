"""What holds for all annotated data sets: the options that they take, and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli.data import command
from bench.data.load import ANNOTATED, KINDS
from bench.data.prepare import prepare
from shared.errors import UserError
from shared.store import open_store
from tests.bench.data.annotated.makers import opened, put, put_image, refused


def test_every_reader_is_a_kind() -> None:
    assert set(ANNOTATED) < set(KINDS)


@pytest.mark.parametrize("kind", ANNOTATED)
@pytest.mark.parametrize(
    "options",
    [{"ocr": "auto"}, {"ocr": "txt"}, {"root": Path("x")}, {"pages": 3}, {"classes": 3}, {"file_pages": "first"}],
)
def test_options_without_an_effect_are_refused(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    assert f"{kind} takes no --{next(iter(options)).removeprefix('file_')}" in refused(kind, tmp_path, **options)


@pytest.mark.parametrize("kind", ANNOTATED)
def test_a_path_is_needed(kind: str, tmp_path: Path) -> None:
    assert "no such folder" in refused(kind, tmp_path / "absent")
    assert "the folder is empty" in refused(kind, tmp_path)
    with pytest.raises(UserError, match="needs a PATH"):
        opened(kind, None)  # type: ignore[arg-type]


@pytest.fixture
def cord(tmp_path: Path) -> Path:
    root = tmp_path / "cord"
    for number, folder in enumerate(("train", "dev", "test")):
        meta = {"image_size": {"width": 100, "height": 200}}
        put(root / folder / "json" / "1.json", {"valid_line": [], "meta": meta, "roi": {}})
        put_image(root / folder / "image" / "1.png", seed=number)
    return root


def test_splits_that_are_there_are_kept(cord: Path) -> None:
    assert "has its own split; leave --split away" in refused("cord", cord, split=(0.8, 0.1, 0.1))
    assert "has its own val documents; leave --val-share away" in refused("cord", cord, val_share=0.1)
    assert len(opened("cord", cord, limit=1).pages) == 1
    assert opened("cord", cord, ocr="none").name == "cord"


def test_the_command(cord: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    arguments = ["prepare", "cord", str(cord), "--out", str(out), "--size", "16", "--workers", "1"]
    made = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert made.exit_code == 0
    store = open_store(out)
    assert store.classes == ["cord"] and store.manifest["annotation_notes"] == ["documents without a word: 3"]
    with pytest.raises(UserError, match="kleister-nda takes no --size"):
        CliRunner().invoke(
            command, ["prepare", "kleister-nda", "x", "--out", "y", "--size", "16"], catch_exceptions=False
        )


def test_pages_that_failed_are_tried_again(cord: Path, tmp_path: Path) -> None:
    word = {"quad": {f"{axis}{corner}": 10 * corner for axis in "xy" for corner in range(1, 5)}, "text": "Nasi"}
    meta = {"image_size": {"width": 100, "height": 200}}
    lines = [{"category": "menu.nm", "words": [word]}]
    put(cord / "train" / "json" / "1.json", {"valid_line": lines, "meta": meta, "roi": {}})
    put(cord / "test" / "image" / "1.png", b"no image")
    source = opened("cord", cord)
    first = prepare(source, tmp_path / "store", 16, workers=1)
    again = prepare(source, tmp_path / "store", 16, workers=1, retry_failed=True)
    assert first.num_failed == again.num_failed == 1
    assert (first.num_rendered, again.num_rendered) == (3, 1)
    assert again.store.digest == first.store.digest
