"""Which Python runs which wing: the one that was named, that of its environment, or this one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from bench.host.environments import Environment, environments
from bench.host.interpreters import Column, check_finds_code, check_has, versions_of
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS


def environment_of(column: Column) -> Environment | None:
    """The environment that `bench env` made for a column; None where this interpreter runs it, or nothing does.

    A version takes the newest environment that fits it. Without one, the environment in the version of constraints.txt
    comes before this interpreter; those in other versions were made to be asked for by version, and the newest of them
    is taken only where there is no pinned one and this interpreter lacks the framework.
    """
    found = environments(column.framework, column.version)
    if column.version is None:
        has_framework = versions_of(None)[FRAMEWORKS[column.framework].module] is not None
        pinned = [made for made in found if made.pinned]
        found = pinned or ([] if has_framework else found)
    return next(iter(found), None)


def wing_pythons(named: Iterable[tuple[str, str | None]] = ()) -> dict[str, str | None]:
    """The interpreter of each wing: the named ones, else its environment's, else this one (None).

    Args:
        named: framework and its interpreter, where there is a choice already.
    """
    chosen = dict(named)
    for framework in FRAMEWORKS:
        if framework not in chosen:
            made = environment_of(Column(framework))
            chosen[framework] = None if made is None else made.python
    return chosen


def named_wings(named: Mapping[str, str | None]) -> dict[str, str | None]:
    """The interpreter of each wing, where those named with the options of FRAMEWORKS are checked.

    Raises:
        UserError: as `check_has`, or as `check_finds_code`.
    """
    chosen = []
    for framework, python in named.items():
        if python is not None:
            try:
                chosen.append((framework, check_has(python, Column(framework)).path))
            except UserError as error:
                raise UserError(f"{FRAMEWORKS[framework].python_option} {error}") from None
    wings = wing_pythons(chosen)
    for framework, python in wings.items():
        check_finds_code(python, f"{FRAMEWORKS[framework].title} of {python}")
    return wings


def python_of(framework: str) -> str:
    """The interpreter that a framework's workers are started with where nothing else is asked for; its path."""
    return wing_pythons()[framework] or sys.executable
