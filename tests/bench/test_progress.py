"""What a user sees while cells run."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from bench import progress as progress_module
from bench.launch import Progress
from bench.progress import ConsoleReporter, clock, describe
from shared.protocol import Cell


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_describe() -> None:
    assert describe(Progress("build"), 50, 32) == "build"
    line = describe(Progress("measure", 20, 16.0), 50, 32)
    assert line == "measure, step 20/50, 16.0 samples/s, 1:00 left in this cell"


def test_plain_lines_come_once_a_phase(make_cell: Callable[..., Cell]) -> None:
    output = io.StringIO()
    with ConsoleReporter(Console(file=output)) as reporter:
        reporter.begin(1, 3, make_cell(), 50)
        for step in range(30):
            reporter.update(Progress("warmup" if step < 10 else "measure", step))
    lines = output.getvalue().splitlines()
    assert [line.split(": ")[1].split(",")[0] for line in lines] == ["start", "warmup", "measure"]
    assert lines[0].startswith("[1/3] tiny-pt")
    assert "\x1b" not in output.getvalue()


def test_a_terminal_is_refreshed_at_most_twice_a_second(
    make_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    output = io.StringIO()
    with ConsoleReporter(Console(file=output, force_terminal=True, width=120)) as reporter:
        reporter.begin(1, 1, make_cell(), 1000)
        for step in range(200):  # ten seconds, twenty updates each
            now += 0.05
            reporter.update(Progress("measure", step + 1))
    assert 10 <= output.getvalue().count("measure, step") <= 20
