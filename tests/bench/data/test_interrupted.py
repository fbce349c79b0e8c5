"""Real processes, killed: nothing is left running, and the next call goes on where they were."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.data.pages import usable_cores
from bench.data.partial import JOURNAL, Partial
from bench.data.prepare import prepare
from bench.data.synthetic import render, source
from shared.errors import UserError

ROOT = Path(__file__).parents[3]
PAGES, SIZE = 120, 1024


def start(out: Path) -> subprocess.Popen[str]:
    """`bench data prepare synthetic` in its own session, as a terminal would start it."""
    command = [sys.executable, "-c", "from bench.cli.data import command; command()", "prepare", "synthetic"]
    options = ["--pages", str(PAGES), "--size", str(SIZE), "--workers", "2", "--out", str(out)]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_midway(process: subprocess.Popen[str], out: Path) -> list[psutil.Process]:
    """Wait for some finished pages; the processes that the preparation has started by then."""
    journal = Partial(out).root / JOURNAL
    deadline = time.monotonic() + 120
    while not journal.exists() or journal.read_text().count("[") < 16:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_midway_then_continued(how: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out)
    try:
        children = wait_until_midway(process, out)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # what Ctrl-C does: every process of the group gets it
        else:
            process.kill()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert children
    assert not psutil.wait_procs(children, timeout=60)[1]
    assert not out.exists()
    if how == signal.SIGINT:
        assert "the same command goes on" in errors
        assert "Traceback" not in errors
    prepared = prepare(source(PAGES), out, SIZE, workers=2)
    assert prepared.num_resumed >= 16
    assert prepared.num_rendered == PAGES - prepared.num_resumed
    undisturbed = prepare(source(PAGES), tmp_path / "undisturbed", SIZE, workers=2).store
    assert prepared.store.digest == undisturbed.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]


def die_on_page_20(number: int, size: int) -> np.ndarray:
    """As a decoder that crashes, or a process that the system kills for its memory."""
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return render(number, size, 0, 16)


@pytest.mark.skipif(usable_cores() < 2, reason="one core: pages are decoded without worker processes")
def test_a_worker_that_dies_is_a_user_error(tmp_path: Path) -> None:
    deadly = dataclasses.replace(source(64), render=die_on_page_20)
    with pytest.raises(UserError, match="a process that reads pages was killed"):
        prepare(deadly, tmp_path / "out", 32, workers=2)
    prepared = prepare(source(64), tmp_path / "out", 32, workers=2)
    assert prepared.num_rendered + prepared.num_resumed == 64
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not [command for command in commands if "spawn_main" in command]
