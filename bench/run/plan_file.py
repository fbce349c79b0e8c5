"""A plan that is read back from a run's directory: checked field by field, since it may be somebody else's.

A plan says what processes are started with and which folders are emptied. So no cell of it names a place (they lie in
the run's directory, under ids that are plain names), an interpreter (`bench.run.resolve` finds them anew) or a file to
write; its numbers are such as `bench run` could have been asked for. The store and the initial weights may lie
anywhere: they are read alone, by readers that run nothing, and the resumed run says where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.host.interpreters import column_of
from bench.records.bounds import Batch, CellName, Epochs, Pixels, Repeat, Replicas, Seed, Size, Steps, first_problem
from bench.records.limits import LONGEST_TIMEOUT, MOST_BATCHES, MOST_CORES, MOST_LOADERS
from bench.run.plan import Plan
from shared import spec
from shared.errors import UserError
from shared.frameworks import KEYS
from shared.outside import inside
from shared.protocol import ARMS, CELL_SCHEMA, DEVICES, INPUT_MODES, MODES, PRECISIONS, RUNTIMES, Cell
from shared.store import SPLITS
from shared.store_facts import StoreFacts
from shared.tasks import NAMES as TASKS

# what a cell of a run never has: files to write, and what only other commands ask for
NEVER = {"checkpoint": None, "splits": None, "predictions": False, "logits": False}

Core = Annotated[int, Field(ge=0, lt=MOST_CORES)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Line = Annotated[str, Field(max_length=10_000)]


class Checked(BaseModel):
    """No further fields, no conversions: a number is a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CheckedCell(Checked):
    """The fields of a `Cell` as run.json may have them."""

    cell_id: CellName
    framework: Literal[KEYS]  # type: ignore[valid-type]
    arm: Literal[ARMS]  # type: ignore[valid-type]
    replicas: Replicas
    device: Literal[DEVICES]  # type: ignore[valid-type]
    precision: Literal[PRECISIONS]  # type: ignore[valid-type]
    input_mode: Literal[INPUT_MODES]  # type: ignore[valid-type]
    repeat: Repeat
    seed: Seed
    workload: dict[str, Any]
    store: FilePath
    directory: str
    cores: list[list[Core]] = Field(default=[], max_length=MOST_CORES)
    threads_per_replica: Annotated[int, Field(ge=1, le=MOST_CORES)] = 1
    epochs: Epochs = 0
    finetune: bool = False
    loader_workers: Annotated[int, Field(ge=1, le=MOST_LOADERS)] = 1
    weights: FilePath | None = None
    checkpoint: None = None
    splits: None = None
    exchange: bool = True
    parts: bool = False
    logits: Literal[False] = False
    predictions: Literal[False] = False
    mode: Literal[MODES] = "train"  # type: ignore[valid-type]
    batches: list[Batch] = Field(default=[], max_length=MOST_BATCHES)
    calls: Steps = 0
    runtime: Literal[RUNTIMES] = "framework"  # type: ignore[valid-type]
    variant: Annotated[str, Field(max_length=100)] | None = None
    python: str | None = None
    schema_: Annotated[int, Field(alias="schema")] = CELL_SCHEMA


class CheckedFacts(Checked):
    """The fields of `StoreFacts`."""

    path: FilePath
    name: Line
    digest: Line
    num_classes: Size
    split_sizes: dict[Literal[SPLITS], Size]  # type: ignore[valid-type]
    tasks: list[Literal[TASKS]] = Field(min_length=1)  # type: ignore[valid-type]
    image_size: Pixels | None = None
    max_tokens: Pixels | None = None
    vocabulary_size: Size | None = None
    vector_size: Size | None = None
    origin: Line | None = None
    outputs: dict[Literal[TASKS], Size] = Field(default_factory=dict)  # type: ignore[valid-type]


class CheckedPlan(Checked):
    """The fields of a `Plan`."""

    device_name: Line
    store: CheckedFacts
    tune: bool
    timeout: Annotated[float, Field(gt=0, le=LONGEST_TIMEOUT)] | None
    cells: list[dict[str, Any]] = Field(min_length=1, max_length=100_000)
    notes: list[Line]
    gpu_selectors: list[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9/:._-]+$", max_length=100)]
    ]  # an environment variable
    in_turns: bool = False  # runs of before 0.3.0 had none
    keep_weights: bool = False


def read_plan(content: Any, directory: Path) -> Plan:
    """A plan from JSON, for a run that lies in `directory`; its cells have no interpreter yet.

    Raises:
        UserError: something that no plan holds (the field is named), or that leads out of the run's directory.
    """
    try:
        plan = CheckedPlan.model_validate(content)
        cells = tuple(read_cell(each, f"cells.{index}.", directory) for index, each in enumerate(plan.cells))
    except ValidationError as error:
        raise UserError(damaged(directory, "", error)) from None
    names = [cell.cell_id for cell in cells]
    if len(set(names)) < len(names):
        raise UserError(f"{directory}: its plan has two cells of one id; start a new run")
    if (
        len({(cell.store, cell.weights, cell.workload.spec_hash) for cell in cells}) > 1
        or cells[0].store != plan.store.path
    ):
        raise UserError(f"{directory}: its plan has cells of several workloads, stores or weights; start a new run")
    given = plan.model_dump()
    store = given.pop("store")
    if set(store["split_sizes"]) != set(SPLITS):
        raise UserError(f"{directory}: its plan lacks the size of a split; start a new run")
    lists = {name: tuple(given[name]) for name in ("notes", "gpu_selectors")}
    return Plan(**given | lists | {"store": StoreFacts(**store | {"tasks": tuple(store["tasks"])}), "cells": cells})


def read_cell(content: Mapping[str, Any], where: str, directory: Path) -> Cell:
    """One cell of a plan."""
    try:
        found = CheckedCell.model_validate(content)
        if found.variant is not None and column_of(found.variant).framework != found.framework:
            raise ValueError(f"{found.variant} is no version of {found.framework}")
        if bool(found.batches) != (found.mode == "infer") or found.batches != sorted(set(found.batches)):
            raise ValueError(f"batches {found.batches} of mode {found.mode}")
    except ValidationError as error:
        raise UserError(damaged(directory, where, error)) from None
    except ValueError as error:
        raise UserError(f"{directory}: {where}of its plan: {error}; start a new run") from None
    place = inside(directory, f"cells/{found.cell_id}")
    given = found.model_dump(by_alias=True) | NEVER
    workload = spec.check(found.workload, str(directory))
    lists = {"cores": tuple(map(tuple, found.cores)), "batches": tuple(found.batches)}
    return Cell(**given | lists | {"workload": workload, "directory": str(place), "python": None})


def damaged(directory: Path, where: str, error: ValidationError) -> str:
    """The first thing that is wrong with a plan, in one line."""
    return f"{directory}: its plan: {where}{first_problem(error)}; start a new run"
