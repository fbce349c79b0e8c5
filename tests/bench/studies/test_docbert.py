"""The study of DocBERT: which runs it starts, and what it makes of their records; nothing is trained."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.records.record import Record
from bench.report.sources import Run
from bench.studies.docbert import __main__ as program
from bench.studies.docbert import rows, tables
from bench.studies.docbert.rows import DISTILLED, STUDENT, SYSTEMS, TEACHER, Study
from shared import spec
from shared.errors import UserError
from tests.bench.compare.records import make_record
from tests.tiny_text import make_store


def scored(framework: str, repeat: int, f1: float, **changes: Any) -> Record:
    """A training that ended with an F1 on its test documents."""
    own = {"task": "labels", "headline": "f1", "scores": {"train": {"test": {"f1": f1, "accuracy": f1}}}}
    return make_record(framework, 1, repeat, **{**own, **changes})


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Of no store."""
    return Study(tmp_path / "out", "STORE", "both", "quick", 3, vectors="v.txt", vocab="vocab.txt")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The calls of `bench`, none of which is made; a run that is started leaves its plan."""
    asked: list[tuple[str, ...]] = []

    def bench(*line: str) -> None:
        asked.append(line)
        if "--out" in line:
            folder = Path(line[line.index("--out") + 1])
            folder.mkdir(parents=True)
            (folder / rows.PLAN).write_text("{}")

    monkeypatch.setattr(rows, "bench", bench)
    monkeypatch.setattr(rows, "read_run", lambda folder: Run(folder.name, folder, None))
    return asked


def system(name: str) -> rows.System:
    """A row of table 2."""
    return next(each for each in SYSTEMS if each.name == name)


def test_a_run_is_started_once_and_then_gone_on_with(study: Study, lines: list[tuple[str, ...]]) -> None:
    rows.trained(study, system(STUDENT))
    rows.trained(study, system(STUDENT))
    first, second = lines
    assert first[:5] == ("run", "--workload", "lstm", "--data", "STORE")
    assert "--vectors" in first
    assert "--vocab" not in first
    assert second == ("run", "--resume", str(study.folder(STUDENT)), "--no-figures")


def test_a_distilled_student_has_its_teacher_trained_first(study: Study, lines: list[tuple[str, ...]]) -> None:
    rows.trained(study, system(DISTILLED))
    teacher, student = lines
    assert teacher[:3] == ("run", "--workload", "bert-6l")
    assert "--keep-weights" in teacher
    assert teacher[teacher.index("--vocab") + 1] == "vocab.txt"
    assert student[:5] == ("distill", "--teacher", str(study.folder(TEACHER)), "--student", "lstm")


def test_systems_are_workloads_and_those_of_the_default_have_its_preset() -> None:
    for each in SYSTEMS:
        assert spec.load(each.workload, "quick" if each.name in rows.DEFAULT else "full").name == each.workload


def test_a_changed_workload_is_one_that_the_suite_reads(study: Study) -> None:
    path = rows.changed(study, "lstm", "lstm-64", ["model = { hidden_size = 64 }"])
    assert tomllib.loads(path.read_text())["base"] == "lstm"
    changed, plain = spec.load(str(path), "changed"), spec.load("lstm", "quick")
    assert changed.setting("model.hidden_size") == 64
    assert changed.train == plain.train


def test_a_difference_is_taken_seed_by_seed() -> None:
    over = [scored("pt", repeat, 0.5 + 0.1 * repeat) for repeat in range(3)]
    under = [scored("pt", repeat, 0.4 + 0.1 * repeat) for repeat in (2, 1, 0)]
    assert tables.difference(over, under) == "PyTorch: +10.00 (+10.00 to +10.00) points, 3 seeds"
    assert tables.difference(over, []) == "-"


def test_five_seeds_have_an_interval_and_failures_are_told() -> None:
    records = [scored("pt", repeat, 0.5 + repeat / 100) for repeat in range(5)]
    assert tables.outcome(records) == "52.00 [50.00, 54.00]"
    failed = make_record("pt", 1, 5, status="crash", reason="a reason")
    assert tables.outcome([records[0], failed]).endswith("1 failed (crash)")
    assert tables.outcome([failed]) == "1 failed (crash)"


@pytest.mark.parametrize(("documents", "told"), [(10_789, "87.0 ± 0.5 %"), (100, "-")])
def test_a_published_figure_stands_beside_the_same_documents_alone(documents: int, told: str) -> None:
    assert tables.published("LSTMreg", [scored("pt", 0, 0.5, data_name="corpus", num_documents=documents)]) == told


def test_the_table_has_a_row_a_system_and_framework() -> None:
    found = {STUDENT: ("LSTMreg", [scored(key, 0, 0.5) for key in ("pt", "tf")])}
    text = tables.table2(found, {"a line": (0.25, "LR")})
    assert [line.split("|")[1:3] for line in text.splitlines()[2:]] == [
        [" a line ", " scikit-learn "],
        [f" {STUDENT} ", " PyTorch "],
        [f" {STUDENT} ", " TensorFlow "],
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["table2", "--rows", "LSTM"], "--rows: unknown system 'LSTM'; known: KimCNN"),
        (["figure1", "--sizes", "32,x"], "--sizes 32,x: whole numbers from 1 expected"),
    ],
)
def test_bad_input_is_one_line(line: list[str], told: str, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    done = CliRunner().invoke(program.command, [*line, "--data", str(store.path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UserError)
    assert told in str(done.exception)


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(program.command, ["table2", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, UserError)
    assert not (tmp_path / "out").exists()
