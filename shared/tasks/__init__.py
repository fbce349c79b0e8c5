"""The tasks by name, each a module of this package that is imported when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.spec import Workload
    from shared.store import Store
    from shared.task import Task

NAMES = ("classification", "labels", "tags", "spans", "pretraining")
DEFAULT = NAMES[0]  # of a workload that names none


@cache
def task(name: str) -> Task:
    """The task of a name.

    Raises:
        ValueError: no such task.
    """
    if name not in NAMES:
        raise ValueError(f"unknown task {name!r}; known: {', '.join(NAMES)}")
    found: Task = import_module(f"shared.tasks.{name}").TASK
    return found


def task_of(workload: Workload) -> Task:
    """The task of a workload."""
    return task(workload.task)


def tasks_of_store(store: Store) -> tuple[str, ...]:
    """The tasks whose kind of labels a store has, the usual one first; DEFAULT where it has none of any kind."""
    return tuple(name for name in NAMES if task(name).has_labels(store)) or (DEFAULT,)


def task_of_store(store: Store) -> Task:
    """The usual task of a store's kind of labels."""
    return task(tasks_of_store(store)[0])
