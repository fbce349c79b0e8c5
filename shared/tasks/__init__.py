"""The tasks by name, each a module of this package that is imported when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.spec import Workload
    from shared.store import Store
    from shared.task import Task

NAMES = ("classification", "labels")


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
    """The task that a workload trains for."""
    return task("labels" if workload.model.multi_label else "classification")


def task_of_store(store: Store) -> Task:
    """The first task whose kind of labels a store has.

    Raises:
        ValueError: there is none.
    """
    for name in NAMES:
        if task(name).has_labels(store):
            return task(name)
    raise ValueError(f"labels of {store.labels.ndim} axes are of no known task")
