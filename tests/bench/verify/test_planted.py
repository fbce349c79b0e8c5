"""Every difference that a family's ladder names can be planted: its function is there, in the wing that it is for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bench.host.locations import PROJECT_ROOT
from shared import families, tasks
from shared.frameworks import KEYS, framework
from shared.ladder import Mutation

OF_FAMILIES = {name: families.family(name).ladder.all_mutations for name in families.NAMES}
OF_TASKS = {name: tasks.task(name).mutations for name in tasks.NAMES}  # whatever the family
CASES = [
    pytest.param(name, mutation, id=f"{name}: {mutation.name}")
    for name, mutations in (OF_FAMILIES | OF_TASKS).items()
    for mutation in mutations
    if mutation.function
]


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """The public functions that a module defines."""
    body = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}


def modules(wing: str, family: str) -> tuple[Path, ...]:
    """Where a wing looks for a mutation: its family's room, then the wing itself; one of a task has no room."""
    root = PROJECT_ROOT / framework(wing).wing
    rooms = [root / "families" / family / "mutations.py"] if family in families.NAMES else []
    return (*rooms, root / "mutations.py")


@pytest.mark.parametrize(("family", "mutation"), CASES)
def test_a_mutations_function_is_in_its_wing(family: str, mutation: Mutation) -> None:
    found = [functions(path)[mutation.function] for path in modules(mutation.wing, family)
             if mutation.function in functions(path)]  # fmt: skip
    assert len(found) == 1, "in the family's room or in the wing's own module, not in both"
    arguments = found[0].args
    assert not [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs], "it is called without arguments"
    assert ast.get_docstring(found[0])


@pytest.mark.parametrize("wing", KEYS)
@pytest.mark.parametrize("family", families.NAMES)
def test_no_room_has_a_mutation_that_nobody_plants(wing: str, family: str) -> None:
    mutations = families.family(family).ladder.mutations
    named = {mutation.function for mutation in mutations if mutation.wing == wing and mutation.function}
    assert set(functions(modules(wing, family)[0])) == named


@pytest.mark.parametrize("wing", KEYS)
def test_no_wing_has_a_mutation_that_nobody_plants(wing: str) -> None:
    every = [*OF_FAMILIES.values(), *OF_TASKS.values()]
    named = {each.function for mutations in every for each in mutations if each.wing == wing}
    assert set(functions(modules(wing, families.NAMES[0])[1])) <= named | {"plant", "load_in_this_process"}


@pytest.mark.parametrize("wing", KEYS)
def test_each_rooms_functions_are_told_what_they_do(wing: str) -> None:
    for family in families.NAMES:
        assert all(ast.get_docstring(each) for path in modules(wing, family) for each in functions(path).values())
