from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from bench.data import progress
from bench.data.progress import ConsoleProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    yield now


def test_lines_tell_the_rate_and_the_time_left(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=40)
    with ConsoleProgress(console) as show:
        show("OCR", 40, 100)  # an earlier call has read 40
        clock[0] += 10
        show("OCR", 60, 100)
        clock[0] += 1
        show("OCR", 62, 100)  # too soon for another line
        clock[0] += 10
        show("checksums", 5, 10)
        clock[0] += 10
        show("checksums", 6, 10)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "OCR: 60 of 100, 2.0 pages/s, 0:00:20 left",
        "checksums: 5 of 10",
        "checksums: 6 of 10, 0:00:40 left",
    ]


def test_a_bar_in_a_terminal_tells_them_too(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with ConsoleProgress(console) as show:
        show("OCR", 0, 100)
        clock[0] += 10
        show("OCR", 20, 100)
        show._bars.refresh()
    assert "2.0 pages/s, 0:00:40 left" in console.file.getvalue()  # type: ignore[attr-defined]
