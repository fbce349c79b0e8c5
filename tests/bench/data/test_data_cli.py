from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

from bench.cli.data import command
from bench.data import load
from bench.data.show import print_summary
from shared.errors import UserError
from shared.store import open_store
from tests import golden
from tests.bench.command import Bench
from tests.bench.data.fake_engines import Fake


def bench_data(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_prepare_then_info(tree: Path, tmp_path: Path) -> None:
    (tree / "memo" / "7.png").write_bytes(b"")
    out = tmp_path / "out"
    made = bench_data("prepare", "folder", tree, "--out", out, "--size", 16, "--split", "0.6,0.2,0.2", "--workers", 1)
    assert made.exit_code == 0
    again = bench_data("prepare", "folder", tree, "--out", out, "--size", 16, "--split", "0.6,0.2,0.2")
    assert again.exit_code == 0
    golden.check("data-prepare-again", again.output, tmp_path)
    sheet = tmp_path / "sheet.png"
    shown = bench_data("info", out, "--check", "--contact-sheet", sheet)
    assert shown.exit_code == 0
    golden.check("data-info", shown.output, tmp_path)
    assert Image.open(sheet).size[0] > 100


def test_info_check_finds_damage(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bench_data("prepare", "folder", tree, "--out", out, "--size", 16, "--workers", 1)
    with (out / "images.u8").open("r+b") as file:
        file.write(b"damage")
    assert bench_data("info", out).exit_code == 0
    with pytest.raises(UserError, match=r"images\.u8: its sha256"):
        bench_data("info", out, "--check")


def test_contact_sheet_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    bench_data("prepare", "folder", tree, "--out", tmp_path / "out", "--size", 16, "--workers", 1)
    with pytest.raises(UserError, match=r"absent/sheet\.png: cannot be written"):
        bench_data("info", tmp_path / "out", "--contact-sheet", tmp_path / "absent" / "sheet.png")


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "mnist", "--out", "x"),
        ("prepare", "synthetic"),
        ("prepare", "synthetic", "--out", "x", "--size", 0),
        ("prepare", "synthetic", "--out", "x", "--workers", 0),
        ("prepare", "synthetic", "--out", "x", "--pages", "many"),
    ],
)
def test_usage_errors(arguments: tuple[object, ...]) -> None:
    assert bench_data(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "synthetic", "--out", "x", "--classes", 17), "--classes 17"),
        (("prepare", "synthetic", "--out", "x", "--split", "1,2"), "--split 1,2"),
        (("prepare", "folder", "absent", "--out", "x"), "absent: no such folder"),
        (("info", "absent"), "absent: no such store"),
    ],
)
def test_user_errors_are_one_line(
    arguments: tuple[object, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        bench_data(*arguments)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_corpus_from_preparation_to_summary(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}" if i else "", "labels": ["ab"[i % 2]]} for i in range(20)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = bench_data("prepare", "corpus", tmp_path / "c.jsonl", "--out", tmp_path / "out")
    assert made.exit_code == 0
    golden.check("data-info-corpus", bench_data("info", tmp_path / "out", "--check").output, tmp_path)
    with pytest.raises(UserError, match="holds no pages; leave --contact-sheet away"):
        bench_data("info", tmp_path / "out", "--contact-sheet", tmp_path / "sheet.png")
    with pytest.raises(UserError, match="corpus takes no --size"):
        bench_data("prepare", "corpus", tmp_path / "c.jsonl", "--out", tmp_path / "x", "--size", 64)


def test_ocr_alone_means_auto_and_its_summary(
    tree: Path, tmp_path: Path, make_page: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def find(name: str, language: str | None) -> Fake:
        asked.append((name, language))
        return Fake(fails_at=37)

    monkeypatch.setattr(load, "find_engine", find)
    make_page(tree / "memo" / "7.png", 0, (40, 37))
    made = bench_data("prepare", "folder", tree, "--out", tmp_path / "out", "--size", 16, "--ocr")
    assert made.exit_code == 0
    assert asked == [("auto", None)]
    store = open_store(tmp_path / "out")
    (failed,) = store.manifest["ocr"]["failed"]
    assert (failed["file"], failed["reason"]) == ("memo/7.png", "ValueError: this is why")
    store.manifest["ocr"]["pages_per_second"] = 12.5
    out = io.StringIO()
    print_summary(store, Console(file=out, width=80))
    golden.check("data-info-ocr", out.getvalue(), tmp_path)
    bench_data(
        "prepare", "folder", tree, "--out", tmp_path / "o", "--size", 16, "--ocr", "tesseract", "--ocr-lang", "x"
    )
    assert asked[1] == ("tesseract", "x")
    plain = bench_data("prepare", "folder", tree, "--out", tmp_path / "p", "--size", 16, "--ocr", "none")
    assert plain.exit_code == 0
    assert "ocr" not in open_store(tmp_path / "p").manifest
    assert len(asked) == 2


def test_nothing_in_a_manifest_acts_on_the_terminal(tmp_path: Path, bench: Bench) -> None:
    bench("data", "prepare", "synthetic", "--pages", "32", "--size", "32", "--out", tmp_path / "store")
    path = tmp_path / "store" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["classes"][:3] = ["\x1b[2J", "a\nb", "[/bold] [old]"]
    manifest["notes"] = ["\x1b]0;title\x07"]
    manifest["rejected"] = [{"file": "\u202ex\x1b[31m", "reason": "[/red]\r"}]
    path.write_text(json.dumps(manifest))
    status, out, _ = bench("data", "info", tmp_path / "store")
    assert status == 0
    assert {c for c in out if not c.isprintable()} == {"\n"}
    for shown in (r"\x1b[2J ", r"a\nb ", "[/bold] [old] ", r"note: \x1b]0;title\x07", r"\u202ex\x1b[31m: [/red]\r"):
        assert shown in out
