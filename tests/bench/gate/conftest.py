"""A scratch repository with a fake `bench run`, and `bench gate` run in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bench.gate.fake_repository import FakeRepository, Gate, gate_process


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    """With one commit."""
    return FakeRepository(tmp_path / "repository")


@pytest.fixture
def gate(repository: FakeRepository) -> Gate:
    """Run it to its end in the repository, or in another folder."""

    def run(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        process = gate_process(cwd or repository.root, *arguments, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run
