"""From a teacher and documents to the store that a student is trained on by an ordinary `bench run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.data.prepare import silent
from bench.data.source import Progress
from bench.data.teacher import check_no_other, fingerprint, same_teacher
from bench.distill.ask import Machine, ask
from bench.distill.teacher import TEXT, Teacher, find_teacher, fit_teacher
from bench.distill.transfer import Augmentation, check_store, is_transfer_set, make_transfer_set, report_of
from bench.run.stores import kept_stores
from shared.errors import UserError
from shared.families import family_of
from shared.spec import Workload
from shared.store import SPLITS, Store, open_store
from shared.tasks import task_of_store

USUAL_COPIES = 4
# Adhikari et al. (DocBERT, 2019), section 4.2: the weight of a divergence, by whether documents have several labels
PUBLISHED_WEIGHTS = {True: 1.0, False: 4.0}

Say = Callable[[str], None]


@dataclass(frozen=True)
class DistillRequest:
    """What `bench distill` was asked for beside the student's run, as typed."""

    teacher: str
    teacher_workload: str | None = None
    teacher_preset: str | None = None
    teacher_vocab: str | None = None
    data: str | None = None
    copies: int | None = None
    transfer_seed: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Prepared:
    """What a student is trained on."""

    store: Store
    teacher: Teacher
    lines: tuple[str, ...]  # for the user


def prepare(request: DistillRequest, machine: Machine, say: Say, progress: Progress = silent) -> Prepared:
    """The transfer set with the teacher's logits, made once and kept.

    Args:
        machine: what the teacher is asked with.

    Raises:
        UserError: whatever the user got wrong.
    """
    teacher = find_teacher(request.teacher, request.teacher_workload, request.teacher_preset, request.teacher_vocab)
    data = request.data or teacher.documents
    if data is None:
        raise UserError(f"--teacher {request.teacher}: weights do not say what documents they are of; name --data")
    documents = open_store(data, checksums=None)
    check_store(documents)
    teacher = fit_teacher(teacher, documents)
    if (found := documents.manifest.get("teacher")) is not None:
        check_no_other(documents, teacher.identity(documents))
        say(f"{documents.path}: has the logits of {found['name']} already")
    texts = transfer_set(request, documents, say, progress)
    identity = teacher.identity(texts)
    out = kept_stores() / f"{texts.path.name}-taught-{fingerprint(identity)[:8]}"
    store = texts if same_teacher(texts, identity) else ask(teacher, texts, identity, machine, out, say)
    report = report_of(store)
    lines = [f"teacher: {teacher.name} of {teacher.origin}", *(report.lines() if report else ())]
    return Prepared(store, teacher, (*lines, teacher_line(store), f"store: {store.path}"))


def transfer_set(request: DistillRequest, documents: Store, say: Say, progress: Progress) -> Store:
    """The transfer set of some documents; they themselves where they are one.

    Raises:
        UserError: settings of a transfer set that is there already.
    """
    if is_transfer_set(documents):
        given = {"--copies": request.copies, "--transfer-seed": request.transfer_seed}
        extra = [option for option, value in given.items() if value is not None]
        if extra:
            raise UserError(f"{extra[0]}: {documents.path} is a transfer set already; leave it out")
        return documents
    copies = USUAL_COPIES if request.copies is None else request.copies
    augmentation = Augmentation(copies, request.transfer_seed or 0)
    out = kept_stores() / f"{documents.digest}-transfer-{augmentation.fingerprint(documents)[:8]}"
    if not out.is_dir():
        num_train = len(documents.indices(SPLITS[0]))
        say(f"making a transfer set of {copies} times {num_train} training texts: {out}")
        out.parent.mkdir(parents=True, exist_ok=True)
    return make_transfer_set(documents, augmentation, out, request.workers, progress)


def check_student(workload: Workload) -> None:
    """Raises UserError where a student reads what a transfer set has not: it is of texts."""
    family = family_of(workload)
    if not all(isinstance(modality, TEXT) for modality in family.modalities(workload)):
        read = family.describe(workload).unit
        raise UserError(f"--student {workload.name}: reads {read}s; a transfer set is text alone, name one of text")


def teacher_line(store: Store) -> str:
    """How well the teacher's logits fit the documents' labels."""
    task = task_of_store(store)
    assert store.teacher is not None, "it was asked"
    shares = []
    for split in SPLITS:
        rows = store.indices(split)
        if len(rows):
            scores = task.scores(task.count(np.asarray(store.teacher[rows]), store.labels[rows]))  # type: ignore[attr-defined]
            shares.append(f"{split} {scores[task.headline]:.1%}")
    return f"the teacher's own {task.metrics[task.headline].title}: {', '.join(shares)}"


def settings_of(store: Store, given: dict[str, Any], own_weight: bool) -> dict[str, Any]:
    """The table `distillation` of a student.

    Args:
        given: by the user; None: not said. own_weight: whether the student's workload has a weight of its own.
    """
    if given["weight"] is None and not own_weight:
        return given | {"weight": PUBLISHED_WEIGHTS[store.multi_label]}
    return given
