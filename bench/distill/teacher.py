"""The teacher: a trained text network, from a run that kept its weights or from a file of weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.data.teacher import Identity, identity_of
from bench.data.vocabulary_files import load_vocabulary
from bench.distill.asked_words import word_list
from bench.records.directory import PLAN
from bench.records.record import STAGES, Record, read_records
from bench.run.execution import ACCURACY_KIND, WEIGHTS
from bench.run.plan_file import read_plan
from shared import spec
from shared.errors import UserError
from shared.families import family_of
from shared.modalities import Tokens, Words
from shared.outside import inside, read_json
from shared.protocol import Cell
from shared.spec import FULL, Workload
from shared.store import VOCABULARY, Store, file_sha256, open_store
from shared.tasks import task, task_of, task_of_store
from shared.weights import checked_file, load_weights, read_tensors

TEXT = (Tokens, Words)  # what a teacher reads, and nothing else


@dataclass(frozen=True)
class Teacher:
    """A trained network and what it needs to be asked."""

    workload: Workload
    weights: Path  # safetensors
    vocabulary: str | None  # that its tokens are of; None: nobody has said
    classes: tuple[str, ...] | None  # None: weights alone do not tell
    documents: str | None  # the store that it was trained on; None: not known
    framework: str | None  # that it was trained with; None: not known
    origin: str  # for messages

    @property
    def name(self) -> str:
        """Its workload and preset."""
        return f"{self.workload.name} ({self.workload.preset})"

    def identity(self, store: Store) -> Identity:
        """Who it is and what it was asked about."""
        weights = file_sha256(checked_file(self.weights))
        return identity_of(store, self.name, weights, self.workload.spec_hash, origin=self.origin)


def find_teacher(named: str, workload: str | None, preset: str | None, vocabulary: str | None) -> Teacher:
    """The teacher that the user named.

    Args:
        named: a run's folder, or a file of weights. workload, preset, vocabulary: of weights; a run tells them itself.

    Raises:
        UserError: nothing there, options that contradict it, or a run without a network that can be asked.
    """
    path = Path(named)
    if (path / PLAN).is_file():
        given = {"--teacher-workload": workload, "--teacher-preset": preset, "--teacher-vocab": vocabulary}
        extra = [option for option, value in given.items() if value is not None]
        if extra:
            raise UserError(f"{extra[0]}: the run {path} says that itself; leave it out")
        return of_run(path)
    try:
        checked_file(path)
    except UserError as error:
        raise UserError(f"--teacher {error}, or the folder of a run that kept its weights") from None
    if workload is None:
        raise UserError(f"--teacher {path}: weights alone do not say of which network; name it with --teacher-workload")
    return Teacher(spec.load(workload, preset or FULL), path, vocabulary, None, None, None, str(path))


def of_run(path: Path) -> Teacher:
    """The network of a run that did best on validation.

    Raises:
        UserError: no run of `bench run`, none of its cells kept its weights, or its documents have changed since.
    """
    content = read_json(path / PLAN)
    if not isinstance(content, dict) or content.get("kind") == ACCURACY_KIND:
        raise UserError(f"--teacher {path}: a run of `bench accuracy` keeps no weights; train with `bench run`")
    plan = read_plan(content.get("plan", {}), path)
    ok = {record.cell_id: record for record in read_records([path]) if record.status == "ok"}
    able = [
        (cell, inside(path, f"cells/{cell.cell_id}/{WEIGHTS}"))
        for cell in plan.cells
        if cell.cell_id in ok and cell.arm == "matched"
    ]
    able = [(cell, weights) for cell, weights in able if weights.is_file()]
    if not able:
        raise UserError(f"--teacher {path}: no cell of it has left weights; train it with `bench run --keep-weights`")
    cell, weights = max(able, key=lambda each: validation(ok[each[0].cell_id]))  # the first of those that are equal
    store = open_store(plan.store.path, checksums=None)
    if store.digest != plan.store.digest:
        raise UserError(f"--teacher {path}: its documents ({plan.store.path}) are not those it was trained on any more")
    vocabulary = store.path / VOCABULARY
    return Teacher(
        workload=cell.workload,
        weights=weights,
        vocabulary=str(vocabulary) if VOCABULARY in store.manifest["bytes"] else None,
        classes=tuple(store.classes),
        documents=plan.store.path,
        framework=cell.framework,
        origin=told(path, cell),
    )


def told(path: Path, cell: Cell) -> str:
    """Where a network is from, in a manifest that may be published: without the folders above its run."""
    return f"{path.resolve().name}: {cell.cell_id}"


def validation(record: Record) -> float:
    """The score on the validation split after the last stage; less than any where there is none."""
    for stage in reversed(STAGES):
        for split in ("val", "test"):
            found = record.scores.get(stage, {}).get(split, {}).get(record.headline)  # type: ignore[call-overload]
            if found is not None:
                return float(found)
    return float("-inf")


def fit_teacher(teacher: Teacher, store: Store) -> Teacher:
    """The teacher with the classes of some documents and without a teacher of its own, seen to fit both.

    Raises:
        UserError: it reads more than text, other classes or another kind of labels, or weights of another network.
    """
    workload, family = teacher.workload, family_of(teacher.workload)
    where = f"--teacher {teacher.origin}"
    if not all(isinstance(modality, TEXT) for modality in family.modalities(workload)):
        read = family.describe(workload).unit
        raise UserError(
            f"{where}: {workload.name} reads {read}s; a teacher is asked about text alone, name one of text"
        )
    own, theirs = task_of(workload), task_of_store(store)
    own = own if own.distils is None else task(own.distils)
    if teacher.classes is None:
        own = theirs
    if own.name != theirs.name:
        raise UserError(f"{where}: learnt {own.labelled}; the documents of {store.path} have {theirs.labelled}")
    check_classes(teacher, store, where)
    changes = {"task": own.name, "distillation": None, "model.num_classes": len(store.classes)}
    if teacher.classes is None:
        changes |= vocabulary_size(teacher, where)
    workload = workload.overridden(changes, where)
    try:
        load_weights(teacher.weights, workload, seed=None)
    except UserError as error:
        raise UserError(f"--teacher {error}; is it a trained {workload.name} ({workload.preset})?") from None
    return replace(teacher, workload=workload)


def check_classes(teacher: Teacher, store: Store, where: str) -> None:
    """Raises UserError where a teacher's classes are not those of the documents, in their order."""
    if teacher.classes is not None:
        if teacher.classes != tuple(store.classes):
            odd = sorted(set(teacher.classes) ^ set(store.classes))
            first = f"{odd[0]!r} is of one of them alone" if odd else "they stand in another order"
            raise UserError(
                f"{where}: its {len(teacher.classes)} classes are not the {len(store.classes)} of {store.path} "
                f"({first}); give the documents that it was trained on"
            )
        return
    classifier = read_tensors(teacher.weights).get("classifier.weight")
    if classifier is None:
        raise UserError(f"{where}: no classifier in it, so it was trained for nothing yet; give a trained network's")
    if len(classifier) != len(store.classes):
        raise UserError(f"{where}: a teacher of {len(classifier)} classes; {store.path} has {len(store.classes)}")


def vocabulary_size(teacher: Teacher, where: str) -> dict[str, int]:
    """The setting of a network by its vocabulary.

    Raises:
        UserError: nobody has said which it is.
    """
    family = family_of(teacher.workload)
    if "vocabulary_size" not in family.sizes:
        return {}
    if teacher.vocabulary is None:
        raise UserError(f"{where}: which vocabulary are its tokens of? Name it with --teacher-vocab")
    if any(isinstance(read, Words) for read in family.modalities(teacher.workload)):
        return {"model.vocabulary_size": len(word_list(teacher.vocabulary))}
    return {"model.vocabulary_size": len(load_vocabulary(teacher.vocabulary).tokens)}
