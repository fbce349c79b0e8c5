"""The rooms: who imports whom, that nothing is loose, and that no family's and no task's name leaves its room."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import families, tasks
from tests.test_rules import ROOT, below, parse

MOST_LAYERS = 11
# the rooms of bench/, each of which imports from those before it alone
ROOMS = (
    "host", "terminal", "statistics",
    "records", "data",
    "monitors", "doctor",
    "cells", "show",
    "verify", "attribution",
    "run",
    "accuracy", "distill", "gate",
    "compare",
    "report",
    "cli",
    "studies",
)  # fmt: skip
PACKAGES = ("bench", "shared", "pt_impl", "tf_impl")
# where a family's or a task's name may stand beside its own room, and why
REGISTRIES = {"shared/families/__init__.py", "shared/tasks/__init__.py"}
# where a family's name is that of a paper whose figures are drawn (results/papers), or of the rows of its tables
PAPERS = {
    ("bench/show/figures/comparison.py", "layoutlmv2"),
    ("bench/studies/docbert/rows.py", "han"),
    ("bench/studies/docbert/rows.py", "lstm"),
}


def sources(*folders: str) -> dict[str, ast.Module]:
    """The modules of some folders, by path."""
    return {path.relative_to(ROOT).as_posix(): parse(path) for folder in folders for path in below(folder, ".py")}


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """The project's modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in known or node.module in known:
                    yield whole if whole in known else node.module


def room_of(module: str) -> str | None:
    """The room of bench/ that a module lies in; None: it lies in none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "bench" and len(parts) > 1 else None


def arrows() -> dict[str, set[str]]:
    """Room to the rooms that it imports from."""
    trees = sources("bench")
    known = {module_name(path) for path in trees}
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        room = room_of(module_name(path))
        if room in ROOMS:
            found[room] |= {other for name in imported(tree, known) if (other := room_of(name)) not in (None, room)}
    return found


def layers(graph: dict[str, set[str]]) -> dict[str, int]:
    """Room to the length of the longest chain of imports that begins there; 1: it imports from no other."""
    depth: dict[str, int] = {}

    def measure(room: str, above: tuple[str, ...] = ()) -> int:
        assert room not in above, f"a circle: {' -> '.join([*above, room])}"
        if room not in depth:
            depth[room] = 1 + max((measure(other, (*above, room)) for other in graph.get(room, ())), default=0)
        return depth[room]

    for room in graph:
        measure(room)
    return depth


def test_no_module_is_loose() -> None:
    loose = [path.name for path in below("bench", ".py") if path.parent == ROOT / "bench"]
    assert sorted(loose) == ["__init__.py", "__main__.py"]
    folders = {path.relative_to(ROOT / "bench").parts[0] for path in below("bench", ".py")} - set(loose)
    assert folders == set(ROOMS)


def test_rooms_import_downwards() -> None:
    found = arrows()
    upwards = {
        (room, other) for room, others in found.items() for other in others if ROOMS.index(other) > ROOMS.index(room)
    }
    assert upwards == set()
    assert max(layers(found).values()) <= MOST_LAYERS


def test_layers_are_counted_and_circles_found() -> None:
    assert layers({"a": {"b"}, "b": {"c"}, "c": set()}) == {"a": 3, "b": 2, "c": 1}
    with pytest.raises(AssertionError, match="a circle: a -> b -> a"):
        layers({"a": {"b"}, "b": {"a"}})


def test_modules_import_in_no_circle() -> None:
    """Of all four packages, at import time: what a function imports when it is called counts for rooms alone."""
    trees = sources(*PACKAGES)
    known = {module_name(path) for path in trees}
    graph = {
        module_name(path): set(imported(at_import(tree), known)) - {module_name(path)} for path, tree in trees.items()
    }
    layers(graph)


def at_import(tree: ast.Module) -> ast.Module:
    """The statements of a module that run when it is imported: none of a function's or of `if TYPE_CHECKING`."""

    def running(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from running(node.body)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    return ast.Module([*running(tree.body)], [])


def test_figures_are_drawn_where_they_belong() -> None:
    """matplotlib is imported in a feature's `figures` and in the common ones."""
    for path, tree in sources("bench").items():
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        if any(name.partition(".")[0] == "matplotlib" for name in names):
            assert "figures" in path or path.startswith("bench/report/"), path


def own_room(path: str, name: str) -> bool:
    """Whether a file is of the room of a family or a task."""
    return f"/families/{name}/" in path or path == f"shared/tasks/{name}.py"


def names_in_code(tree: ast.AST) -> Iterator[str]:
    """Texts of a module's code that are names, and the parts of the modules that it imports; no docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from node.module.split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("name", families.NAMES)
def test_no_family_is_named_outside_its_rooms(name: str) -> None:
    found = [
        path
        for path, tree in sources(*PACKAGES).items()
        if path not in REGISTRIES
        and (path, name) not in PAPERS
        and not own_room(path, name)
        and name in set(names_in_code(tree))
    ]
    assert found == []


def compared_or_asked(tree: ast.AST) -> Iterator[str]:
    """Texts that something is compared with, that the registry is asked for, or that are given as a task."""
    for node in ast.walk(tree):
        values: list[ast.AST] = []
        if isinstance(node, ast.Compare) and all(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            values = [node.left, *node.comparators]
        elif isinstance(node, ast.Call):
            asked = isinstance(node.func, ast.Attribute | ast.Name) and ast.unparse(node.func).endswith("task")
            values = [*(node.args if asked else ()), *(each.value for each in node.keywords if each.arg == "task")]
        for value in values:
            for part in value.elts if isinstance(value, ast.Tuple | ast.List | ast.Set) else (value,):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


@pytest.mark.parametrize("name", tasks.NAMES)
def test_no_task_is_named_outside_its_file(name: str) -> None:
    trees = {path: tree for path, tree in sources(*PACKAGES).items() if path not in REGISTRIES}
    asked = [path for path, tree in trees.items() if not own_room(path, name) and name in set(compared_or_asked(tree))]
    assert asked == []
    for path, tree in trees.items():
        of_tasks = path.startswith("shared/tasks/")  # one may be built on another
        assert of_tasks or f"shared.tasks.{name}" not in ast.unparse(tree), path


@pytest.mark.parametrize("source", ['if workload.task == "labels": pass', 'task("labels")', 'Record(task="labels")'])
def test_a_named_task_would_be_found(source: str) -> None:
    assert "labels" in set(compared_or_asked(ast.parse(source)))


def test_nobody_asks_which_class_a_workload_is() -> None:
    """But a family's own room, which knows its own."""
    found = []
    for path, tree in sources(*PACKAGES).items():
        for node in ast.walk(tree):
            asks = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            if asks and len(node.args) == 2 and "Workload" in ast.unparse(node.args[1]):
                found.append(path)
    assert [path for path in found if not any(own_room(path, name) for name in families.NAMES)] == []


def test_a_family_is_the_same_files_everywhere() -> None:
    """A room of either wing has the files of the other's, and every family has a room in all three places."""
    for name in families.NAMES:
        for package in PACKAGES[1:]:
            assert (ROOT / package / "families" / name / "__init__.py").is_file(), (package, name)


def test_names_of_folders_are_no_standard_modules_at_the_top() -> None:
    """A program that is started by its path has its folder first on the search path."""
    assert not (Path(ROOT) / "statistics").exists()
