"""The rules of the house that no type checker knows: who imports whom, the twins' mirror, sources, pins, sizes."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

from shared import spec

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("pt_impl", "tf_impl")
MAX_LINES = 400
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "tensorflow_text", "keras", "keras_cv", "keras_hub", "tf_keras"}
PYTORCH = {"torch", "torchvision"}
# first directory to the top-level packages that no file below it may import
FORBIDDEN = {
    "bench": FRAMEWORKS | {"transformers", *WINGS},
    "shared": FRAMEWORKS | {"transformers", "bench", *WINGS},
    "pt_impl": (FRAMEWORKS - PYTORCH) | {"bench", "tf_impl"},
    "tf_impl": PYTORCH | {"bench", "pt_impl"},
}


# What TensorFlow's wing has alone, files and public names, and why PyTorch's has nothing of the kind.
TENSORFLOW_ALONE = {
    "kernels.py": "TensorFlow passes over memory once an operator unless XLA fuses them; PyTorch has fused kernels",
    "layers.py: trained": "a variable is given TensorFlow's layout and its name; PyTorch has the canonical layout",
    "text_ops.py: keep_factor": "inside of the kernel that XLA makes of sum and norm",
    "text_ops.py: sum_norm": "one kernel of XLA's; PyTorch's fused operators are faster each by itself",
    "networks.py: canonical_name": "variables carry their names; PyTorch's modules know them by attribute",
}


def tracked(pattern: str = "") -> list[Path]:
    """The project's files, those not yet added included; ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: the list of the project's files is not known")
    names = sorted(name for name in listing.stdout.decode().split("\0") if name.endswith(pattern))
    return [path for name in names if name and (path := ROOT / name).is_file()]


def below(folder: str, pattern: str = "") -> list[Path]:
    return [path for path in tracked(pattern) if path.is_relative_to(ROOT / folder)]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_packages(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that a module imports, wherever in it; `importlib.import_module("x.y")` counts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"import_module", "__import__"}:
                yield str(node.args[0].value).split(".")[0]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Parameter names in order, starred ones with their stars."""
    arguments = function.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    return names + ([f"**{arguments.kwarg.arg}"] if arguments.kwarg else [])


def public_surface(tree: ast.Module) -> dict[str, list[str]]:
    """Public functions and classes that a module defines, with the parameters a caller sees.

    A class stands with those of its constructor: `__init__`, or the fields of a dataclass. The base class's
    constructor is not looked at. Methods are a framework's own (`forward` here, `call` there).
    """
    surface = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            surface[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            surface[node.name] = constructor_parameters(node)
    return surface


def constructor_parameters(node: ast.ClassDef) -> list[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return [name for name in parameters(item) if name != "self" and not name.startswith("**")]
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
    return []


def leaves(table: dict[str, object], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_stay_within_the_rules(folder: str) -> None:
    files = below(folder, ".py")
    assert files
    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported_packages(parse(path))
        if name in FORBIDDEN[folder]
    ]
    assert not offences


@pytest.mark.parametrize(
    "source",
    ["import torch.nn", "def f():\n  from torch import nn", "import importlib\nimportlib.import_module('torch.x')"],
)
def test_the_import_rule_can_fail(source: str) -> None:
    assert "torch" in set(imported_packages(ast.parse(source)))


def test_wings_have_the_same_files() -> None:
    left, right = ({str(path.relative_to(ROOT / wing)) for path in below(wing)} for wing in WINGS)
    alone = {name for name in TENSORFLOW_ALONE if ": " not in name}
    assert left == right - alone
    assert alone <= right, "an exception for a file that is no more"


def test_wings_have_the_same_public_surface() -> None:
    differences, allowed = [], {name for name in TENSORFLOW_ALONE if ": " in name}
    for path in below(WINGS[0], ".py"):
        mirror = ROOT / WINGS[1] / path.relative_to(ROOT / WINGS[0])
        if mirror.is_file():
            ours, theirs = public_surface(parse(path)), public_surface(parse(mirror))
            for name in sorted(ours.keys() | theirs.keys()):
                if f"{path.name}: {name}" in allowed and name not in ours and name in theirs:
                    allowed.remove(f"{path.name}: {name}")
                elif ours.get(name) != theirs.get(name):
                    differences.append(f"{path.name}: {name}: {ours.get(name)} against {theirs.get(name)}")
    assert not differences, "\n".join(differences)
    assert not allowed, f"exceptions for what is no more: {sorted(allowed)}"


def test_the_mirror_rule_can_fail() -> None:
    first = public_surface(ast.parse("def f(a, *, b=1): ...\nclass C:\n  def __init__(self, x): ..."))
    assert first == {"f": ["a", "b"], "C": ["x"]}
    assert first != public_surface(ast.parse("def f(a, b2=1): ...\nclass C:\n  def __init__(self, x): ..."))


@pytest.mark.parametrize("name", spec.workload_names())
def test_every_figure_of_a_workload_has_its_source(name: str) -> None:
    content = spec.read_toml(name)[1]
    content.pop("presets", None)
    sources = content.pop("sources")
    figures = set(leaves(content))
    assert figures == set(sources)
    assert all(str(source).strip() for source in sources.values())


def test_constraints_pin_every_dependency() -> None:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line), f"not an exact public version: {line}"
            name, version = line.split("==")
            pins[normalised(name)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {normalised(re.split(r"[<>=!~\[; ]", requirement)[0]) for requirement in wanted}
    assert names <= set(pins), f"not pinned: {sorted(names - set(pins))}"


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    there = {path.parent.relative_to(ROOT) for path in tracked("__init__.py")}
    there = {path for path in there if path.parts[0] != "tests"}
    found = find_packages(str(ROOT), include=settings["packages"]["find"]["include"])
    listed = {Path(name.replace(".", "/")) for name in found}
    assert there == listed, f"not found by setuptools: {sorted(map(str, there ^ listed))}"
    modules = {path.parent.relative_to(ROOT) for path in tracked(".py") if path.is_relative_to(ROOT / "bench")}
    assert modules <= there, f"no __init__.py: {sorted(map(str, modules - there))}"
    data = {path for folder in ("bench", "shared") for path in below(folder) if path.suffix not in (".py", ".md")}
    shipped = {
        path
        for package, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert data <= shipped, f"no package-data: {sorted(str(path.relative_to(ROOT)) for path in data - shipped)}"


def test_no_tracked_file_names_a_place_on_one_machine() -> None:
    # written in pieces so that this file does not name what it forbids
    places = "|".join(("work", "root", "home/[a-z]+", "tmp", "opt/[a-z]+"))
    pattern = re.compile(r"(?<![\w.>})/-])/(?:" + places + r")/[\w.]")
    offences = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        lines = [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
        offences += [f"{path.relative_to(ROOT)}:{number}" for number in lines]
    assert not offences


def test_python_files_can_be_read_in_one_sitting() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in tracked(".py")}
    assert not {str(path): count for path, count in lengths.items() if count > MAX_LINES}
