"""The window of several ranks: all begin it at the step at which rank 0 saw the step time stand still."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from shared import window as window_module
from shared.window import Window

LEAST, MEASURED, STEPS = 5, 3, 60
FALLING = [50.0, *(8.0 * 0.8**step for step in range(6)), *[2.0] * STEPS]
STEADY = [50.0, *[1.0] * STEPS]


class Ranks:
    """What ranks share: the largest of their values, which all of them wait for."""

    def __init__(self, count: int) -> None:
        self.values = [0.0] * count
        self.barrier = threading.Barrier(count, timeout=30)

    def largest(self, rank: int, value: float) -> float:
        self.values[rank] = value
        self.barrier.wait()
        found = max(self.values)
        self.barrier.wait()
        return found


def begins_of(seconds: list[list[float]], monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Where each rank's window begins; step k of rank r takes seconds[r][k] on that rank's own clock."""
    clock, ranks = threading.local(), Ranks(len(seconds))
    monkeypatch.setattr(window_module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    begins: list[int | None] = [None] * len(seconds)

    def run(rank: int) -> None:
        clock.now = 0.0
        wing: Any = SimpleNamespace(
            rank=rank, local_replicas=1, synchronize=lambda: None, num_traces=lambda: 0,
            allocator_peak=lambda: None, reset_allocator_peak=lambda: None,
            largest=lambda value: ranks.largest(rank, value),
        )  # fmt: skip
        measure = SimpleNamespace(warmup_steps=LEAST, measured_steps=MEASURED)
        workload = SimpleNamespace(measure=measure, train=SimpleNamespace(batch_per_replica=1))
        cell: Any = SimpleNamespace(workload=workload, input_mode="disk", parts=False)
        batches: Any = SimpleNamespace(num_tokens=lambda step, replica: None)
        window = Window(cell, wing, batches, lambda *_, **__: None, STEPS)  # type: ignore[arg-type]
        window.begin()
        for step in range(STEPS):
            window.before(step)
            clock.now += seconds[rank][step]
            window.after(step)
            if window.is_over:
                break
        begins[rank] = window.start

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(len(seconds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return begins


def test_rank_0_decides_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWINBENCH_TURNS", raising=False)
    (late,) = begins_of([FALLING], monkeypatch)
    (early,) = begins_of([STEADY], monkeypatch)
    assert early == 7
    assert late is not None
    assert late > early
    assert begins_of([FALLING, STEADY, STEADY], monkeypatch) == [late] * 3
    assert begins_of([STEADY, FALLING, FALLING], monkeypatch) == [early] * 3
