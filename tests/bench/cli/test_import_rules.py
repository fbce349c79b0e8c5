"""The harness imports no framework, and its help imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.cli import COMMANDS
from bench.host.locations import PROJECT_ROOT

FRAMEWORKS = {"torch", "tensorflow", "keras", "transformers", "pt_impl", "tf_impl"}
HEAVY = {"numpy", "pandas", "matplotlib", "PIL", "rich", "pydantic", "psutil"}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("package", ["bench", "shared"])
def test_no_module_imports_a_framework(package: str) -> None:
    code = (
        f"import importlib, pkgutil, {package}\n"
        f"for m in pkgutil.walk_packages({package}.__path__, '{package}.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)"
    )
    assert not modules_after(code) & FRAMEWORKS


def test_the_command_line_itself_is_light() -> None:
    assert not modules_after("import bench.cli") & (HEAVY | FRAMEWORKS)
    assert not modules_after("import bench.cli.run, bench.cli.list") & (HEAVY - {"pydantic"} | FRAMEWORKS)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """So it is there in a moment, on any machine."""
    code = f"import contextlib, bench.cli\nwith contextlib.suppress(SystemExit): bench.cli.main({arguments})"
    assert not modules_after(code) & (HEAVY - {"pydantic"} | FRAMEWORKS)


def test_help_lists_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "bench", "list"]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert err == b""


def test_version_from_a_checkout_or_an_installation() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--version"], cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith("bench")
