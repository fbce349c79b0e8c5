"""A process's age, with a clock that jumps."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from shared.clock import LONGEST_AGE, age_by_clock, age_since_boot, process_age
from shared.session import process_start_time

# of `sleep`, whose name a user has made hard to read; started 1,258,601 ticks after boot
STAT = "32119 (s) 1 (x) R 32116 32116 28809 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 1258601 3133440 380 0 0"


def test_age_is_counted_from_boot() -> None:
    assert age_since_boot(STAT, boottime=12600.0, ticks=100) == pytest.approx(13.99)


def test_age_is_never_negative() -> None:
    """The start is told in whole ticks."""
    assert age_since_boot(STAT, boottime=12586.0, ticks=100) == 0.0


@pytest.mark.parametrize(
    ("step", "age"),
    [
        (0.0, 8.0),  # the clock was left alone
        (-30.0, 3.5),  # set back: the difference is negative
        (-6.0, 3.5),  # set back a little: less than the CPU time that was used
        (LONGEST_AGE, 3.5),  # set forward
    ],
)
def test_where_the_clock_was_set_the_cpu_time_stands_in(step: float, age: float) -> None:
    assert age_by_clock(created=1000.0, now=1008.0 + step, at_least=3.5) == age


def test_the_age_of_a_real_process_does_not_look_at_the_clock() -> None:
    """A child that is told another time of day, and sleeps before it asks."""
    program = (
        "import time; time.time = lambda: 1.0; time.sleep(0.5)\n"
        "from shared.clock import process_age; print(process_age())"
    )
    begin = time.monotonic()
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    elapsed = time.monotonic() - begin
    # the system counts a process's start in whole ticks, of a hundredth of a second as a rule
    assert 0.45 < float(told.stdout) < elapsed + 0.05


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="elsewhere the system's clock is all there is")
def test_the_start_lies_before_now_by_the_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.0)
    begin, least = time.perf_counter(), process_age()
    started = process_start_time()
    most, end = process_age(), time.perf_counter()
    assert 0 < least <= most
    assert begin - most <= started <= end - least
