"""The helper that holds a page against its kept text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.host import machine
from bench.host.locations import PROJECT_ROOT
from tests import golden

PAGE = "PyTorch {version} at {time} on {cpu}: {hash} after {seconds} s in {folder}/run, 10.25 [9.75, 11.00]\n"
FIRST = {"version": "2.13.0+cpu", "time": "2026-01-01T00:00:00+00:00", "cpu": "Example CPU", "hash": "0123456789abcdef",
         "seconds": "1.5", "folder": "/folder/a"}  # fmt: skip
SECOND = {"version": "2.12.1", "time": "2026-11-26T16:49:57Z", "cpu": "Another CPU @ 2.00GHz (8)",
          "hash": "fedcba9876543210", "seconds": "12", "folder": "/folder/b"}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kept texts of this test alone, and nothing is rewritten."""
    monkeypatch.setattr(golden, "FOLDER", tmp_path / "golden")
    monkeypatch.delenv(golden.SWITCH, raising=False)
    return tmp_path / "golden"


def page(values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The page of a machine and a day, and its temporary folder."""
    monkeypatch.setattr(machine, "cpu_model", lambda: values["cpu"])
    return PAGE.format(**values), Path(values["folder"])


def test_what_differs_from_run_to_run_does_not_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(golden.SWITCH, "write")
    golden.check("page", *page(FIRST, monkeypatch))
    assert (folder / "page.txt").read_text() == (
        "PyTorch VERSION at TIME on MACHINE: HASH after SECONDS s in TMP/run, 10.25 [9.75, 11.00]\n"
    )
    monkeypatch.delenv(golden.SWITCH)
    golden.check("page", *page(SECOND, monkeypatch))


@pytest.mark.parametrize(("before", "after"), [("after", "before"), ("10.25", "10.26"), ("at", "on"), ("\n", "\nx\n")])
def test_a_changed_word_figure_or_line_fails_with_the_difference(
    folder: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    text, temporary = page(FIRST, monkeypatch)
    monkeypatch.setenv(golden.SWITCH, "write")
    golden.check("page", text, temporary)
    monkeypatch.delenv(golden.SWITCH)
    with pytest.raises(pytest.fail.Exception) as failed:
        golden.check("page", text.replace(before, after, 1), temporary)
    lines = str(failed.value).splitlines()
    assert lines[:2] == ["--- kept: page.txt", "+++ printed now"]
    assert any(line.startswith("+") and after.strip() in line for line in lines[2:])


def test_a_page_of_which_nothing_is_kept_fails(folder: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"{golden.SWITCH}=write"):
        golden.check("page", "a word\n")
    assert not folder.exists()


def test_words_and_figures_are_no_placeholders() -> None:
    text = "defaced facade, 1,234.5 of 12345 pages, 99.2% each, 2 GiB, 24 steps, 0.05 ms\n"
    assert golden.normalised(text) == text
    assert golden.normalised(f"{sys.executable} {PROJECT_ROOT}/bench  \n\n") == "PYTHON CHECKOUT/bench\n"


def test_every_kept_text_is_of_a_page_that_some_test_prints() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    kept = [path.stem for path in golden.FOLDER.iterdir()]
    assert kept
    assert [name for name in kept if f'"{name}"' not in sources] == []
