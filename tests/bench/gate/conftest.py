"""A scratch repository with a fake `bench run`, and `bench gate` run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_repository import FakeRepository

from bench.locations import PROJECT_ROOT

Gate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    """With one commit."""
    return FakeRepository(tmp_path / "repository")


def gate_process(cwd: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """A `bench gate` of this checkout's code, started in a folder."""
    command = [sys.executable, "-P", "-m", "bench", "gate", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), **variables}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def gate(repository: FakeRepository) -> Gate:
    """Run it to its end in the repository, or in another folder."""

    def run(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        process = gate_process(cwd or repository.root, *arguments, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run
