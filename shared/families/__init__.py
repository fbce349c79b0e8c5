"""The model families by name, each a folder of this package that is imported when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.family import AnyFamily
    from shared.spec import Workload

NAMES = ("efficientnet", "bert", "layoutlmv2", "cnn", "han", "lstm")


@cache
def family(name: str) -> AnyFamily:
    """The family of a name.

    Raises:
        ValueError: no such family.
    """
    if name not in NAMES:
        raise ValueError(f"unknown family {name!r}; known: {', '.join(NAMES)}")
    found: AnyFamily = import_module(f"shared.families.{name}").FAMILY
    return found


def family_of(workload: Workload) -> AnyFamily:
    """The family of a workload's network."""
    return family(workload.model.family)
