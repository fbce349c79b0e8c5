"""`bench compare` as typed: what it shows, what it refuses, and one line for everything a user can get wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bench.compare import matching
from bench.compare.rows import compare
from bench.compare.show import environment_line
from bench.compare.sources import read_source
from bench.records.identity import ASPECTS
from bench.records.record import Record
from bench.terminal.printable import markdown_text
from tests import golden
from tests.bench.command import Bench, assert_error
from tests.bench.compare.records import make_record, write_run
from tests.bench.record_maker import LABELS, scored

NOISE = (0.99, 1.0, 1.01, 1.0, 1.02, 0.98, 1.0, 1.01)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Runs `bench compare`; returns exit code, standard output and standard error."""
    return lambda *arguments: bench("compare", *arguments)


def repeats(framework: str, speed: float, count: int = 8, replicas: int = 1, **changes: Any) -> list[Record]:
    """A cell's repeats, as noisy as NOISE."""
    return [make_record(framework, replicas, n, throughput=speed * NOISE[n % 8], **changes) for n in range(count)]


def test_two_columns_of_one_run_are_paired(bench: Bench, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *repeats("pt", 10.0), *repeats("tf", 8.0))
    report, figures = tmp_path / "report.md", tmp_path / "figures.csv"
    code, out, err = bench(f"{run}:pt", f"{run}:tf", "--markdown", report, "--csv", figures)
    assert code == 0, err
    golden.check("compare-columns", out, tmp_path)
    golden.check("compare-markdown", report.read_text(), tmp_path)
    (line,) = csv.DictReader(figures.open())
    assert (float(line["ratio"]), line["paired"], line["verdict"]) == (pytest.approx(0.8), "True", "B is slower")
    assert (line["column_a"], line["column_b"], line["not_comparable"]) == ("pt", "tf", "")


def test_scores_stand_under_the_headline(bench: Bench, tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", *repeats("pt", 10.0, scores=scored("f1", val=0.5, test=0.75), **LABELS))
    b = write_run(tmp_path / "b", *repeats("pt", 10.0, scores=scored("f1", stage="finetune", test=0.875), **LABELS))
    report, figures = tmp_path / "report.md", tmp_path / "figures.csv"
    assert bench(a, b, "--markdown", report, "--csv", figures)[0] == 0
    heads, _, cells = ([*map(str.strip, line.split("|"))] for line in report.read_text().splitlines()
                       if line.startswith("|"))  # fmt: skip
    assert dict(zip(heads, cells, strict=True))["F1 (micro) train/val/test"] == "-/0.500/0.750 / -/-/0.875"
    (line,) = csv.DictReader(figures.open())
    assert (line["headline_a"], line["score_test_a"], line["score_test_b"]) == ("f1", "0.75", "0.875")


def test_two_runs_are_unpaired_even_where_they_have_one_name(bench: Bench, tmp_path: Path) -> None:
    a = write_run(tmp_path / "one/run", *repeats("pt", 10.0), *repeats("tf", 9.0))
    b = write_run(tmp_path / "two/run", *repeats("pt", 12.0), *repeats("tf", 9.0))
    figures = tmp_path / "figures.csv"
    code, out, err = bench(a, b, "--csv", figures)
    assert code == 0, err
    pt, tf = csv.DictReader(figures.open())
    assert (pt["column_a"], pt["column_b"], pt["paired"], pt["verdict"]) == ("pt", "pt", "False", "B is faster")
    assert tf["verdict"].startswith("no difference shown (one of ")
    assert 0 < float(tf["least_effect"]) < 0.03
    golden.check("compare-runs", out, tmp_path)


def test_single_records_and_folders_of_them_are_taken(bench: Bench, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *repeats("pt", 10.0, 1), *repeats("tf", 8.0, 1))
    a, b = sorted((run / "records").iterdir())
    elsewhere, figures = write_run(tmp_path / "elsewhere", *repeats("tf", 8.0, 1)), tmp_path / "figures.csv"
    for other, paired in ((b, "True"), (elsewhere, "False")):
        assert bench(a, other, "--csv", figures)[0] == 0
        (line,) = csv.DictReader(figures.open())
        assert (line["column_a"], line["column_b"], line["paired"]) == ("pt", "tf", paired)
        assert float(line["ratio"]) == pytest.approx(0.8)
    assert bench(f"{run / 'records'}:pt", f"{run / 'records'}:tf")[0] == 0


def test_more_than_two_are_each_held_against_the_first(bench: Bench, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, *repeats("pt", speed)) for name, speed in (("x", 10.0), ("y", 11.0), ("z", 9.0))]
    figures = tmp_path / "figures.csv"
    assert bench(*runs, "--csv", figures)[0] == 0
    lines = list(csv.DictReader(figures.open()))
    assert [Path(line["source_a"]).name for line in lines] == ["x", "x"]
    assert [line["verdict"] for line in lines] == ["B is faster", "B is slower"]


def test_failed_cells_stay_as_rows(bench: Bench, tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", *repeats("pt", 10.0))
    failed = [make_record(repeat=n, throughput=None, status="oom", reason="full", step_seconds=[]) for n in range(2)]
    b = write_run(tmp_path / "b", *failed)
    figures = tmp_path / "figures.csv"
    assert bench(a, b, "--csv", figures)[0] == 0
    (line,) = csv.DictReader(figures.open())
    assert (line["ratio"], line["verdict"]) == ("", "B failed: oom")


@pytest.mark.parametrize(
    ("changes", "name", "values"),
    [
        ({"spec_hash": "def"}, "spec", "abc / effnet-b0 quick def"), ({"arm": "native"}, "arm", "matched / native"),
        ({"device": "cuda", "cores_per_replica": None}, "device", "cpu / cuda"),
        ({"device_name": "Another CPU"}, "machine", "Example CPU / Another CPU"),
        ({"precision": "bf16"}, "precision", "fp32 / bf16"), ({"input_mode": "device"}, "input", "disk / device"),
        ({"batch_per_replica": 8}, "batch", "16 / 8"), ({"data_digest": "d2"}, "data", "d1 / synthetic d2"),
        ({"cores_per_replica": 2}, "cores", "1 / 2"), ({"oversubscribed": True}, "cores", "1 / 1 shared"),
    ],
)  # fmt: skip
def test_what_is_not_comparable_is_refused_until_told(
    bench: Bench, tmp_path: Path, changes: dict[str, Any], name: str, values: str
) -> None:
    a = write_run(tmp_path / "a", *repeats("pt", 10.0))
    b = write_run(tmp_path / "b", *repeats("pt", 11.0, **changes))
    answer = bench(a, b)
    assert_error(answer, "not comparable", "--despite", name)
    reasons = answer[2].strip().splitlines()[:-1]
    assert any(line.startswith(f"bench: {name} differs (") and values in line for line in reasons), reasons
    assert len(reasons) == (2 if name == "device" else 1)
    assert_error(bench(a, b, "--despite", "data" if name != "data" else "spec"), "not comparable")
    report, figures = tmp_path / "report.md", tmp_path / "figures.csv"
    for option in (["--despite", "device,cores" if name == "device" else name], ["--force"]):
        code, out, err = bench(a, b, *option, "--markdown", report, "--csv", figures)
        assert code == 0, err
        (line,) = csv.DictReader(figures.open())
        assert values in line["not_comparable"]
        told = compare(read_source(str(a)), read_source(str(b)), despite=ASPECTS).not_comparable
        assert told.startswith(f"NOT COMPARABLE: {name} differs (")
        assert told in out.splitlines()
        assert f"**{markdown_text(told)}**" in report.read_text().splitlines()
        if name == "device":
            golden.check("compare-not-comparable", out, tmp_path)


def test_another_machine_of_the_same_name_is_another_machine(bench: Bench, tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, *repeats("pt", 10.0)) for name in "ab")
    for run, fingerprint in ((a, "f1"), (b, "f2")):
        (run / "environment.json").write_text(json.dumps({"fingerprint": fingerprint, "packages": {"numpy": "2.0"}}))
    assert_error(bench(a, b), "machine differs;")
    (b / "environment.json").write_text(json.dumps({"fingerprint": "f1", "packages": {"numpy": "2.1"}}))
    assert bench(a, b)[0] == 0
    found = compare(read_source(str(a)), read_source(str(b)))
    assert environment_line(found) == "environments differ in packages.numpy"


def test_what_has_no_partner_is_named(bench: Bench, tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", *repeats("pt", 10.0), *repeats("pt", 19.0, replicas=2), *repeats("tf", 9.0))
    b = write_run(tmp_path / "b", *repeats("pt", 10.0), *repeats("pt", 9.0, replicas=4, cores_per_replica=1))
    c = write_run(tmp_path / "c", *repeats("pt", 10.0), *repeats("pt", 9.0, replicas=2, spec_hash="other"))
    for name, other in (("compare-no-partner", b), ("compare-no-partner-of-this-spec", c)):
        code, out, _ = bench(a, other)
        assert code == 0
        golden.check(name, out, tmp_path)


def test_cells_without_exchange_are_never_compared(bench: Bench, tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", *repeats("pt", 10.0))
    b = write_run(tmp_path / "b", *repeats("pt", 10.0, exchange=False))
    assert_error(bench(a, b, "--force"), "b: only cells without gradient exchange")


def test_bad_input_has_its_one_line(bench: Bench, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *repeats("pt", 10.0, 1), *repeats("tf", 10.0, 1))
    other = write_run(tmp_path / "other", *repeats("pt", 10.0, 1, replicas=2))
    versions = [record for v in ("2.12", "2.13") for record in repeats("pt", 1.0, 1, variant=f"pt@{v}")]
    columns = write_run(tmp_path / "columns", *versions)
    (empty := tmp_path / "empty").mkdir()
    assert_error(bench(run), "run:pt", "run:tf")
    assert_error(bench(run, run), "named twice", "run:pt run:tf")
    assert_error(bench(f"{run}:pt", f"{run}:pt"), "named twice")
    assert_error(bench(run, tmp_path / "nowhere"), "nowhere: no such file or directory")
    assert_error(bench(run, f"{run}:jax"), "'jax' is no column")
    assert_error(bench(run, f"{run}:pt@2.13"), "no column pt@2.13; it has pt, tf")
    assert_error(bench(run, empty), "empty: no records here")
    assert_error(bench(f"{run}:pt", other), "no cell in common: replicas 1 against 2")
    assert_error(bench(run, columns), "which columns to compare?", "pt@2.12, pt@2.13")
    assert_error(bench(run, other, "--despite", "colour"), "'colour' is none of spec, mode, arm")
    code, _, err = bench(f"{run}:pt", f"{run}:tf", "--csv", tmp_path / "no" / "figures.csv")
    assert (code, "figures.csv: cannot be written" in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema_version": 99}', "record schema 99, this version reads"), ('{"schema_ver', "not a record"),
        ("\x00\x01", "not a record"), ("[]", "not a record"), ('{"schema_version": 1}', "run_id: Field required"),
        ('{"schema_version": 1, "result_id": "pt-image-00"}', "a record of `bench accuracy`"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_named(bench: Bench, tmp_path: Path, content: str, message: str) -> None:
    run = write_run(tmp_path / "run", *repeats("pt", 10.0, 1))
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert_error(bench(run, path), "bad.json: ", message)
    (run / "records" / "bad.json").write_text(content)
    assert_error(bench(run, path), message)


def test_an_accuracy_run_and_damaged_environments_are_refused(bench: Bench, tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, *repeats("pt", 10.0, 1)) for name in "ab")
    (b / "environment.json").write_text("{")
    assert_error(bench(a, b), "environment.json: damaged (not JSON")
    (b / "environment.json").write_text("[]")
    assert_error(bench(a, b), "environment.json: damaged (not a mapping)")
    (b / "run.json").write_text(json.dumps({"schema": 1, "kind": "accuracy"}))
    assert_error(bench(a, b), "b: a run of `bench accuracy`")


def test_copies_of_a_record_in_one_folder_are_refused(bench: Bench, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *repeats("pt", 10.0, 1))
    (record,) = (run / "records").iterdir()
    (run / "records" / "copy.json").write_bytes(record.read_bytes())
    assert_error(bench(run, record), "holds pt-matched-r1-disk-0 of run run twice")


def test_cells_are_matched_by_what_must_be_equal_not_one_with_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    original = matching.mismatches

    def mismatches(*given: Any) -> Any:
        asked.append(given)
        return original(*given)

    monkeypatch.setattr(matching, "mismatches", mismatches)
    made = [make_record("pt", 1, 0, spec_hash=f"{n:016x}", cell_id=f"c{n}") for n in range(60)]
    runs = [write_run(tmp_path / name, *made) for name in ("a", "b")]
    a, b = (read_source(str(run)) for run in runs)
    found, lonely = matching.match(a, b, ())
    assert ([each.a[0].spec_hash for each in found], lonely) == ([each.b[0].spec_hash for each in found], [])
    assert len(found) == 60
    assert asked == [], "cells with a partner are held against no other"
