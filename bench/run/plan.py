"""From what was asked for to the cells that are run: the request, the plan, and the way from one to the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.host import machine
from shared.errors import UserError
from shared.families import family_of
from shared.frameworks import KEYS
from shared.protocol import Cell
from shared.spec import Workload
from shared.store_facts import StoreFacts

QUICK = "quick"
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)  # of an inference, samples of a request
MOST_ON_CPU = 32  # of those, of the `quick` preset
MOST_LOADERS = 8  # processes or threads per replica; more only compete with the step


@dataclass(frozen=True)
class Request:
    """What `bench run` was asked for, as typed; None: the default that fits the machine or the workload."""

    frameworks: tuple[str, ...] = KEYS  # columns: a framework, or one in a version as "pt@2.13"
    replicas: tuple[int, ...] = (1, 2)
    workload: str = "effnet-b0"
    preset: str | None = None
    data: str | None = None
    vocab: str | None = None
    vectors: str | None = None
    device: str = "auto"
    cores_per_replica: int | None = None
    precision: str = "fp32"
    arm: str = "matched"
    input_mode: str = "disk"
    steps: int | None = None
    epochs: int | None = None
    batch: int | None = None
    finetune: bool = False
    repeats: int = 1
    seed: int = 0
    loader_workers: int | None = None
    weights: str | None = None
    timeout: float | None = None
    tune: bool = True
    pythons: Mapping[str, str | None] = field(default_factory=dict)  # framework to the interpreter of its workers
    attribute: bool = False
    in_turns: bool | None = None
    keep_weights: bool = False
    mode: str = "train"
    batches: tuple[int, ...] | None = None  # of --mode infer; None: as the device takes
    runtimes: tuple[str, ...] = ("framework",)
    distillation: Mapping[str, Any] | None = None  # the table of a student of `bench distill`; None: the workload's own


@dataclass(frozen=True)
class Plan:
    """The cells in the order they are run, and what holds for all of them."""

    device_name: str
    store: StoreFacts
    tune: bool
    timeout: float | None
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    gpu_selectors: tuple[str, ...] = field(default=())
    keep_weights: bool = False  # whether each cell leaves its final weights in its folder
    in_turns: bool = False  # whether the cells of a repeat at a number of replicas take turns (bench/cells/turns.py)

    @property
    def workload(self) -> Workload:
        """The one workload of all cells."""
        return self.cells[0].workload

    @property
    def sets(self) -> list[tuple[Cell, ...]]:
        """The cells that are run at the same time, in the order they are run: each alone, or those that take turns."""
        if not self.in_turns:
            return [(cell,) for cell in self.cells]
        groups = groupby(self.cells, key=lambda cell: (cell.repeat, cell.replicas))
        return [tuple(group) for _, group in groups]

    def total_steps(self, cell: Cell) -> int:
        """Training steps of a cell."""
        if cell.mode == "infer":
            return 0
        measure = cell.workload.measure
        epoch_steps = self.store.split_sizes["train"] // cell.global_batch
        if cell.epochs == 0 and not cell.finetune:
            return measure.warmup_steps + measure.measured_steps
        stage = family_of(cell.workload).second_stage(cell.workload) if cell.finetune else None
        return (cell.epochs + (stage.epochs if stage else 0)) * epoch_steps

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values, without the directory and the interpreters: a run may be moved and resumed."""
        placeless = {"directory": "", "python": None}
        return asdict(replace(self, cells=())) | {"cells": [cell.to_json() | placeless for cell in self.cells]}


def batches_of(request: Request, workload: Workload, on_cpu: bool) -> tuple[int, ...]:
    """The batch sizes of an inference: those that were asked for, or as many as the device takes quickly."""
    small = on_cpu and workload.preset == QUICK
    return request.batches or tuple(size for size in BATCHES if size <= MOST_ON_CPU or not small)


def core_groups(cores: Sequence[int], replicas: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The cores of each replica; they wrap around where there are fewer than asked for (oversubscribed)."""
    return tuple(
        tuple(cores[(replica * size + position) % len(cores)] for position in range(size))
        for replica in range(replicas)
    )


def make_plan(
    request: Request,
    workload: Workload,
    store: StoreFacts,
    epochs: int,
    gpus: Sequence[machine.Gpu],
    notes: Sequence[str] = (),
    pythons: Mapping[str, str | None] | None = None,
) -> Plan:
    """The cells of a request: repeats outermost, and every second repeat in the reverse order.

    So a machine that becomes faster or slower favours the last of a repeat's cells in one repeat and the first in the
    next, and the ratios of two cells lie about their truth from both sides (`python -m bench.studies.coverage`).

    Args:
        request: what was asked for, checked.
        workload: resolved, and fitted to the store.
        store: what its documents are read from.
        epochs: of each cell; 0: the measured steps alone.
        gpus: those that the cells may use; empty: they run on CPU.
        notes: what the user must be told already.
        pythons: the interpreter of each column of the request; None, as a whole or of one: this one.

    Raises:
        UserError: more cores per replica than there are.
    """
    cores = machine.usable_cores()
    share = max(1, len(cores) // max(request.replicas))
    size = request.cores_per_replica or share
    if size > len(cores):
        raise UserError(f"--cores-per-replica {size}: this machine has {len(cores)} usable cores")
    on_cpu = not gpus
    loaders = request.loader_workers or (1 if on_cpu else min(MOST_LOADERS, share))
    columns = [(column, runtime) for runtime in request.runtimes for column in request.frameworks]
    batches = batches_of(request, workload, on_cpu) if request.mode == "infer" else ()
    cells = []
    for repeat in range(request.repeats):
        order = -1 if repeat % 2 else 1
        for replicas in request.replicas[::order]:
            for column, runtime in columns[::order]:
                name = re.sub(r"[^A-Za-z0-9._]+", "-", workload.name)[:100].lstrip(".") or "workload"
                words = [name, column, request.arm, f"r{replicas}", request.precision, request.input_mode, str(repeat)]
                if request.mode != "train":
                    words.insert(2, request.mode if runtime == "framework" else runtime)
                cell_id = "-".join(words)
                cells.append(
                    Cell(
                        cell_id=cell_id,
                        framework=column.partition("@")[0],
                        arm=request.arm,
                        replicas=replicas,
                        device="cpu" if on_cpu else "cuda",
                        precision=request.precision,
                        input_mode=request.input_mode,
                        repeat=repeat,
                        seed=request.seed + repeat,
                        workload=workload,
                        store=store.path,
                        directory="",
                        cores=core_groups(cores, replicas, size) if on_cpu else (),
                        threads_per_replica=size if on_cpu else share,
                        epochs=epochs,
                        finetune=request.finetune,
                        loader_workers=loaders,
                        weights=None if request.weights is None else str(Path(request.weights).resolve()),
                        mode=request.mode,
                        batches=batches,
                        calls=request.steps or 0 if request.mode == "infer" else 0,
                        runtime=runtime,
                        variant=column if "@" in column else None,
                        python=(pythons or {}).get(column),
                    )
                )
    notes = list(notes)
    if on_cpu and size * max(request.replicas) > len(cores):
        notes.append(
            f"oversubscribed: {max(request.replicas)} replicas of {size} cores share {len(cores)}; no speedup there"
        )
    return Plan(
        device_name=machine.cpu_model() if on_cpu else gpus[0].name,
        store=store,
        tune=request.tune,
        timeout=request.timeout,
        cells=tuple(cells),
        notes=tuple(notes),
        keep_weights=request.keep_weights,
        gpu_selectors=tuple(gpu.selector for gpu in gpus),
    )
