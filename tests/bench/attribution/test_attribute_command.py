"""`bench run --attribute` as typed, with workers whose times are known: from the plan to the table, and bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from bench.attribution.split import attribute
from bench.cells import launch
from bench.host import machine
from bench.records.record import read_records
from bench.run.plan import Plan
from shared.protocol import Cell
from tests import golden
from tests.bench.command import Bench, by_cell


def turning_command(cell: Cell, cell_path: Path) -> list[str]:
    return [sys.executable, "-m", "tests.bench.attribution.turning_worker", str(cell_path)]


@pytest.fixture
def tiny(tiny: list[object], monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """`bench run --attribute` of the small workload on the small store, by workers that take turns."""
    monkeypatch.setattr(launch, "worker_command", turning_command)
    return [tiny[0], "--attribute", *tiny[1:]]


def ids(plan: Plan) -> list[str]:
    return [cell.cell_id for cell in plan.cells]


@pytest.mark.usefixtures("same_machine")
def test_a_step_is_split_as_it_was_made_up(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, stdout, stderr = bench(*tiny, "--gpus", "2", "--repeats", "1", "--out", out)
    assert code == 0, stderr
    assert len(by_cell(out)) == 2 * 4
    found = {(split.replicas, split.name): split for split in attribute(read_records([out]))}
    two = found[2, "TensorFlow"]
    assert 1e3 * two.step.value == pytest.approx(80)
    assert 1e3 * two.parts["exchange"].value == pytest.approx(5)
    assert 1e3 * two.parts["forward_backward"].value == pytest.approx(54)
    assert 1e3 * two.beside["waited"].value == pytest.approx(1)

    golden.check("attribution", stdout, tmp_path)  # of the whole pipeline alone, and of its parts
    golden.check("attribution-markdown", (out / "attribution.md").read_text(), tmp_path)
    assert (out / "attribution.md").read_text().strip() in (out / "summary.md").read_text()
    table = pandas.read_csv(out / "attribution.csv")
    row = table[(table.kind == "gap") & (table.replicas == 2) & (table.part == "exchange")].iloc[0]
    assert (row.column, round(row.ms, 6)) == ("tf - pt", 1.0)
    figures = sorted(path.name for path in (out / "figures").iterdir())
    assert figures == ["attribution.png", "attribution.svg"]

    for path in (out / "figures").iterdir():
        path.unlink()
    code, stdout, _ = bench("plot", out)
    assert (code, sorted(path.name for path in (out / "figures").iterdir())) == (0, figures)


def test_every_file_is_there_before_anything_is_printed(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "out", []
    monkeypatch.setattr("bench.show.tables.print_table", lambda _: seen.extend(path.name for path in out.glob("*.*")))
    options = ["--framework", "pt", "--gpus", "1", "--repeats", "1", "--no-figures"]
    code, stdout, stderr = bench(*tiny, *options, "--out", out)
    assert code == 0, stderr
    assert {"summary.md", "records.csv", "attribution.md", "attribution.csv"} <= set(seen)
    assert stdout.splitlines()[-1] == f"records: {out / 'records'}"


def test_a_set_of_cells_runs_again_as_a_whole(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, bad = tmp_path / "out", "tiny-pt-matched-r1-fp32-memory-1"
    monkeypatch.setenv("TURNING_WORKER", bad)
    assert bench(*tiny, "--framework", "pt", "--gpus", "1", "--repeats", "2", "--out", out)[0] == 1
    before = by_cell(out)
    assert [name for name, record in before.items() if record.status != "ok"] == [bad]
    assert before[bad].reason == "exit status 1: no room for another one"
    assert {split.name: len(split.repeats) for split in attribute(before.values())} == {"PyTorch": 1}

    monkeypatch.delenv("TURNING_WORKER")
    code, stdout, _ = bench("run", "--resume", out, "--dry-run")
    assert (code, stdout.count("finished")) == (0, 3)
    assert bench("run", "--resume", out)[0] == 0
    after = by_cell(out)
    assert all(record.status == "ok" for record in after.values())
    again = [name for name in before if after[name] != before[name]]
    assert sorted(again) == sorted(name for name in before if name.endswith("-1"))


def test_the_plan(plan_of: Callable[..., Plan], tiny: list[object]) -> None:
    kinds = ("disk", "memory", "device", "device-noexchange")
    first = [f"tiny-{framework}-matched-r2-fp32-{kind}-0" for kind in kinds for framework in ("pt", "tf")]
    plan = plan_of(*tiny, "--gpus", "2", "--repeats", "2")
    assert ids(plan) == [*first, *(name[:-1] + "1" for name in reversed(first))]
    assert [len(cells) for cells in plan.sets] == [8, 8], "those of a repeat take turns"
    assert len(ids(plan_of(*tiny, "--gpus", "2"))) == 7 * 8


@pytest.mark.usefixtures("same_machine")
def test_apart_the_cells_run_there_and_back(
    bench: Bench, plan_of: Callable[..., Plan], tiny: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    plan = plan_of(*tiny, "--gpus", "1", "--repeats", "2", "--apart")
    assert {len(cells) for cells in plan.sets} == {1}
    assert [name[:-2] for name in ids(plan)[6:]] == [name[:-2] for name in ids(plan)[:6]][::-1]
    assert bench(*tiny, "--gpus", "1", "--repeats", "1", "--apart", "--framework", "pt", "--out", out)[0] == 0
    assert all(record.turn_seconds == [] for record in read_records([out]))
    (split,) = attribute(read_records([out]))
    assert 1e3 * split.step.value == pytest.approx(50)
    golden.check("attribution-apart", (out / "attribution.md").read_text(), tmp_path)


def test_on_gpus_cells_run_apart_unless_told(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.run.execution import plan_request
    from bench.run.plan import Request

    gpu = machine.Gpu("0", "Example GPU", 1 << 34)
    monkeypatch.setattr(machine, "gpus", lambda: [gpu])
    workload, data = str(tiny[3]), str(tiny[5])
    request = Request(workload=workload, data=data, replicas=(1,), device="cuda", attribute=True)
    plan = plan_request(request, dry_run=True, say=print)
    assert (plan.in_turns, len(plan.sets), {len(cells) for cells in plan.sets}) == (False, 6, {1})


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--attribute", "--arm", "native"], ["--attribute", "use --arm matched"]),
        (["--attribute", "--epochs", "2"], ["--attribute", "leave out --epochs"]),
        (["--attribute", "--finetune"], ["--attribute", "--finetune"]),
        (["--attribute", "--input", "memory"], ["--attribute", "leave out --input"]),
        (["--turns"], ["--turns", "--attribute"]),
        (["--apart"], ["--apart", "--attribute"]),
    ],
)
def test_what_cannot_be_attributed(bench: Bench, tiny: list[object], options: list[str], parts: list[str]) -> None:
    code, _, err = bench(*[each for each in tiny if each != "--attribute"], *options)
    assert code == 2
    line = err.strip().splitlines()[-1]
    assert line.startswith("bench: error: ")
    assert all(part in line for part in parts), line
