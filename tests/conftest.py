"""For all tests: small stores, one thread per process where tests run side by side, long files first."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shared.store import Store
from tests import head_stores, tiny, tiny_layout, tiny_text, tiny_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: its warnings bury a test's report
for size in ("COLUMNS", "LINES"):  # of whoever started the tests; xdist's workers have 80 and 24 by accident
    os.environ.pop(size, None)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several tests at a time have a core each. A framework takes all of them for each of its processes, and its threads
    # wait for one another by spinning: beside another test that takes minutes in place of seconds.
    THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    os.environ.update({name: os.environ.get(name, "1") for name in THREADS} | {"OMP_WAIT_POLICY": "PASSIVE"})
# A suite that a shell started in the background ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Files and folders whose tests take longest, longest first: the last one to end should be a short one.
LONGEST = (
    "bench/verify", "test_workers.py", "test_extension.py", "bench/studies/test_performance.py", "tf_impl",
    "test_row_workers.py", "bench/chaos", "bench/gate", "test_text_wings_agree.py", "test_layout_wings_agree.py",
    "test_wings_agree.py", "bench/run/test_interrupt.py", "bench/run/test_command.py", "bench/attribution",
    "bench/doctor", "bench/accuracy", "bench/data", "bench/report", "pt_impl",
)  # fmt: skip


def place(path: Path) -> int:
    """Of a test's file in the order in which files are begun."""
    name = path.relative_to(Path(__file__).parent).as_posix()
    return next((number for number, long in enumerate(LONGEST) if name.startswith(long)), len(LONGEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the tests of a file stay in their order."""
    items.sort(key=lambda item: place(item.path))


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of twenty pages of noise, 64 px; tests do not change it."""
    return tiny.make_store(tmp_path_factory.mktemp("noise") / "store")


@pytest.fixture(scope="session")
def babble(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 36 texts of random tokens; tests do not change it."""
    return tiny_text.make_store(tmp_path_factory.mktemp("babble") / "store")


@pytest.fixture(scope="session")
def chatter(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 36 texts of sentences of random words; tests do not change it."""
    return tiny_words.make_sentences(tmp_path_factory.mktemp("chatter") / "store")


@pytest.fixture(scope="session")
def scrawl(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 36 pages of noise with random words on them; tests do not change it."""
    return tiny_layout.make_store(tmp_path_factory.mktemp("scrawl") / "store")


@pytest.fixture(scope="session")
def of_tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Stores of `head_stores` by task; tests do not change them."""
    return head_stores.make_stores(tmp_path_factory.mktemp("tasks"))
