"""`bench accuracy` with its cells played in this process, and something for it to work on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.accuracy import run
from shared.store import Store
from tests.bench import fake_bench
from tests.bench.accuracy.fakes import TINY_TEXT, Cast, make_documents


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, fake_worker: Callable[..., None]) -> Cast:
    """Cells are played in this process, whatever framework is installed."""
    played = Cast()
    monkeypatch.setattr(run, "run_cell", played)
    return played


@pytest.fixture
def documents(tmp_path: Path) -> Store:
    """36 documents of three classes, with pages and text."""
    return make_documents(tmp_path / "documents")


@pytest.fixture
def workloads(tmp_path: Path) -> list[object]:
    """The options that name small workloads."""
    image, text = tmp_path / "tiny-image.toml", tmp_path / "tiny-text.toml"
    image.write_text(fake_bench.TINY)
    text.write_text(TINY_TEXT)
    return ["--image-workload", image, "--text-workload", text, "--device", "cpu"]
