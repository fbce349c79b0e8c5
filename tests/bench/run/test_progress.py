"""What a user sees while cells run."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.cells.launch import Progress
from bench.run import progress as progress_module
from bench.run.expected import Expectation
from bench.run.progress import ConsoleReporter, clock, describe, name_of
from shared.protocol import Cell

MakeCell = Callable[..., Cell]


class Screen:
    """A reporter on a clock of the test's own, and what it wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, is_terminal: bool = False, width: int = 80) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.output = io.StringIO()
        self.reporter = ConsoleReporter(Console(file=self.output, force_terminal=is_terminal, width=width))

    def after(self, seconds: float, progress: Progress) -> str:
        """What an update writes so much later."""
        self.now += seconds
        length = len(self.output.getvalue())
        self.reporter.update(progress)
        return self.output.getvalue()[length:]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "PyTorch x 2"),
        ({"framework": "tf", "variant": "tf@2.16"}, "TensorFlow 2.16 x 2"),
        ({"arm": "native", "precision": "bf16", "repeat": 2}, "PyTorch x 2 (native, bf16, repeat 3)"),
        ({"input_mode": "device", "exchange": False}, "PyTorch x 2 (device, no exchange)"),
    ],
)
def test_a_cell_is_called_as_people_would(make_cell: MakeCell, changes: dict[str, object], name: str) -> None:
    framework = str(changes.pop("framework", "pt"))
    assert name_of(make_cell(framework, 2, **changes)) == name


@pytest.mark.parametrize(
    ("progress", "run_left", "line"),
    [
        (Progress("build"), None, "building"),
        (Progress("build"), 200.0, "run 3:20 left, building"),
        (Progress("warmup"), None, "first step"),
        (Progress("warmup", 3, 16.0), None, "16.0 samples/s, 1:34 left, warm-up, step 3"),
        (Progress("measure", 5, 16.0, 12.4), 200.0, "run 3:20 left, measuring, about 0:12"),
        (Progress("measure"), None, "measuring"),
        (Progress("train", 20, 16.0), 200.0, "16.0 samples/s, 1:00 left, run 3:20, training 20/50"),
        (Progress("train", 50, 16.0), None, "16.0 samples/s, 0:00 left, training"),
        (Progress("evaluate", 50, 16.0), 70.0, "16.0 samples/s, run 1:10 left, evaluating"),
    ],
)
def test_rate_and_time_left_come_first(progress: Progress, run_left: float | None, line: str) -> None:
    assert describe(progress, 50, 32, run_left) == line


def test_plain_lines_come_once_a_phase(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with screen.reporter as reporter:
        reporter.begin(1, 3, make_cell(), 50)
        for step in range(30):
            screen.after(0.25, Progress("warmup" if step < 10 else "measure", step))
    lines = screen.output.getvalue().splitlines()
    assert lines == [
        "[1/3] 0:00 starting, PyTorch x 2",
        "[1/3] 0:00 first step, PyTorch x 2",
        "[1/3] 0:03 measuring, PyTorch x 2",
    ]


def test_a_long_phase_says_now_and_then_that_it_goes_on(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with screen.reporter as reporter:
        reporter.begin(1, 1, make_cell(), 50)
        lines = [screen.after(1.0, Progress("train", step + 1, 4.0)) for step in range(300)]
    assert 5 <= len(list(filter(None, lines))) <= 6


def test_a_terminal_is_refreshed_once_a_second_and_moves(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch, is_terminal=True)
    with screen.reporter as reporter:
        reporter.begin(1, 1, make_cell(), 1000)
        shown = [screen.after(0.25, Progress("build")) for _ in range(40)]  # ten seconds in which nothing is new
    lines = list(filter(None, shown))
    assert 9 <= len(lines) <= 11
    signs = {line.rpartition("\r\x1b[2K")[2][0] for line in lines}
    assert signs == set(progress_module.SIGNS)
    assert "0:09" in lines[-1] or "0:10" in lines[-1]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_nothing_is_written_inside_the_window(
    make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    screen = Screen(monkeypatch, is_terminal)
    with screen.reporter as reporter:
        reporter.begin(1, 1, make_cell(), 50)
        assert "measuring, about 0:12" in screen.after(1.0, Progress("measure", 5, 8.0, 12.0))
        assert [screen.after(10.0, Progress("measure", step, 8.0, 12.0)) for step in range(60)] == [""] * 60
        assert "training 40/50" in screen.after(1.0, Progress("train", 40, 8.0))


@pytest.mark.parametrize("width", [80, 100])
def test_a_line_fits_eighty_columns(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    screen = Screen(monkeypatch, is_terminal=True, width=width)
    cell = make_cell("tf", 8, repeat=4, variant="tf@2.16")
    with screen.reporter as reporter:
        reporter.expect({cell.cell_id: Expectation(40_000.0, "an earlier run")})
        reporter.queue([[cell]])
        reporter.begin(1, 120, cell, 100_000)
        shown = screen.after(3700.0, Progress("train", 12_345, 3456.7)).rpartition("\r\x1b[2K")[2]
    assert len(shown.rstrip()) <= width
    # what matters is there however narrow it is
    assert "[1/120] 1:01:40 3456.7 samples/s, 6:46 left, run 10:05:00, training" in shown
    assert ("TensorFlow" in shown) == (width == 100)


def test_what_is_left_follows_the_finished_cells(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [make_cell("pt", 1), make_cell("pt", 1, repeat=1), make_cell("pt", 2), make_cell("tf", 1)]
    screen = Screen(monkeypatch)
    with screen.reporter as reporter:
        reporter.expect({cell.cell_id: Expectation(60.0, "an earlier run") for cell in cells})
        reporter.queue([[cell] for cell in cells])
        reporter.begin(1, 4, cells[0], 50)
        assert "run 3:50 left, building" in screen.after(10.0, Progress("build"))
        screen.now += 110.0  # it took twice as long as it did earlier: so will the others
        reporter.ended("it", "ok", "", 120.0, None, None)
        reporter.begin(2, 4, cells[1], 50)
        assert "run 5:40 left, building" in screen.after(20.0, Progress("build"))


def test_text_from_outside_cannot_act_on_the_terminal(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    with screen.reporter as reporter:
        reporter.begin(1, 1, make_cell(), 50)
        reporter.ended("it", "crash", "", 2.0, "no \x1b]0;title\x07 [/b]", "log.txt")
        reporter.message("a name\x1b[31m\nand a line")
    lines = screen.output.getvalue().splitlines()
    assert lines[1:] == [
        r"[1/1] it: crash in 0:02: no \x1b]0;title\x07 [/b] (log: log.txt)", r"a name\x1b[31m", "and a line",
    ]  # fmt: skip
