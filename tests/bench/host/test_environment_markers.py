"""The marker of an environment says which interpreter is started; a strange one names none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bench.host.environments import READY, Environment, environments, read


@pytest.fixture
def made(tmp_path: Path) -> Environment:
    """An environment without an installation; and a program elsewhere, which nothing may find."""
    environment = Environment("pt-2.13.0", "pt", "2.13.0+cpu", "3.11.7", "cpu", False, 1.0, "")
    for python in (Path(environment.python), tmp_path / "elsewhere" / "bin" / "python"):
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
    (environment.path / READY).write_text(environment.to_json())
    return environment


def test_the_marker_of_a_finished_environment(made: Environment) -> None:
    found = read(made.path)
    assert found is not None
    assert (found.name, found.python) == (made.name, made.python)
    assert [each.name for each in environments("pt", "2.13")] == ["pt-2.13.0"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../../elsewhere"},
        {"name": "pt-2.12.0"},
        {"framework": "sh"},
        {"version": "newest"},
        {"version": 2},
        {"seconds": "long"},
        {"schema": 2},
        {"python_version": None},
    ],
)
def test_a_marker_that_no_environment_has(made: Environment, fields: dict[str, object]) -> None:
    (made.path / READY).write_text(json.dumps(json.loads(made.to_json()) | fields))
    assert read(made.path) is None
    assert environments() == []


def test_a_marker_that_is_no_file_or_no_json(made: Environment) -> None:
    marker = made.path / READY
    for text in ("[" * 100_000, "[]", "", "NaN"):
        marker.write_text(text)
        assert read(made.path) is None
    marker.unlink()
    os.mkfifo(marker)
    assert environments() == []
