"""A teacher's logits of every document of a store, in parts that are kept: a large set takes hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.cells.launch import LOG, Limits, num_ranks, run_cell
from bench.data.partial import Partial
from bench.data.teacher import Identity, fingerprint, taught
from bench.distill.asked_words import asked_words
from bench.distill.teacher import Teacher
from bench.host.interpreters import column_of
from bench.host.processes import termination_as_interrupt
from bench.host.worker_environment import worker_environment
from bench.run import preflight
from bench.run.plan import Plan, Request, make_plan
from bench.run.resolve import choose_interpreters, pythons_of, resolve_device
from bench.run.stores import describe, kept_stores, resolve_store
from shared.errors import UserError
from shared.families import family_of
from shared.modalities import Words
from shared.outside import OutsideError, read_array, read_arrays
from shared.protocol import Cell
from shared.store import SPLITS, Store, file_sha256
from shared.store_facts import StoreFacts

DOCUMENTS_PER_PART = 8192  # a worker is started for each
NOT_ASKED = -1  # a split code that no split has
ASKED = SPLITS.index("test")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """What a teacher is asked with."""

    columns: tuple[str, ...]  # frameworks that may ask it, as `bench run` names them
    pythons: dict[str, str | None] = field(default_factory=dict)
    device: str = "auto"


def ask(teacher: Teacher, store: Store, identity: Identity, machine: Machine, out: Path, say: Say) -> Store:
    """The store with the teacher's logits of every document; reused where it is there, gone on with where a call was
    interrupted.

    Args:
        teacher: fitted to the store. store: of texts. identity: the teacher's. out: the new store's directory.

    Raises:
        UserError: the teacher's worker failed, or `taught` raises it.
    """
    if out.is_dir():
        return taught(store, np.zeros((0, 0), np.float32), identity, out)
    working = Partial(kept_stores() / f"asked-{fingerprint(identity)}")
    with working.locked():
        working.begin(fingerprint(identity), 0, 0)
        plan = plan_of(teacher, store, machine, say)
        count, codes = len(store.labels), working.root / "codes.npy"
        parts = [
            np.arange(begin, min(begin + DOCUMENTS_PER_PART, count)) for begin in range(0, count, DOCUMENTS_PER_PART)
        ]
        found: list[np.ndarray] = []
        with termination_as_interrupt():
            for number, rows in enumerate(parts):
                path = working.store / f"logits-{number}.npy"
                shape = (len(rows), len(store.classes))
                kept = kept_part(path, shape)
                if kept is None:
                    say(f"asking the teacher, {teacher.name}: part {number + 1} of {len(parts)}, {len(rows)} documents")
                    cell = replace(plan.cells[0], directory=str(working.root / "cell"), splits=str(codes), logits=True)
                    np.save(codes, codes_of(rows, count), allow_pickle=False)
                    kept = answer(cell, plan, rows, shape)
                    temporary = path.with_name(f".{path.name}")
                    np.save(temporary, kept, allow_pickle=False)
                    temporary.replace(path)
                found.append(kept)
        made = taught(store, np.concatenate(found), identity, out)
        working.remove()
    return made


def plan_of(teacher: Teacher, store: Store, machine: Machine, say: Say) -> Plan:
    """The cell that asks a teacher, on the store's texts as it reads them."""
    facts = as_it_reads(teacher, store, say)
    own = [name for name in machine.columns if column_of(name).framework == teacher.framework]
    column = (own or list(machine.columns))[0]
    framework = column_of(column).framework
    pythons = {key: python for key, python in machine.pythons.items() if key == framework}
    request = Request(
        frameworks=(column,), replicas=(1,), device=machine.device, weights=str(teacher.weights), pythons=pythons
    )
    _, gpus = resolve_device(request)
    plan = make_plan(request, teacher.workload, facts, 0, gpus, pythons=pythons_of(choose_interpreters(request)))
    for note in preflight.check(plan.sets):
        say(f"note: {note}")
    return plan


def as_it_reads(teacher: Teacher, store: Store, say: Say) -> StoreFacts:
    """The store's texts as tokens of the teacher's own vocabulary.

    Raises:
        UserError: nobody has said which that is.
    """
    if teacher.vocabulary is None:
        raise UserError(f"--teacher {teacher.origin}: which vocabulary are its tokens of? Name it with --teacher-vocab")
    for read in family_of(teacher.workload).modalities(teacher.workload):
        if isinstance(read, Words):
            digest = file_sha256(Path(teacher.vocabulary))[:8]
            out = kept_stores() / f"{store.digest}-{read.sentences}x{read.width}-words-{digest}"
            return describe(asked_words(store, read, teacher.vocabulary, out))
    return resolve_store(str(store.path), teacher.workload, False, say, teacher.vocabulary)


def codes_of(rows: np.ndarray, count: int) -> np.ndarray:
    """Split codes (int8, N) under which some rows alone are evaluated."""
    codes = np.full(count, NOT_ASKED, np.int8)
    codes[rows] = ASKED
    return codes


def kept_part(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The logits of a part that an earlier call has left; None: there are none of this shape."""
    try:
        found = read_array(path)
    except OutsideError:
        return None
    return found if found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all() else None


def answer(cell: Cell, plan: Plan, rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The logits (float32) of some rows, from a worker.

    Raises:
        UserError: it failed, or what it left is not a row for each.
    """
    variables = worker_environment(cell, True, plan.gpu_selectors[: cell.replicas])
    outcome = run_cell(cell, variables, Limits(), lambda progress: None)
    log = Path(cell.directory) / LOG
    if outcome.status != "ok":
        raise UserError(f"the teacher gave no answer ({outcome.status}: {outcome.reason}; log: {log})")
    split = SPLITS[ASKED]
    try:
        arrays = [read_arrays(cell.logits_path(rank)) for rank in range(num_ranks(cell))]
        samples = np.concatenate([each[f"{split}.samples"] for each in arrays])
        logits = np.concatenate([each[f"{split}.logits"] for each in arrays]).astype(np.float32)
    except (OutsideError, KeyError) as error:
        raise UserError(f"the teacher's answer cannot be read ({error}; log: {log})") from None
    by_row = np.argsort(samples, kind="stable")
    if not np.array_equal(samples[by_row], rows) or logits.shape != shape or not np.isfinite(logits).all():
        raise UserError(f"the teacher's answer is not one for each document (log: {log})")
    return np.ascontiguousarray(logits[by_row])
