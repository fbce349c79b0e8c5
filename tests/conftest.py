"""Fixtures for all tests: small stores."""

from __future__ import annotations

import os
import signal

import pytest
import tiny
import tiny_text

from shared.store import Store

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: its warnings bury a test's report
# A suite that a shell started in the background ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of twenty pages of noise, 64 px; tests do not change it."""
    return tiny.make_store(tmp_path_factory.mktemp("noise") / "store")


@pytest.fixture(scope="session")
def babble(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 36 texts of random tokens; tests do not change it."""
    return tiny_text.make_store(tmp_path_factory.mktemp("babble") / "store")
