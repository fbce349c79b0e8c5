"""The tasks by name, each a module of this package that is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.spec import Workload
    from shared.store import Store
    from shared.task import Task

NAMES = ("classification", "labels", "tags", "spans", "pretraining", "distilled_classification", "distilled_labels")
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


def distilled(name: str) -> str | None:
    """The task that distils the one of a name; None: there is none. One that is distilled itself stays what it is."""
    if task(name).distils is not None:
        return name
    return next((other for other in NAMES if task(other).distils == name), None)


def like(own: str, name: str) -> str:
    """A task, or the one that distils it where `own` is a distilled one."""
    return (distilled(name) or name) if task(own).distils is not None else name


def fitting(own: str, there: Sequence[str]) -> str | None:
    """The task that a workload gets on a store: its own, else the first with or without a teacher as its own is.

    Args:
        own: the workload's. there: those that the store has labels of, the usual one first.

    Returns:
        None: the workload learns from a teacher and the store has none.
    """
    if own in there:
        return own
    taught = task(own).distils is not None
    return next((name for name in there if (task(name).distils is not None) == taught), None)
