"""One seam for frameworks: what differs between them is an entry of `shared.frameworks`; no other module asks."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args

import pytest

from bench.doctor import frameworks as doctor
from bench.records.record import Record
from bench.show import titles
from bench.show.figures import style
from shared import families
from shared.frameworks import FRAMEWORKS, KEYS, Framework, framework
from shared.protocol import ARMS

ROOT = Path(__file__).resolve().parents[2]
# modules (patterns of their paths) that name a framework by its key all the same, and why
EXCEPTIONS = {
    "shared/frameworks.py": "the seam",
    "bench/doctor/frameworks.py": "programs in each framework's own language, and how it is installed: tables by key",
    "bench/records/record.py": "the file format: a literal type, so that type checkers know it",
    "bench/show/titles.py": "a table by key of the settings that hold versions",
    "bench/show/figures/style.py": "colours, markers and hatches: tables by key",
    "bench/studies/coverage/order.py": "invented speeds of a simulation",
    "bench/studies/harness_cost.py": "the one cell that the study runs",
    "shared/ladder.py": "each mutation says which wing it is planted in",
    "shared/distillation.py": "each mutation says which wing it is planted in",
    "shared/families/*/ladder.py": "each mutation says which wing it is planted in",
    "shared/families/*/contest.py": "who takes part in a contest, and against whom",
}
CONTESTS = {name: families.family(name).contest for name in families.NAMES}
# a key by itself, or at the beginning of a name: "pt", "tf_impl", "pt@2.13", "tf-matched"; "tf-idf" is none
NAMES_ONE = re.compile(rf"({'|'.join(KEYS)})([_+@-](?!idf\b)\S*)?")


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and value of every text in a module's code, but for docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def named(source: str) -> list[int]:
    """The lines of a module that name a framework by its key."""
    return [line for line, text in texts(ast.parse(source)) if NAMES_ONE.fullmatch(text.removeprefix("--"))]


def modules() -> dict[str, str]:
    """The sources of the harness and of what the wings share, by path."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for package in ("bench", "shared")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def test_no_other_module_names_a_framework() -> None:
    found = {path: lines for path, source in modules().items() if (lines := named(source))}
    excepted = {path: [pattern for pattern in EXCEPTIONS if fnmatch(path, pattern)] for path in found}
    assert {path: found[path] for path, patterns in excepted.items() if not patterns} == {}
    used = {pattern for patterns in excepted.values() for pattern in patterns}
    assert used == set(EXCEPTIONS), "an exception for a module that names none"


@pytest.mark.parametrize(
    "source",
    ['x = cell.framework == "pt"', 'for wing in ("tf", "pt"):\n  pass', 'f"pt_impl.worker"', 'x = ["--tf-python"]'],
)
def test_the_rule_can_fail(source: str) -> None:
    assert named(source)


@pytest.mark.parametrize("source", ['"""pt"""', 'x = "tf-idf"', 'x = "optimizer"', 'x = "pt and tf"'])
def test_the_rule_lets_other_texts_pass(source: str) -> None:
    assert not named(source)


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("styles", {tuple(name.split("-")) for name in style.STYLES}),
        *((f"copies in {name}", set(contest.copies)) for name, contest in CONTESTS.items() if contest.loop),
        *(
            (f"mutations of {name}", {mutation.wing for mutation in families.family(name).ladder.mutations})
            for name in families.NAMES
        ),
        ("records", set(get_args(Record.model_fields["framework"].annotation))),
        *((name, set(getattr(doctor, name))) for name in ("BODIES", "GPU_BUILDS", "BLIND")),
        *((name, set(getattr(style, name))) for name in ("MORE_MARKERS", "MORE_HATCHES")),
        ("titles", set(titles.VERSION_KEYS)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tables_by_key_cover_every_framework(table: str, keys: set[object]) -> None:
    wanted = {(key, arm) for key in KEYS for arm in ARMS} if table == "styles" else set(KEYS)
    assert keys == wanted


def test_titles_read_the_setting_that_workers_report() -> None:
    assert {key: each.version_setting for key, each in FRAMEWORKS.items()} == titles.VERSION_KEYS


@pytest.mark.parametrize("each", FRAMEWORKS.values(), ids=KEYS)
def test_an_entry_agrees_with_the_project(each: Framework) -> None:
    assert (ROOT / each.wing / "worker.py").is_file()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(each.packages) == {re.split(r"[<>=]", requirement)[0] for requirement in extras[each.key]}
    assert each.packages[0] == each.module
    assert set(each.proven) | set(each.versions.values()) | set(each.companions) <= set(each.packages)
    assert each.versions[each.version_setting] == each.module
    assert each.process_per_replica == (each.launcher is not None)


def test_processes_of_a_cell() -> None:
    assert [framework("pt").num_processes(replicas) for replicas in (1, 4)] == [1, 4]
    assert [framework("tf").num_processes(replicas) for replicas in (1, 4)] == [1, 1]


def test_an_unknown_framework_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown framework 'jax'; known: pt, tf"):
        framework("jax")
