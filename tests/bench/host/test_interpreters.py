"""What an interpreter is found to have, which column takes which, and everything that is no interpreter."""

from __future__ import annotations

import doctest
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from bench.cells import launch
from bench.cli.options import ColumnList
from bench.host import interpreters
from bench.host.environments.choice import named_wings, python_of, wing_pythons
from bench.host.interpreters import Column, check_has, column_of, fits, inspect, versions_of
from bench.records import certificates
from bench.run import resolve
from bench.run.plan import Request
from bench.run.resolve import choose_interpreters
from shared import spec
from shared.errors import UserError
from shared.protocol import Cell

MakeCell = Callable[..., Cell]


@pytest.fixture
def fake_python(tmp_path: Path) -> Callable[..., str]:
    """An interpreter that answers what it is told to."""

    def make(name: str = "python", answer: str = "", status: int = 0, **versions: str) -> str:
        told = ", ".join(f'"{key}": "{value}"' for key, value in versions.items())
        missing = "".join(f', "{key}": null' for key in ("torch", "tensorflow", "keras") if key not in versions)
        said = answer or f'["3.12.1", {{{(told + missing).lstrip(", ")}}}]'
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{said}'\nexit {status}\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_examples() -> None:
    done = doctest.testmod(interpreters)
    assert done.attempted >= 2
    assert done.failed == 0


def test_this_interpreter_is_asked_directly_and_through_a_process() -> None:
    installed = {name: version(name) for name in ("torch", "tensorflow", "keras")}
    assert versions_of(None) == versions_of(sys.executable) == installed
    found = inspect(sys.executable)
    assert found.versions == installed
    assert found.path == sys.executable, "a virtual environment's Python is a link, which must not be followed"


@pytest.mark.parametrize(
    ("asked", "installed", "fit"),
    [
        ("2.13", "2.13.0+cpu", True),
        ("2.13", "2.13.4", True),
        ("2", "2.13.4", True),
        ("2.1", "2.13.0", False),
        ("2.13.0", "2.13.0+cu130", True),
        ("2.13.0+cpu", "2.13.0+cu130", False),
        ("2.14.0rc1", "2.14.0rc1", True),
        ("2.14.0rc1", "2.14.0", False),
        ("2.13", "unknown", False),
    ],
)
def test_fits(asked: str, installed: str, fit: bool) -> None:
    assert fits(asked, installed) is fit


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pt", ("pt",)),
        ("both", ("pt", "tf")),
        ("tf,pt", ("tf", "pt")),
        ("pt@2.13, pt@2.14,tf@2.20,tf@2.21", ("pt@2.13", "pt@2.14", "tf@2.20", "tf@2.21")),
        ("both,pt@2.12", ("pt", "tf", "pt@2.12")),
    ],
)
def test_columns_as_typed(text: str, names: tuple[str, ...]) -> None:
    assert ColumnList().convert(text, None, None) == names
    assert [column_of(name).name for name in names] == list(names)


@pytest.mark.parametrize("name", ["", "jax", "pt@", "pt@new", "pt@2.13/..", "pt@ 2", "PT"])
def test_no_column(name: str) -> None:
    with pytest.raises(ValueError, match=r"pt@2\.13|tf@2\.13"):
        column_of(name)


def test_what_is_no_interpreter(tmp_path: Path, fake_python: Callable[..., str]) -> None:
    text = tmp_path / "text"
    text.write_text("not a program")
    cases = [
        (str(tmp_path / "none"), "no such interpreter"),
        (str(tmp_path), "a folder; name the interpreter in it"),
        (str(text), "cannot be started"),
        (fake_python("ls", "file-1"), "not a Python that answers (file-1)"),
        (fake_python("dies", " ", status=3), "not a Python that answers (exit status 3)"),
        (fake_python("list", "[1]"), "not a Python that answers"),
        (fake_python("old", '["3.10.13", {"torch": "2.6.0"}]'), "Python 3.10.13; the workers need 3.11"),
    ]
    for python, part in cases:
        with pytest.raises(UserError) as caught:
            inspect(python)
        line = str(caught.value)
        assert line.startswith(f"{python}: ")
        assert part in line, line
        assert "\n" not in line


def test_an_interpreter_that_never_answers(fake_python: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(fake_python("slow"))
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(interpreters, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(UserError, match="no answer within"):
        inspect(str(python))


def test_a_named_interpreter_must_have_the_columns_framework(fake_python: Callable[..., str]) -> None:
    python = fake_python(torch="2.12.1+cpu")
    assert check_has(python, Column("pt", "2.12")).versions["torch"] == "2.12.1+cpu"
    with pytest.raises(UserError, match=r"has torch 2\.12\.1\+cpu, not the 2\.13 of pt@2\.13"):
        check_has(python, Column("pt", "2.13"))
    with pytest.raises(UserError, match=r"TensorFlow is not installed there; .*`bench env create tf`"):
        check_has(python, Column("tf"))


def test_a_named_interpreter_comes_first(fake_python: Callable[..., str]) -> None:
    python = fake_python(torch="2.12.1")
    named, here = choose_interpreters(Request(pythons={"pt": python}))
    assert (named.python, named.version, named.source) == (python, "2.12.1", f"--pt-python {python}")
    assert (here.python, here.version, here.source) == (None, version("tensorflow"), "this interpreter")
    assert here.text() == f"tf: tensorflow {version('tensorflow')} of this interpreter"
    assert [named.recorded_source, here.recorded_source] == ["--pt-python", "this interpreter"], "no path"
    both = Request(frameworks=("pt@2.12", "pt"), pythons={"pt": python})
    with pytest.raises(UserError, match=r"--pt-python is for one column, and pt@2.12, pt are 2"):
        choose_interpreters(both)
    with pytest.raises(UserError, match=r"--tf-python .*TensorFlow is not installed there"):
        choose_interpreters(Request(pythons={"tf": python}))
    with pytest.raises(UserError, match=r"^--tf-python x/python: no column of TensorFlow is run; leave it out$"):
        choose_interpreters(Request(frameworks=("pt@2.12",), pythons={"pt": python, "tf": "x/python"}))


def test_an_installed_package_starts_no_other_interpreter(
    fake_python: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = fake_python(torch="2.12.1")
    monkeypatch.setattr(interpreters, "PROJECT_ROOT", tmp_path)
    here = Request(frameworks=("pt",))
    assert [choice.python for choice in choose_interpreters(here)] == [None]
    assert choose_interpreters(Request(frameworks=("pt",), pythons={"pt": sys.executable}))[0].python == sys.executable
    with pytest.raises(UserError, match=r"^pt of --pt-python .*: an interpreter of its own needs a checkout"):
        choose_interpreters(Request(frameworks=("pt",), pythons={"pt": python}))
    with pytest.raises(UserError, match=r"^PyTorch of .*: an interpreter of its own needs a checkout"):
        named_wings({"pt": python, "tf": None})


def test_without_environments_this_interpreter_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    here = version("torch")
    (choice,) = choose_interpreters(Request(frameworks=(f"pt@{here.rpartition('.')[0]}",)))
    assert (choice.python, choice.version) == (None, here)
    assert wing_pythons() == {"pt": None, "tf": None}
    assert python_of("tf") == sys.executable
    with pytest.raises(UserError, match=f"pt@1.0: no torch 1.0 here .this interpreter has {here.replace('+', '.')},"):
        choose_interpreters(Request(frameworks=("pt@1.0",)))
    monkeypatch.setattr(resolve, "is_installed", lambda module: False)
    with pytest.raises(UserError, match="this interpreter has none, environments none"):
        choose_interpreters(Request(frameworks=("pt@1.0",)))


def test_workers_are_started_with_the_cells_interpreter(make_cell: MakeCell, tmp_path: Path) -> None:
    for framework in ("pt", "tf"):
        here, other = make_cell(framework), make_cell(framework, python="elsewhere/bin/python")
        assert launch.worker_command(here, tmp_path / "cell.json")[0] == sys.executable
        assert launch.worker_command(other, tmp_path / "cell.json")[0] == "elsewhere/bin/python"


def test_pairs_prove_every_column_equal_to_every_other(make_cell: MakeCell) -> None:
    cells = [make_cell("pt", python=python) for python in ("a", "b", None, "a")]
    cells += [make_cell("tf", python=python) for python in ("x", "y")]
    assert certificates.pairs_of(cells) == [
        {"pt": "a", "tf": "x"},
        {"pt": "b", "tf": "x"},
        {"pt": None, "tf": "x"},
        {"pt": "a", "tf": "y"},
    ]
    assert certificates.pairs_of(cells[-1:]) == [{"pt": None, "tf": "y"}]


def test_a_certificate_holds_for_the_versions_that_run(make_cell: MakeCell, fake_python: Callable[..., str]) -> None:
    other = fake_python(torch="2.12.1")
    cells = [make_cell("pt"), make_cell("pt", variant="pt@2.12", python=other), make_cell("tf")]
    pairs = certificates.pairs_of(cells)
    workload: spec.Workload = cells[0].workload
    here = certificates.new(workload, True, [], pairs[0])
    certificates.store(here)
    assert [certificates.find_of_cell(cell, pairs) for cell in cells] == [here, None, here]
    there = certificates.new(workload, True, [], pairs[1])
    assert there.versions["torch"] == "2.12.1"
    certificates.store(there)
    found = [certificates.find_of_cell(cell, pairs) for cell in cells]
    assert found == [here, there, here], "one certificate does not take the other's place"
