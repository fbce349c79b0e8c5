"""Fixtures for all tests: a small store."""

from __future__ import annotations

import os

import pytest
import tiny

from shared.store import Store

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: its warnings bury a test's report


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of twenty pages of noise, 64 px; tests do not change it."""
    return tiny.make_store(tmp_path_factory.mktemp("noise") / "store")
