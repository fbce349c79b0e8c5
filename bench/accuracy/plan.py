"""From what `bench accuracy` was asked for to its cells."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.accuracy.protocol import Protocol, check_documents, split_codes
from bench.accuracy.request import (
    AccuracyRequest,
    check_content,
    check_families,
    check_members,
    member_request,
    scaled_protocol,
)
from bench.accuracy.stages import Say, Stage, facts_of, fit, make_stage, make_stage1
from bench.host import machine
from bench.host.files import write_atomically
from bench.run.resolve import check_request, check_weights, resolve_device, resolve_workload
from shared.errors import UserError
from shared.outside import read_array
from shared.protocol import Cell
from shared.store import Store, open_store
from shared.store_facts import StoreFacts


@dataclass(frozen=True)
class AccuracyPlan:
    """Everything that `bench accuracy` runs."""

    request: AccuracyRequest
    protocol: Protocol
    store: Store
    device: str
    device_name: str
    members: tuple[Stage, ...]
    stage1: Stage | None
    gpu_selectors: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def codes(self, split: int) -> np.ndarray:
        """The split of every document (int8, N)."""
        return split_codes(self.store.labels, self.protocol, split, self.request.seed)

    def identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        stages = [*self.members, *([self.stage1] if self.stage1 else [])]
        return {
            "protocol": self.protocol.model_dump(),
            "data": self.store.digest,
            "workloads": [[stage.workload.spec_hash, stage.facts.digest, stage.overlap] for stage in stages],
        }


def check_same_documents(store: Store, facts: StoreFacts) -> None:
    """Whether a member's store holds the evaluated documents in their order: split codes are by position.

    Raises:
        UserError: it does not, as synthetic pages and texts of presets that differ in their number.
    """
    if not np.array_equal(open_store(facts.path).labels, store.labels):
        raise UserError(
            f"{facts.path}: its documents are not those of {store.path}; "
            "choose presets with as many synthetic pages, or name a store with --data"
        )


@dataclass(frozen=True)
class Job:
    """A cell, and what it is for."""

    stage: Stage
    cell: Cell
    split: int | None  # None: stage 1

    @property
    def total_steps(self) -> int:
        """Training steps of the cell."""
        return self.num_train // self.cell.global_batch * self.stage.epochs

    @property
    def num_train(self) -> int:
        """Documents that the cell trains on."""
        return int((read_array(self.splits_path) == 0).sum())

    @property
    def splits_path(self) -> Path:
        """The file of the cell's split codes."""
        assert self.cell.splits is not None
        return Path(self.cell.splits)


def make_accuracy_plan(request: AccuracyRequest, say: Say) -> AccuracyPlan:
    """The plan of a request; makes the stores that its members read where they are not there yet.

    Raises:
        UserError: whatever the user got wrong.
    """
    check_members(request)
    given = {member: member_request(request, member) for member in request.members}
    for each in given.values():
        check_request(each)
    device, gpus = resolve_device(given[request.members[0]])
    workloads = {member: resolve_workload(each, device) for member, each in given.items()}
    check_families(workloads)
    if request.data is not None:  # before anything is made from it
        check_content(documents := open_store(request.data, checksums=None), request.members)
        check_documents(documents, scaled_protocol(request, documents)[0])
    facts = {member: facts_of(workload, given[member], say) for member, workload in workloads.items()}
    store = open_store(request.data or facts[request.members[0]].path, checksums=None)
    protocol, notes = scaled_protocol(request, store)
    check_documents(store, protocol)
    stages = []
    for member, workload in workloads.items():
        check_same_documents(store, facts[member])
        fitted = fit(workload, facts[member], protocol.train_per_class * len(store.classes), request.replicas)
        check_weights(given[member], fitted)
        stages.append(make_stage(request, member, given[member], fitted, facts[member], gpus))
    stage1 = None
    if request.pretrain:
        asked = replace(given["image"], epochs=request.pretrain_epochs)
        stage1 = make_stage1(request, asked, resolve_workload(asked, device), store, facts["image"], gpus, say)
        notes.append(f"stage 1 leaves out {stage1.overlap} documents that are among those evaluated")
    return AccuracyPlan(
        request=request,
        protocol=protocol,
        store=store,
        device=device,
        device_name=gpus[0].name if gpus else machine.cpu_model(),
        members=tuple(stages),
        stage1=stage1,
        gpu_selectors=tuple(gpu.selector for gpu in gpus),
        notes=tuple(notes),
    )


def stage1_jobs(plan: AccuracyPlan, directory: Path) -> list[Job]:
    """Stage 1, once per framework; none where it was not asked for. Writes its split codes."""
    if plan.stage1 is None:
        return []
    assert plan.stage1.codes is not None
    splits = write_codes(directory, "pretrain", plan.stage1.codes)
    (directory / "pretrained").mkdir(exist_ok=True)
    jobs = []
    for framework, cell in plan.stage1.cells.items():
        cell = replace(cell, splits=splits, checkpoint=str(checkpoint_path(directory, framework)))
        jobs.append(Job(plan.stage1, placed(cell, f"{framework}-image-pretrain", directory), None))
    return jobs


def split_jobs(plan: AccuracyPlan, directory: Path, split: int) -> list[Job]:
    """The cells of one split: every member in every framework, from the same seed. Writes its split codes."""
    splits = write_codes(directory, f"{split:02}", plan.codes(split))
    jobs = []
    for stage in plan.members:
        for framework, cell in stage.cells.items():
            pretrained = plan.stage1 is not None and stage.member == "image"
            cell = replace(
                cell,
                splits=splits,
                seed=plan.request.seed + split,
                repeat=split,
                weights=str(checkpoint_path(directory, framework)) if pretrained else cell.weights,
            )
            jobs.append(Job(stage, placed(cell, f"{framework}-{stage.member}-{split:02}", directory), split))
    return jobs


def placed(cell: Cell, cell_id: str, directory: Path) -> Cell:
    """A cell with its name and its place in the run's directory."""
    return replace(cell, cell_id=cell_id, directory=str(directory / "cells" / cell_id))


def checkpoint_path(directory: Path, framework: str) -> Path:
    """Where stage 1 of a framework leaves its weights."""
    return directory / "pretrained" / f"{framework}.safetensors"


def write_codes(directory: Path, name: str, codes: np.ndarray) -> str:
    """Write split codes for the workers; the file's path."""
    path = directory / "splits" / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, codes, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
    return str(path)
