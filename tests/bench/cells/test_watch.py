"""What the harness does while a cell runs, on a clock of the test's own: looks, parsing, rendering, samples."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.cells import events, launch
from bench.cells.launch import Limits, Progress, Watch, watch
from bench.host.wake import Wake
from bench.monitors.monitor import Monitor
from bench.records.usage import Usage
from bench.run import progress as progress_module
from bench.run.progress import ConsoleReporter
from shared.events import Phase, Step
from shared.protocol import Cell

MakeCell = Callable[..., Cell]
BEGIN, END = 5.0, 25.5  # of the window, on the worker's clock
LATE = 1.0  # seconds: a look may find it so much later, and an outside one a quarter


def step(index: int, measured: bool = False, seconds: float = 0.2) -> dict[str, Any]:
    return {"event": "step", "index": index, "seconds": seconds, "wait": 0.0, "measured": measured}


WINDOW = {
    "event": "window", "seconds": END - BEGIN, "steps": 100, "samples": 200, "tokens": None, "retraces": 0, "warmup": 6,
    "stationary": True, "turns": [],
}  # fmt: skip
STORY: list[tuple[float, dict[str, Any]]] = [
    (1.0, {"event": "phase", "name": "build"}),
    (2.0, {"event": "phase", "name": "warmup"}),
    (3.0, {"event": "first_step", "seconds": 3.0}),
    (3.0, step(0, seconds=1.0)),
    *((3.0 + 0.3 * index, step(index)) for index in range(1, 6)),
    (BEGIN, {"event": "phase", "name": "measure", "seconds": 20.0}),
    *((END, step(6 + index, measured=True)) for index in range(100)),
    (END, WINDOW),
    (END, {"event": "phase", "name": "train"}),
    (26.0, {"event": "memory", "rss_peak": 1 << 20, "allocator_peak": None}),
    (26.0, {"event": "done"}),
]


class Stage:
    """A cell of one rank that writes its events when their time comes, and who looks at it, with the moments of it."""

    def __init__(self, cell: Cell, story: list[tuple[float, dict[str, Any]]], ends: float, wakes: bool = True) -> None:
        self.story, self.ends, self.wakes = list(story), ends, wakes
        self.now = 0.0
        self.path = cell.events_path(0)
        self.path.parent.mkdir(parents=True)
        self.looks: list[float] = []
        self.parsed: list[float] = []  # a moment a line
        self.told: list[tuple[float, Progress]] = []
        self.returncode = 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.go_to(self.now + seconds)

    def go_to(self, moment: float) -> None:
        self.now = moment
        due = [{"rank": 0, "time": at, **event} for at, event in self.story if at <= moment]
        self.story = self.story[len(due) :]
        if due:
            with self.path.open("a") as file:
                file.write("".join(json.dumps(event) + "\n" for event in due))

    def poll(self) -> int | None:
        """As a process answers."""
        self.looks.append(self.now)
        return 0 if self.now >= self.ends else None

    def on_growth(self, path: Path) -> None:
        assert path == self.path

    def wait(self, seconds: float) -> None:
        """As `bench.host.wake.Wake`, where the system wakes and where it does not."""
        first = self.story[0][0] if self.story and self.wakes else self.now + seconds
        self.go_to(min(first, self.now + seconds))

    def during(self, moments: list[float], late: float = 0.0) -> list[float]:
        """Those inside the window: from when the harness can know of it to its end."""
        return [moment for moment in moments if BEGIN + late < moment < END]


@pytest.fixture
def play(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Stage, Any, Usage, str]]:
    """Watches a story with the real monitor and the real progress on a terminal; what was shown comes last."""

    def run(
        story: list[tuple[float, dict[str, Any]]],
        ends: float = 27.0,
        wakes: bool = True,
        limits: Limits | None = None,
        waits_until: float = 0.0,
    ) -> tuple[Stage, Any, Usage, str]:
        cell = make_cell("tf", 1)
        stage = Stage(cell, story, ends, wakes)
        parse = events.parse

        def counted(line: bytes) -> Any:
            stage.parsed.append(stage.now)
            return parse(line)

        monkeypatch.setattr(events, "parse", counted)
        monkeypatch.setattr(launch, "time", SimpleNamespace(sleep=stage.sleep))
        monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=stage.clock))
        output = io.StringIO()
        monitor = Monitor(os.getpid(), clock=stage.clock)
        state = Watch(cell, limits or Limits(), stage.clock)
        with ConsoleReporter(Console(file=output, force_terminal=True, width=80)) as reporter:
            reporter.begin(1, 1, cell, 106)

            def told(progress: Progress) -> None:
                stage.told.append((stage.now, progress))
                reporter.update(progress)

            waits = lambda: stage.now < waits_until  # noqa: E731
            ending = watch(stage, state, stage.path, told, monitor, waits, stage)  # type: ignore[arg-type]
        return stage, ending, monitor.usage(), output.getvalue()

    return run


@pytest.mark.parametrize("wakes", [True, False])
def test_inside_the_window_the_harness_looks_once_a_second_and_does_nothing_else(
    play: Callable[..., tuple[Stage, Any, Usage, str]], wakes: bool
) -> None:
    stage, ending, usage, shown = play(STORY, wakes=wakes)
    assert ending == ("ok", None)
    assert len(stage.during(stage.looks, late=0.25)) <= END - BEGIN
    assert stage.during(stage.parsed, late=0.25) == []
    # its begin is told, once; the next is told of its end
    inside = [(moment, progress) for moment, progress in stage.told if progress.phase == "measure"]
    assert [moment for moment, _ in inside] == [pytest.approx(BEGIN, abs=0.25)]
    assert inside[0][1].window_seconds == 20.0
    assert shown.count("measuring") == 1
    # all that came after it was read
    assert len(stage.parsed) == len(STORY)
    assert usage.num_samples_window is not None and 15 <= usage.num_samples_window <= END - BEGIN + 2
    assert usage.harness_cpu_seconds is not None
    # its end is found at once where the system wakes the harness, else at the next look
    assert usage.window_seconds is not None
    assert END - BEGIN - 0.25 <= usage.window_seconds <= END - BEGIN + (0 if wakes else LATE)


def test_outside_the_window_a_sign_moves_though_nothing_is_written(
    play: Callable[..., tuple[Stage, Any, Usage, str]],
) -> None:
    stage, _, _, _ = play(STORY)
    assert [moment for moment, _ in stage.told if 1.0 < moment < 2.0] == [1.25, 1.5, 1.75]


def test_a_cell_that_hangs_inside_its_window_is_given_up(
    play: Callable[..., tuple[Stage, Any, Usage, str]],
) -> None:
    until = [each for each in STORY if each[0] <= BEGIN]
    stage, ending, _, _ = play(until, ends=1e9, limits=Limits(steady=60.0))
    # twice the 20 s that it should take and the limit, counted from its begin
    reason = "no end of the measured window, which began after 6 steps, for 100 s"
    assert ending == ("timeout", reason)
    assert stage.now == pytest.approx(BEGIN + 100, abs=2)


@pytest.mark.parametrize("begun", [2.0, BEGIN])
def test_waiting_for_a_turn_is_no_silence(play: Callable[..., tuple[Stage, Any, Usage, str]], begun: float) -> None:
    """A cell that says nothing is given up; one that was told to wait is not, however long the others take."""
    until = [each for each in STORY if each[0] <= begun]
    limits = Limits(first_step=60.0, steady=20.0)  # the window's is 20 + 2 x 20
    stage, (status, _), _, _ = play(until, ends=1e9, limits=limits, waits_until=5000.0)
    assert status == "timeout"
    assert stage.now == pytest.approx(5060.0, abs=2)


def test_a_process_that_dies_inside_its_window_is_found_at_the_next_look(
    play: Callable[..., tuple[Stage, Any, Usage, str]],
) -> None:
    until = [each for each in STORY if each[0] <= BEGIN]
    stage, ending, usage, _ = play(until, ends=12.0)
    assert ending == ("crash", "ended without finishing (rank 0)")
    assert stage.now <= 13.0
    assert "no figures of the window: it was not over" in usage.notes


def test_an_error_inside_the_window_is_heard_inside_it(
    play: Callable[..., tuple[Stage, Any, Usage, str]],
) -> None:
    until = [each for each in STORY if each[0] <= BEGIN]
    error = (11.0, {"event": "error", "kind": "oom", "message": "no room"})
    stage, ending, _, _ = play([*until, error], ends=1e9, wakes=False)
    assert ending == ("oom", "no room")
    assert stage.now == pytest.approx(11.0 + launch.AFTER_ERROR_SECONDS, abs=2)


@pytest.mark.parametrize("seconds", [None, float("nan"), float("inf"), -1.0, 1e300])
def test_an_expected_time_that_is_none_is_not_waited_for(make_cell: MakeCell, seconds: float | None) -> None:
    state = Watch(make_cell("tf", 1), Limits(), lambda: 0.0)
    state.take(0, Phase(rank=0, time=0.0, name="measure", seconds=seconds))
    assert state.progress().window_seconds is None


def test_only_rank_0_says_that_the_window_has_begun(make_cell: MakeCell) -> None:
    state = Watch(make_cell("pt", 2), Limits(), lambda: 0.0)
    state.take(1, Phase(rank=1, time=0.0, name="measure", seconds=2.0))
    assert not state.in_window


def test_the_first_step_of_a_stage_does_not_count_in_the_rate(make_cell: MakeCell) -> None:
    state = Watch(make_cell("tf", 1), Limits(), lambda: 0.0)
    for index, seconds in enumerate((60.0, 0.5, 0.5)):
        state.take(0, Step(rank=0, time=0.0, index=index, seconds=seconds, wait=0.0, measured=False))
    assert state.progress().samples_per_second == pytest.approx(2 / 0.5)


def test_a_wait_ends_when_the_file_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written to beforehand: a wait that is not woken would last an hour."""
    path = tmp_path / "events.0.jsonl"
    path.write_text("")
    wake = Wake()
    try:
        wake.on_growth(path)
        if wake.descriptor is None:
            pytest.skip("this system tells nobody of a file's growth")
        with path.open("a") as file:
            file.write("a line\n")
        wake.wait(3600.0)
        wake.wait(0.0)  # what it was woken for is over
    finally:
        wake.close()
    assert wake.descriptor is None


def test_a_file_that_cannot_be_watched_is_slept_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("bench.host.wake.time.sleep", slept.append)
    wake = Wake()
    wake.on_growth(tmp_path / "absent")
    wake.wait(7.0)
    assert slept == [7.0]
