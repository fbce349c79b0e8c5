"""`bench run` as typed, with the fake worker: a run from its plan to its table, and everything a user can get wrong."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.host import machine
from bench.records import certificates
from bench.records.record import read_records
from bench.run import resolve
from bench.run.plan import Plan
from bench.show.tables import notes
from shared import spec
from shared.families.efficientnet.architecture import architecture
from shared.families.efficientnet.start import initial_weights
from shared.weights import save_weights
from tests import golden
from tests.bench.command import Bench, assert_error, by_cell
from tests.bench.fake_bench import make_store

Choose = Callable[..., None]
PlanOf = Callable[..., Plan]

pytestmark = pytest.mark.usefixtures("fake_worker")


def test_a_run_leaves_records_tables_and_figures(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, stderr = bench(*tiny, "--gpus", "2,1,2", "--repeats", "1", "--out", out)
    assert code == 0, stderr
    records = by_cell(out)
    names = [f"tiny-{framework}-matched-r{replicas}-fp32-disk-0" for replicas in (1, 2) for framework in ("pt", "tf")]
    assert sorted(records) == sorted(names)
    first = records[names[0]]
    assert (first.status, first.certificate, first.data_name, first.num_parameters) == (
        "ok",
        "unverified",
        "noise",
        1234,
    )
    assert first.settings["env.MALLOC_MMAP_MAX_"] == "0"
    assert first.epochs == 2
    assert first.harness_cpu_seconds is not None
    for name in ("run.json", "environment.json", "summary.md", "records.csv"):
        assert (out / name).stat().st_size > 0
    assert list((out / "figures").glob("*.png"))
    assert (out / first.log).exists()
    environment = json.loads((out / "environment.json").read_text())
    assert environment["packages"]["numpy"] == np.__version__
    assert {name: column["interpreter"] for name, column in environment["columns"].items()} == {
        "pt": "this interpreter",
        "tf": "this interpreter",
    }
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert [note.partition(" ")[0] for note in plan["notes"][:2]] == ["pt:", "tf:"]


@pytest.mark.usefixtures("same_machine")
def test_the_pages_of_a_run_its_plan_and_its_resumption(
    bench: Bench, tiny: list[object], tmp_path: Path, fake_worker: Choose
) -> None:
    out, asked = tmp_path / "out", [*tiny, "--gpus", "1,2", "--repeats", "1"]
    golden.check("run-dry-run", bench(*asked, "--dry-run")[1], tmp_path)
    fake_worker({"tiny-tf-matched-r1-fp32-disk-0": "crash"})
    golden.check("run", bench(*asked, "--out", out)[1], tmp_path)
    golden.check("run-summary", (out / "summary.md").read_text(), tmp_path)


def test_one_bad_cell_costs_only_itself_and_resume_runs_it_again(
    bench: Bench, tiny: list[object], tmp_path: Path, fake_worker: Choose
) -> None:
    out, bad = tmp_path / "out", "tiny-tf-matched-r1-fp32-disk-0"
    fake_worker({bad: "crash"})
    assert bench(*tiny, "--no-figures", "--out", out)[0] == 1
    before = by_cell(out)
    assert len(before) == 4
    assert [name for name, record in before.items() if record.status != "ok"] == [bad]
    assert before[bad].reason == "exit status 1: ValueError: the last word"
    assert before[bad].log == f"cells/{bad}/log.txt"

    fake_worker("ok")
    code, stdout, _ = bench("run", "--resume", out, "--dry-run")
    lines = [line for line in stdout.splitlines() if line.startswith("tiny-")]
    assert (code, {line.split()[0] for line in lines if "finished" in line}) == (0, {*before} - {bad})
    assert bench("run", "--resume", out, "--no-figures")[0] == 0
    after = by_cell(out)
    assert after.pop(bad).status == "ok"
    assert all(record == before[name] for name, record in after.items())


def test_repeats_are_interleaved_between_the_frameworks(plan_of: PlanOf, tiny: list[object]) -> None:
    plan = plan_of(*tiny, "--gpus", "1,2", "--repeats", "2", "--seed", "5")
    first = [(framework, n, 0, 5) for n in (1, 2) for framework in ("pt", "tf")]
    assert [(cell.framework, cell.replicas, cell.repeat, cell.seed) for cell in plan.cells] == [
        *first, *((framework, n, 1, 6) for framework, n, _, _ in reversed(first)),
    ]  # fmt: skip


def test_a_dry_run_writes_nothing(plan_of: PlanOf, results: Path, workload_file: Path) -> None:
    plan = plan_of("run", "--workload", workload_file, "--gpus", "1")
    assert plan.store.digest == "not made yet"
    assert not results.exists()


def test_without_data_synthetic_pages_are_made_once(
    bench: Bench, workload_file: Path, results: Path, tmp_path: Path
) -> None:
    arguments = ["run", "--workload", workload_file, "--gpus", "1", "--framework", "pt", "--no-figures"]
    assert bench(*arguments)[0] == 0
    (made,) = (results / "data").iterdir()
    (run_directory,) = (path for path in (results / "runs").iterdir() if not path.is_symlink())
    assert (results / "runs" / "latest").resolve() == run_directory.resolve()
    (record,) = read_records([run_directory])
    assert record.data_name == "synthetic"
    stamp = (made / "manifest.json").stat().st_mtime_ns
    assert bench(*arguments, "--out", tmp_path / "again")[0] == 0
    assert (made / "manifest.json").stat().st_mtime_ns == stamp


def test_a_store_of_larger_pages_is_resized_and_kept(
    bench: Bench, tiny: list[object], tmp_path: Path, results: Path
) -> None:
    large = make_store(tmp_path / "large", size=64)
    tiny[tiny.index("--data") + 1] = large
    for name in ("a", "b"):
        assert bench(*tiny, "--gpus", "1", "--framework", "tf", "--no-figures", "--out", tmp_path / name)[0] == 0
    (kept,) = (results / "data").iterdir()
    assert kept.name.endswith("-32px")


@pytest.mark.usefixtures("same_machine")
def test_the_number_of_classes_is_the_stores_and_epochs_are_raised_to_what_the_measurement_needs(
    bench: Bench, plan_of: PlanOf, tiny: list[object], tmp_path: Path
) -> None:
    tiny[tiny.index("--data") + 1] = make_store(tmp_path / "three", num_classes=3)
    plan = plan_of(*tiny, "--gpus", "2", "--steps", "40")
    assert plan.workload.model.num_classes == 3
    assert {cell.epochs for cell in plan.cells} == {7}  # 24 // 4 steps per epoch; 1 + 40 needed
    golden.check("run-dry-run-notes", "\n".join(plan.notes))


def test_a_certificate_stamps_the_matched_arm_alone(
    bench: Bench, tiny: list[object], tmp_path: Path, workload_file: Path
) -> None:
    certificate = certificates.new(spec.load(str(workload_file)), True, [])
    certificates.store(certificate)
    assert bench(*tiny, "--gpus", "1", "--framework", "pt", "--no-figures", "--out", tmp_path / "matched")[0] == 0
    assert (
        bench(
            *tiny, "--gpus", "1", "--framework", "tf", "--arm", "native", "--no-figures", "--out", tmp_path / "native"
        )[0]
        == 0
    )
    matched, native = read_records([tmp_path / "matched"]), read_records([tmp_path / "native"])
    assert {(r.certificate, r.certificate_id) for r in matched} == {("verified", certificate.id)}
    assert {(r.certificate, r.certificate_id) for r in native} == {("unverified", None)}


def test_a_loss_that_is_no_number_is_a_failed_row(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    arguments = ("--gpus", "1", "--framework", "pt", "--seed", "13", "--no-figures")
    assert bench(*tiny, *arguments, "--out", tmp_path / "out")[0] == 1
    (record,) = read_records([tmp_path / "out"])
    assert (record.status, record.reason) == ("diverged", "loss is not finite in epoch 1")
    assert np.isnan(record.loss_per_epoch).all()
    assert notes([record])[0].startswith(f"{record.cell_id}: {record.status}: {record.reason} (log: ")


def test_plots_that_fail_lose_nothing(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path) -> list[Path]:
        raise RuntimeError("no ink")

    monkeypatch.setattr("bench.run.figures.plot_run", fail)
    code, stdout, stderr = bench(*tiny, "--gpus", "1", "--out", tmp_path / "out")
    assert (code, stdout.splitlines()[-1]) == (0, f"records: {tmp_path / 'out' / 'records'}")
    assert "no plots: RuntimeError: no ink; try again with `bench plot" in stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--gpus", "0"], ["--gpus", "'0'"]),
        (["--gpus", "-1"], ["--gpus", "'-1'"]),
        (["--gpus", "1,x"], ["--gpus", "'x'"]),
        (["--gpus", ""], ["--gpus"]),
        (["--framework", "jax"], ["--framework", "'pt', 'tf', 'both'"]),
        (["--precision", "fp8"], ["--precision", "'fp32', 'bf16', 'fp16'"]),
        (["--precision", "fp16"], ["--precision fp16", "GPU"]),
        (["--preset", "huge"], ["unknown preset 'huge'", "full, quick"]),
        (["--workload", "resnet"], ["unknown workload 'resnet'", "effnet-b0"]),
        (["--data", "no/such/store"], ["no/such/store", "bench data prepare"]),
        (["--epochs", "-1"], ["--epochs", "0<=x<="]),
        (["--epochs", "1", "--steps", "12"], ["1 epoch of 24 documents", "6 steps", "--epochs 3"]),
        (["--batch", "64"], ["24 documents", "needs 128", "--batch"]),
        (["--batch", "1000000"], ["--batch", "train.batch_per_replica", "65536"]),
        (["--cores-per-replica", "4000"], ["--cores-per-replica 4000"]),
        (["--cores-per-replica", "100000"], ["--cores-per-replica", "1<=x<=4096"]),
        (["--timeout", "0"], ["--timeout"]),
        (["--finetune", "--epochs", "0"], ["--finetune", "--epochs"]),
        (["--input", "device", "--epochs", "2"], ["--input device", "--epochs"]),
        (["--weights", "none.safetensors"], ["--weights none.safetensors"]),
        (["--resume", "nowhere"], ["leave out"]),
        (["--device", "cuda", "--gpus", "4"], ["--gpus 4", "no GPU"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_what_a_user_gets_wrong(bench: Bench, tiny: list[object], arguments: list[str], parts: list[str]) -> None:
    assert_error(bench(*tiny, "--gpus", "1,2", *arguments, "--dry-run"), *parts)


def test_fewer_gpus_than_asked_for_are_named(bench: Bench, tiny: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: [machine.Gpu("0", "Example GPU", 1 << 30)])
    for device in ("cuda", "auto"):
        assert_error(bench(*tiny, "--gpus", "4", "--device", device), "has 1 (Example GPU)")


def test_gpus_are_planned_without_pinning(
    plan_of: PlanOf, workload_file: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [machine.Gpu(str(number), "Example GPU", 1 << 30) for number in (2, 5)]
    monkeypatch.setattr(machine, "gpus", lambda: gpus)
    plan = plan_of("run", "--workload", workload_file, "--data", store, "--precision", "fp16")
    assert (plan.device_name, plan.gpu_selectors, plan.workload.preset) == ("Example GPU", ("2", "5"), "full")
    assert {(cell.device, cell.cores) for cell in plan.cells} == {("cuda", ())}


def test_more_replicas_than_cores(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: [0, 1])
    code, _, stderr = bench(*tiny, "--gpus", "1,2,4", "--framework", "tf", "--no-figures", "--out", tmp_path / "out")
    assert code == 0
    records = by_cell(tmp_path / "out")
    assert {r.replicas: r.oversubscribed for r in records.values()} == {1: False, 2: False, 4: True}
    assert "oversubscribed: 4 replicas of 1 cores share 2" in stderr
    row = next(line for line in (tmp_path / "out/summary.md").read_text().splitlines() if "4 (oversubscribed)" in line)
    assert row.split(" | ")[5:7] == ["-", "-"]  # speedup, efficiency


@pytest.mark.parametrize(("framework", "module"), [("pt", "torch"), ("tf", "tensorflow")])
def test_a_missing_framework_names_its_extra(
    bench: Bench, tiny: list[object], monkeypatch: pytest.MonkeyPatch, framework: str, module: str
) -> None:
    monkeypatch.setattr(resolve, "is_installed", lambda name: name != module)
    assert_error(bench(*tiny), f"pip install 'twinbench[{framework}]'")


def test_a_store_of_smaller_pages_says_how_to_prepare(bench: Bench, tiny: list[object], workload_file: Path) -> None:
    text = workload_file.read_text().replace("image_size = 32", "image_size = 96")
    workload_file.write_text(text)
    assert_error(bench(*tiny), "its pages are 32 px", "--size 96")


def test_weights_are_looked_at_before_anything_starts(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not weights")
    assert_error(bench(*tiny, "--weights", path, "--dry-run"), "not a readable safetensors file")
    save_file({"x": np.zeros(1, np.float32)}, path)
    assert_error(bench(*tiny, "--weights", path, "--dry-run"), "another network's weights?")
    save_weights(path, initial_weights(architecture("b0", 3), 0))  # a classifier of another width is replaced
    assert bench(*tiny, "--weights", path, "--dry-run")[0] == 0
    assert_error(bench(*tiny, "--weights", path, "--arm", "native", "--dry-run"), "--arm native")


def test_list_shows_workloads_and_certificates(bench: Bench) -> None:
    golden.check("list-unverified", bench("list")[1])
    certificates.store(certificates.new(spec.load("effnet-b0", "quick"), True, []))
    golden.check("list", bench("list")[1])


def test_a_broken_ladder_times_nothing(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ladder = types.ModuleType("bench.verify.ladder")
    workloads = []

    def certify(workload: spec.Workload, progress: object, pythons: certificates.Pythons) -> certificates.Certificate:
        workloads.append(workload)
        certificate = certificates.new(workload, len(workloads) > 1, [], pythons)
        certificates.store(certificate)
        return certificate

    ladder.certify = certify  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.verify.ladder", ladder)
    monkeypatch.setitem(sys.modules, "bench.verify", types.ModuleType("bench.verify"))
    code, _, stderr = bench(
        *tiny, "--gpus", "1", "--framework", "pt", "--verify", "--no-figures", "--out", tmp_path / "a"
    )
    assert code == 1
    assert "nothing was timed" in stderr
    assert bench(*tiny, "--gpus", "1", "--framework", "pt", "--verify", "--no-figures", "--out", tmp_path / "b")[0] == 0
    assert {record.certificate for record in read_records([tmp_path / "b"])} == {"verified"}
    assert bench(*tiny, "--gpus", "1", "--framework", "pt", "--verify", "--no-figures", "--out", tmp_path / "c")[0] == 0
    assert len(workloads) == 2
