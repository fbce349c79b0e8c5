"""The rules that no type checker knows: who imports whom, the wings' mirror, sources, pins, sizes."""

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

from shared import families, spec, tasks
from shared.sections import Distillation

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
    "precision.py": "Keras's global precision, which a library's network has to be built under; PyTorch's is cast",
    "layers.py: trained": "a variable is given TensorFlow's layout and its name; PyTorch has the canonical layout",
    "layers.py: canonical_name": "variables carry their names; PyTorch's modules know them by attribute",
    "step.py: Step.trace": "TensorFlow compiles a step for each shape; PyTorch's is not compiled",
    "step.py: Step.num_traces": "as `trace`",
    "worker.py: Wing.train_batches": "the step is compiled for every shape before the first batch",
    "replicas.py: Replicas.devices": "one process drives all replicas; each of PyTorch's has its one device",
    "tokenizer.py: Tokenizer.prepare": "what `transformers` has inside: a part of the exact mode",
    "tokenizer.py: Tokenizer.words": "as `prepare`",
    "tokenizer.py: Tokenizer.words_of": "as `prepare`",
    "tokenizer.py: Tokenizer.truncated": "of a ragged tensor, in both modes; PyTorch's are lists",
    "families/bert/native.py: NativeNetwork.variables": "a Keras model is no tf.Module, whose variables are found",
    "families/bert/native.py: NativeNetwork.trainable_variables": "as `variables`",
    "families/efficientnet/native.py: NativeNetwork.variables": "as BERT's",
    "families/efficientnet/native.py: NativeNetwork.trainable_variables": "as BERT's",
    "families/cnn/native.py: NativeNetwork.layers": "what `named_parameters` finds in a torch.nn.Module",
    "families/cnn/native.py: NativeNetwork.variables": "as BERT's",
    "families/cnn/native.py: NativeNetwork.trainable_variables": "as BERT's",
    "families/han/native.py: NativeNetwork.layers": "as that of convolutions over words",
    "families/han/native.py: NativeNetwork.variables": "as BERT's",
    "families/han/native.py: NativeNetwork.trainable_variables": "as BERT's",
    "families/lstm/native.py: NativeNetwork.layers": "as that of convolutions over words",
    "families/lstm/native.py: NativeNetwork.variables": "as BERT's",
    "families/lstm/native.py: NativeNetwork.trainable_variables": "as BERT's",
}
# Public names that both wings have, with other parameters.
OTHER_PARAMETERS = {
    "optimizer.py: Optimizer.apply": "PyTorch's GradScaler skips a step itself; TensorFlow's is told which are finite",
}
# Files of which TensorFlow has no more than what says that it has nothing.
PYTORCH_ALONE = {
    "families/layoutlmv2/native.py": "no library of TensorFlow implements the network",
}
NOT_MIRRORED = "mutations.py"  # each wing has differences of its own: shared/families/*/ladder.py names them
CALLED = {"__call__": "forward"}  # a tf.Module's call is what a torch.nn.Module's forward is


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
    """Public functions, classes and methods that a module defines, with the parameters a caller sees.

    A class stands with those of its constructor: `__init__`, or the fields of a dataclass or named tuple. What it has
    from a base class is not looked at. What calls a network goes by one name.
    """
    surface = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            surface[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            surface[node.name] = constructor_parameters(node)
            surface |= {f"{node.name}.{name}": found for name, found in methods(node).items()}
    return surface


def methods(node: ast.ClassDef) -> dict[str, list[str]]:
    """Public methods and properties of a class, less those it has from a base class, with their parameters."""
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    named = {CALLED.get(item.name, item.name): item for item in functions}
    return {name: parameters(item)[1:] for name, item in named.items() if not name.startswith("_")}


def constructor_parameters(node: ast.ClassDef) -> list[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return [name for name in parameters(item) if name != "self" and not name.startswith("**")]
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list) or any(
        ast.unparse(base) == "NamedTuple" for base in node.bases
    ):
        return [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
    return []


def class_of(path: Path, name: str) -> ast.ClassDef:
    """A class that a module defines."""
    (found,) = (node for node in parse(path).body if isinstance(node, ast.ClassDef) and node.name == name)
    return found


def abstract_methods(node: ast.ClassDef) -> set[str]:
    return {
        item.name
        for item in node.body
        if isinstance(item, ast.FunctionDef)
        if any("abstractmethod" in ast.unparse(decorator) for decorator in item.decorator_list)
    }


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
    differences, alone = [], {name for name in TENSORFLOW_ALONE if ": " in name}
    unused = alone | set(OTHER_PARAMETERS)
    mirrored = 0
    for path in below(WINGS[0], ".py"):
        place = path.relative_to(ROOT / WINGS[0])
        mirror = ROOT / WINGS[1] / place
        if not mirror.is_file() or path.name == NOT_MIRRORED:
            continue
        if place.as_posix() in PYTORCH_ALONE:
            assert "raise UserError" in mirror.read_text(encoding="utf-8"), place
            continue
        mirrored += len(place.parts) > 2
        ours, theirs = public_surface(parse(path)), public_surface(parse(mirror))
        for name in sorted(ours.keys() | theirs.keys()):
            entry, left, right = f"{place}: {name}", ours.get(name), theirs.get(name)
            if left == right:
                continue
            if (entry in alone and left is None) or (entry in OTHER_PARAMETERS and None not in (left, right)):
                unused.discard(entry)
            else:
                differences.append(f"{entry}: {left} against {right}")
    assert not differences, "\n".join(differences)
    assert not unused, f"exceptions for what is no more: {sorted(unused)}"
    assert mirrored >= 5 * len(families.NAMES), "the rooms were not looked at"


def test_the_mirror_rule_can_fail() -> None:
    first = public_surface(
        ast.parse("def f(a, *, b=1): ...\nclass C:\n  def __init__(self, x): ...\n  def m(self, y): ...")
    )
    assert first == {"f": ["a", "b"], "C": ["x"], "C.m": ["y"]}
    for other in (
        "def f(a, b2=1): ...\nclass C:\n  def __init__(self, x): ...\n  def m(self, y): ...",
        "def f(a, *, b=1): ...\nclass C:\n  def __init__(self, x): ...\n  def m(self, z): ...",
        "def f(a, *, b=1): ...\nclass C:\n  def __init__(self, x): ...",
    ):
        assert first != public_surface(ast.parse(other))
    call, forward = (ast.parse(f"class N:\n  def {name}(self, x): ...") for name in next(iter(CALLED.items())))
    assert public_surface(call) == public_surface(forward) == {"N": [], "N.forward": ["x"]}


def test_every_room_has_its_mirror() -> None:
    for wing in WINGS:
        rooms = {path.parent.name for path in (ROOT / wing / "families").glob("*/__init__.py")}
        assert rooms == set(families.NAMES)


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_does_all_that_a_session_asks_of_it(wing: str) -> None:
    """Method by method, with the contract's parameter names; `BaseWing` has those that both wings do alike."""
    base, own = class_of(ROOT / "shared" / "worker.py", "BaseWing"), class_of(ROOT / wing / "worker.py", "Wing")
    assert [ast.unparse(each) for each in own.bases] == [base.name]
    contract = class_of(ROOT / "shared" / "wing.py", "Wing")
    wanted, provided = methods(contract), methods(base) | methods(own)
    assert wanted
    assert {name: provided.get(name) for name in wanted} == wanted
    assert abstract_methods(base) <= methods(own).keys()
    attributes = {item.target.id for item in contract.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]
    (constructor,) = (item for item in base.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    assigned = {
        node.attr
        for node in ast.walk(constructor)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    assert attributes <= assigned


@pytest.mark.parametrize("wing", WINGS)
def test_a_probe_answers_all_that_the_ladder_asks(wing: str) -> None:
    contract, own = (
        class_of(ROOT / "shared" / "probe.py", "Probe"),
        methods(class_of(ROOT / wing / "probe.py", "Probe")),
    )
    wanted = {name: found for name, found in methods(contract).items() if name in abstract_methods(contract)}
    assert wanted
    assert {name: own.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("family", families.NAMES)
def test_a_room_provides_all_that_its_wing_asks(wing: str, family: str) -> None:
    contract = class_of(ROOT / wing / "family.py", "Family")
    own = class_of(ROOT / wing / "families" / family / "__init__.py", "Family")
    wanted, provided = methods(contract), methods(own)
    assert abstract_methods(contract) <= provided.keys()
    assert {name: wanted.get(name) for name in provided} == provided, "a method that nobody asks for, or asks otherwise"
    attributes = {item.target.id for item in contract.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]
    assert attributes <= {item.target.id for item in own.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_has_the_loss_of_every_task(wing: str) -> None:
    there = public_surface(parse(ROOT / wing / "losses.py"))
    assert set(there) == {tasks.task(name).loss for name in tasks.NAMES}
    settings = set(Distillation.model_fields)  # as keywords
    for name in tasks.NAMES:  # logits of every head, labels, and the samples' factors where they have some
        found = [each for each in there[tasks.task(name).loss] if each not in settings]
        *_, labels = (each for each in found if each != "weights")
        assert labels == "labels"
        assert (found[-1] == "weights") == tasks.task(name).weighted
        assert settings <= set(there[tasks.task(name).loss]) or tasks.task(name).distils is None


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


ROOMS = ("bench", "shared", "pt_impl", "tf_impl", "tests", "docs")


def test_readme_is_short_and_names_what_is_there() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
    missing = []
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for span in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
            named = span.split("/")[0] in ROOMS and re.fullmatch(r"[\w/.-]+", span) and "NAME" not in span
            if named and page.name != "extending.md" and not (ROOT / span).exists():
                missing.append(f"{page.name}: {span}")
            program = re.match(r"python -m ((?:bench|tests|pt_impl|tf_impl)[\w.]*)", span)
            if program:
                place = ROOT / program[1].replace(".", "/")
                if not (place.with_suffix(".py").exists() or (place / "__main__.py").exists()):
                    missing.append(f"{page.name}: {span}")
    assert missing == []
