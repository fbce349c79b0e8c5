"""`bench report` as typed: what it writes where, and one line for everything a user can get wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from tests import golden
from tests.bench.report.runs import failed_record, make_run

Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Bench:
    """Runs `bench report`; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["report", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(left.value.code or 0), captured.out, captured.err

    return run


def assert_error(answer: tuple[int, str, str], *parts: str) -> None:
    code, out, err = answer
    assert (code, out) == (2, ""), err
    (line,) = err.strip().splitlines()
    assert line.startswith("bench: error: ")
    assert all(part in line for part in parts), line


def test_all_files_are_written_and_named(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    run = make_run(tmp_path / "run", repeats=1, speeds={("pt", 1): 10.0, ("tf", 1): 8.0})
    names = ["report.html", "report.csv", "report.parquet", "report.mllog", "report.md"]
    others = [f"--{name}={tmp_path / f'report.{suffix}'}" for name, suffix in
              (("csv", "csv"), ("parquet", "parquet"), ("mllog", "mllog"), ("markdown", "md"))]  # fmt: skip
    code, out, err = bench(run, *others)
    assert (code, err) == (0, "")
    assert [Path(line).name for line in out.splitlines()] == names
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "report.csv").stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o022))
    assert not list(tmp_path.glob(".*")), "something temporary is left"


def test_the_report_as_markdown(bench: Bench, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", failed_record("out of memory in step 3"))
    code, _, err = bench(run, "--markdown", tmp_path / "report.md")
    assert (code, err) == (0, "")
    golden.check("report", (tmp_path / "report.md").read_text(), tmp_path)


def test_what_is_no_run_is_refused(bench: Bench, tmp_path: Path) -> None:
    assert_error(bench(tmp_path / "nowhere"), "nowhere: no such directory")
    assert_error(bench(tmp_path), "no records here; name a directory")
    file = tmp_path / "file"
    file.write_text("x")
    assert_error(bench(file), "file: no such directory")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"schema_version": 3, "run_id"', "not a record (not JSON"),
        ('{"schema_version": 99}', "record schema 99, this version reads"),
        ('{"schema_version": 3}', "run_id: Field required"),
        ("[]", "not a record"),
        pytest.param("[" * 100_000, "not a record (not JSON (nested", id="nested"),
    ],
)
def test_a_bad_record_costs_its_own_row_and_is_named(bench: Bench, tmp_path: Path, text: str, part: str) -> None:
    run = make_run(tmp_path / "run", repeats=1)
    (run / "records/pt-bad.json").write_text(text)
    code, _, stderr = bench(run)
    assert code == 0
    assert "passed over" in stderr and "pt-bad.json" in stderr and part in stderr
    page = (run / "report.html").read_text()
    assert "pt-bad.json" in page
    for path in (run / "records").glob("*.json"):
        path.write_text(text)
    (run / "report.html").unlink()
    assert_error(bench(run), "records", part)
    assert not (run / "report.html").exists()


def test_a_damaged_environment_is_named(bench: Bench, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", repeats=1)
    (run / "environment.json").write_text("{")
    assert_error(bench(run), "environment.json: damaged")


def test_several_runs_need_a_place_and_are_named_once(bench: Bench, tmp_path: Path) -> None:
    first, second = (make_run(tmp_path / name, repeats=1) for name in "ab")
    assert_error(bench(first, second), "say with --out where")
    assert_error(bench(first, first, "--out", tmp_path / "x.html"), "named twice")


def test_a_file_that_cannot_be_written_is_named(bench: Bench, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", repeats=1, speeds={("pt", 1): 10.0})
    assert_error(bench(run, "--out", tmp_path / "no/folder/x.html"), "x.html: cannot be written (No such file")
    assert_error(bench(run, "--out", tmp_path), "is a directory")


def test_two_outputs_in_one_file_and_an_empty_path_are_refused(bench: Bench, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", repeats=1, speeds={("pt", 1): 10.0})
    (tmp_path / "link").symlink_to(run)
    same = tmp_path / "x"
    assert_error(bench(run, "--csv", same, "--mllog", same), "--mllog", "the file that --csv writes")
    assert_error(bench(run, "--markdown", tmp_path / "link/report.html"), "--markdown", "the file that --out writes")
    assert_error(bench(run, "--out", ""), "--out: an empty path")
    assert_error(bench(run, "--csv", ""), "--csv: an empty path")
    assert not same.exists()
    assert not (run / "report.html").exists()


def test_half_a_surrogate_pair_is_written_as_a_question_mark_or_an_escape(bench: Bench, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", repeats=1, speeds={("pt", 1): 10.0})
    (run / "environment.json").write_text(json.dumps({"cpu": "half \ud800 pair"}))
    run = run.rename(tmp_path / os.fsdecode(b"run\xff"))  # as Python has a name that is no UTF-8
    code, _, err = bench(run, "--markdown", tmp_path / "x.md", "--csv", tmp_path / "x.csv")
    assert (code, err) == (0, "")
    for path in (run / "report.html", tmp_path / "x.csv"):
        assert "run?" in path.read_text(encoding="utf-8")
    assert "udcff" in (tmp_path / "x.md").read_text(encoding="utf-8"), "Markdown is for terminals too"
    assert "half ? pair" in (run / "report.html").read_text(encoding="utf-8")


def test_parquet_without_pyarrow_says_how_to_have_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run = make_run(tmp_path / "run", repeats=1)
    answer = bench(run, "--parquet", tmp_path / "x.parquet")
    assert_error(answer, "--parquet needs pyarrow: pip install 'twinbench[report]'")
    assert not (run / "report.html").exists(), "nothing is written before what can fail is made"
