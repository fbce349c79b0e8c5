"""The trainings of `bench accuracy`: each member's on the splits, and stage 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.accuracy.overlap import shared_documents
from bench.accuracy.request import AccuracyRequest, Training, training_of
from bench.host import machine
from bench.records import certificates
from bench.run.plan import Request, make_plan
from bench.run.resolve import choose_interpreters, pythons_of
from bench.run.stores import resolve_store
from shared.errors import UserError
from shared.families import family_of
from shared.protocol import Cell
from shared.spec import Workload
from shared.store import SPLITS, Store, open_store
from shared.store_facts import StoreFacts
from shared.tasks import task_of_store

LEFT_OUT = -1  # a split code that no split has

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """A training that is the same for every split but for its documents: a member's, or stage 1."""

    member: str
    workload: Workload
    facts: StoreFacts
    training: Training
    weights_origin: str
    cells: dict[str, Cell]  # by framework; their ids, seeds, splits and places are given later
    certificate_id: str | None
    codes: np.ndarray | None = None  # stage 1: int8, the documents it may train on
    overlap: int | None = None

    @property
    def epochs(self) -> int:
        """Of the training that this is."""
        if self.training == "full":
            return self.workload.train.epochs
        stage = family_of(self.workload).second_stage(self.workload)
        assert stage is not None, "the request refuses a second stage where there is none"
        return stage.epochs


def facts_of(workload: Workload, asked: Request, say: Say) -> StoreFacts:
    """The store that a workload reads the evaluated documents from; made where it is not there yet.

    Args:
        asked: for its member.
    """
    return resolve_store(asked.data, workload, False, say, asked.vocab, asked.vectors)


def fit(workload: Workload, facts: StoreFacts, num_train: int, replicas: int) -> Workload:
    """The workload with the store's classes and vocabulary.

    Raises:
        UserError: fewer training documents than a global batch.
    """
    fitted = family_of(workload).fit(workload, facts)
    changes = {"model.num_classes": facts.num_classes} | {key: value for key, (value, _) in fitted.items()}
    batch = workload.train.batch_per_replica * replicas
    if num_train < batch:
        raise UserError(
            f"{num_train} documents train, a step of {workload.name} on {replicas} replica(s) needs {batch}: "
            "use more --per-class or fewer --gpus"
        )
    return workload.overridden(changes, facts.path)


def make_stage(
    request: AccuracyRequest,
    member: str,
    asked: Request,
    workload: Workload,
    facts: StoreFacts,
    gpus: Sequence[machine.Gpu],
) -> Stage:
    """A member's training on the splits."""
    training = training_of(request, member)
    if training == "classifier" and request.epochs is not None:
        workload = workload.overridden({"finetune.epochs": request.epochs}, "--epochs")
    origin = asked.weights or "a seeded start"
    if member == "image" and request.pretrain:
        origin = f"stage 1 on {Path(request.pretrain).name}, from {origin}"
    epochs = workload.train.epochs if training == "full" else 0
    planned = make_plan(asked, workload, facts, epochs, gpus, pythons=pythons_of(choose_interpreters(asked)))
    cells = {
        cell.framework: replace(cell, finetune=training == "classifier", predictions=True) for cell in planned.cells
    }
    certificate = certificates.find(workload)
    return Stage(member, workload, facts, training, origin, cells, certificate.id if certificate else None)


def make_stage1(
    request: AccuracyRequest,
    asked: Request,
    workload: Workload,
    small: Store,
    small_facts: StoreFacts,
    gpus: Sequence[machine.Gpu],
    say: Say,
) -> Stage:
    """Stage 1: the image model on a large set without the documents that are evaluated (paper sections 4.1 and 5.1).

    Args:
        asked: what `bench run` would be asked for; its `epochs` are those of this stage.
        small, small_facts: the documents that are evaluated, as prepared and as the image model reads them.

    Raises:
        UserError: the large store holds no pages, or too few are left to train on.
    """
    assert request.pretrain is not None
    large = open_store(request.pretrain, checksums=None)
    if not task_of_store(large).single or large.pixels is None:
        lacks = "no pages" if large.pixels is None else f"documents with {task_of_store(large).labelled}"
        raise UserError(f"--pretrain {request.pretrain}: holds {lacks}; the image model needs pages of one label each")
    facts = resolve_store(request.pretrain, workload, False, say)
    say("looking for documents that stage 1 and the evaluation share")
    overlapping = shared_documents(large, open_store(facts.path), small, open_store(small_facts.path))
    codes = np.where(overlapping, np.int8(LEFT_OUT), large.split_codes).astype(np.int8)
    num_train, batch = int((codes == 0).sum()), workload.train.batch_per_replica * request.replicas
    if num_train < batch:
        raise UserError(
            f"--pretrain {request.pretrain}: {num_train} documents to train on are left without the "
            f"{int(overlapping.sum())} that are evaluated; a step needs {batch}"
        )
    workload = workload.overridden({"model.num_classes": facts.num_classes}, facts.path)
    sizes = {split: int((codes == code).sum()) for code, split in enumerate(SPLITS)}
    pythons = pythons_of(choose_interpreters(asked))
    planned = make_plan(
        asked, workload, replace(facts, split_sizes=sizes), workload.train.epochs, gpus, pythons=pythons
    )
    certificate = certificates.find(workload)
    return Stage(
        member="image",
        workload=workload,
        facts=facts,
        training="full",
        weights_origin=asked.weights or "a seeded start",
        cells={cell.framework: cell for cell in planned.cells},
        certificate_id=certificate.id if certificate else None,
        codes=codes,
        overlap=int(overlapping.sum()),
    )
