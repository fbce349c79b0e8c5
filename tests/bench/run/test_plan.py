"""The plan as data: cores, steps, and that it survives being written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cells.launch import num_ranks, worker_command
from bench.host import machine
from bench.host.worker_environment import worker_environment
from bench.run.execution import in_directory, limits_for
from bench.run.plan import Plan, Request, core_groups, make_plan
from bench.run.plan_file import read_plan
from bench.run.resolve import fit_to_store, resolve_device
from shared import spec
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS
from shared.protocol import Cell
from shared.store_facts import StoreFacts

PAGES = StoreFacts("store", "noise", "0", 16, {"train": 24, "val": 4, "test": 7}, ("classification",), image_size=32)


@pytest.fixture
def plan(workload_file: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(machine, "usable_cores", lambda: [3, 5, 6, 7])
    request = Request(replicas=(1, 2))
    workload, epochs, _ = fit_to_store(request, spec.load(str(workload_file)), PAGES)
    return make_plan(request, workload, PAGES, epochs, gpus=[])


@pytest.mark.parametrize(
    ("cores", "replicas", "size", "groups"),
    [
        ([0, 1], 1, 1, ((0,),)),
        ([0, 1, 2, 3], 2, 2, ((0, 1), (2, 3))),
        ([3, 5], 4, 1, ((3,), (5,), (3,), (5,))),
        ([0, 1, 2], 2, 2, ((0, 1), (2, 0))),
    ],
)
def test_core_groups(cores: list[int], replicas: int, size: int, groups: tuple[tuple[int, ...], ...]) -> None:
    assert core_groups(cores, replicas, size) == groups


def test_replicas_have_as_many_cores_at_every_count(plan: Plan) -> None:
    by_replicas = {cell.replicas: cell for cell in plan.cells}
    assert by_replicas[1].cores == ((3, 5),)
    assert by_replicas[2].cores == ((3, 5), (6, 7))
    assert {cell.threads_per_replica for cell in plan.cells} == {2}


def test_total_steps(plan: Plan) -> None:
    one = next(cell for cell in plan.cells if cell.replicas == 1)
    assert plan.total_steps(one) == 2 * 12
    assert plan.total_steps(replace(one, epochs=0)) == 1 + 4
    assert plan.total_steps(replace(one, finetune=True)) == 3 * 12


def test_a_plan_survives_writing_and_moving(plan: Plan, tmp_path: Path) -> None:
    placed = in_directory(plan, tmp_path / "here")
    moved = read_plan(json.loads(json.dumps(placed.to_json())), tmp_path / "there")
    assert moved == in_directory(plan, tmp_path / "there")


def test_a_timeout_is_the_users(plan: Plan) -> None:
    assert limits_for(plan, None).evaluation_samples == 24
    assert limits_for(plan, 7.0).steady == 7.0
    assert limits_for(replace(plan, timeout=9.0), None).first_step == 9.0
    assert limits_for(replace(plan, timeout=9.0), 7.0).start == 7.0


class EightGpus:
    """NVML of a machine with eight GPUs, as far as `bench.host.machine.gpus` asks it."""

    NVMLError = KeyError
    UUIDS = tuple(f"GPU-{number:08x}" for number in range(8))

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  # NVML's own name, as those below
        return len(self.UUIDS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return dict(enumerate(self.UUIDS))[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return {known: known for known in self.UUIDS}[uuid]

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=80 << 30)

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return "Example GPU"


@pytest.fixture
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with eight GPUs and 32 cores, of which CUDA_VISIBLE_DEVICES leaves all."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "with_driver", lambda ask, otherwise: ask(EightGpus()))
    monkeypatch.setattr(machine, "usable_cores", lambda: list(range(32)))


def planned(request: Request, workload_file: Path) -> Plan:
    """The plan on this machine's GPUs."""
    device, gpus = resolve_device(request)
    assert device == "cuda"
    workload, epochs, _ = fit_to_store(request, spec.load(str(workload_file)), PAGES)
    return make_plan(request, workload, PAGES, epochs, gpus)


def started(plan: Plan, cell: Cell) -> tuple[list[str], dict[str, str]]:
    """The command and the variables that a cell's worker is started with."""
    variables = worker_environment(cell, plan.tune, plan.gpu_selectors[: cell.replicas])
    return worker_command(cell, Path("cell.json")), variables


@pytest.mark.usefixtures("eight_gpus")
def test_one_to_eight_gpus(workload_file: Path) -> None:
    plan = planned(Request(replicas=(1, 2, 4, 8)), workload_file)
    assert plan.device_name == "Example GPU"
    assert [(cell.framework, cell.replicas) for cell in plan.cells] == [
        (framework, replicas) for replicas in (1, 2, 4, 8) for framework in ("pt", "tf")
    ]
    for cell in plan.cells:
        command, variables = started(plan, cell)
        assert variables["CUDA_VISIBLE_DEVICES"] == ",".join(map(str, range(cell.replicas)))
        assert (cell.device, cell.cores, cell.threads_per_replica, cell.loader_workers) == ("cuda", (), 4, 4)
        assert cell.global_batch == 2 * cell.replicas
        assert plan.total_steps(cell) == cell.epochs * (24 // cell.global_batch)
        if cell.framework == "pt":
            # one replica is started as it is, without the launcher
            assert (f"--nproc-per-node={cell.replicas}" in command) == (cell.replicas > 1)
            assert (num_ranks(cell), variables["OMP_NUM_THREADS"]) == (cell.replicas, "4")
        else:
            assert command[1:3] == ["-m", "tf_impl.worker"]
            assert (num_ranks(cell), variables["OMP_NUM_THREADS"]) == (1, str(4 * cell.replicas))


@pytest.mark.usefixtures("eight_gpus")
@pytest.mark.parametrize(
    ("visible", "selectors"),
    [
        ("5,2", ("5", "2")),
        (f"{EightGpus.UUIDS[7]},{EightGpus.UUIDS[0]}", (EightGpus.UUIDS[7], EightGpus.UUIDS[0])),
        ("3, 1,9,0", ("3", "1")),
    ],
)
def test_gpus_are_those_that_are_visible(
    workload_file: Path, monkeypatch: pytest.MonkeyPatch, visible: str, selectors: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    plan = planned(Request(replicas=(1, 2)), workload_file)
    given = {cell.replicas: started(plan, cell)[1]["CUDA_VISIBLE_DEVICES"] for cell in plan.cells}
    assert given == {1: selectors[0], 2: ",".join(selectors)}
    with pytest.raises(UserError, match=r"--gpus 4: this machine has 2 \(Example GPU, Example GPU\); --device cpu"):
        resolve_device(Request(replicas=(1, 4)))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.sets(st.integers(1, 8), min_size=1, max_size=4),
    num_cores=st.integers(1, 96),
    columns=st.sampled_from([("pt",), ("pt", "tf"), ("pt@2.13", "pt@2.14", "tf@2.21")]),
    repeats=st.integers(1, 3),
)
def test_any_plan_on_gpus(
    workload_file: Path, counts: set[int], num_cores: int, columns: tuple[str, ...], repeats: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        patch.setattr(machine, "with_driver", lambda ask, otherwise: ask(EightGpus()))
        patch.setattr(machine, "usable_cores", lambda: list(range(num_cores)))
        request = Request(frameworks=columns, replicas=tuple(sorted(counts)), repeats=repeats)
        plan = planned(request, workload_file)
        assert len({cell.cell_id for cell in plan.cells}) == len(plan.cells) == len(counts) * len(columns) * repeats
        for cell in plan.cells:
            _, variables = started(plan, cell)
            assert len(variables["CUDA_VISIBLE_DEVICES"].split(",")) == cell.replicas
            assert cell.threads_per_replica * max(counts) <= max(num_cores, max(counts))
            assert 1 <= cell.loader_workers <= 8
            assert cell.cell_id.split("-")[1] == (cell.variant or cell.framework)
            assert cell.framework in FRAMEWORKS


def test_a_column_has_its_interpreter_and_its_name(workload_file: Path) -> None:
    request = Request(frameworks=("pt@2.12", "pt@2.13", "tf"), replicas=(1,))
    workload = spec.load(str(workload_file))
    pythons = {"pt@2.12": "a/bin/python", "pt@2.13": None, "tf": "b/bin/python"}
    plan = make_plan(request, workload, PAGES, 0, gpus=[], pythons=pythons)
    told = [(cell.framework, cell.variant, cell.python) for cell in plan.cells]
    assert told == [("pt", "pt@2.12", "a/bin/python"), ("pt", "pt@2.13", None), ("tf", None, "b/bin/python")]
    assert plan.cells[0].cell_id == "tiny-pt@2.12-matched-r1-fp32-disk-0"
    written = json.dumps(plan.to_json())
    assert "bin/python" not in written, "a run may be moved, and no interpreter is taken from its file"
    again = read_plan(json.loads(written), Path("there"))
    assert [(cell.framework, cell.variant, cell.python) for cell in again.cells] == [(*who, None) for *who, _ in told]
