"""An interrupt at any moment is heard, and breaks off no clearing up."""

from __future__ import annotations

import signal

import pytest

from bench.host.processes import interrupts_deferred, termination_as_interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_comes_while_something_is_cleared_up_is_heard_after_it(number: signal.Signals) -> None:
    done = []
    with termination_as_interrupt(), pytest.raises(KeyboardInterrupt):
        with interrupts_deferred():
            signal.raise_signal(number)
            done.append("cleared up")
        done.append("went on")
    assert done == ["cleared up"]


def test_another_one_breaks_off_nothing_that_follows_the_first() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt, match="first"):
        try:
            raise KeyboardInterrupt("first")
        finally:
            with interrupts_deferred():
                signal.raise_signal(signal.SIGINT)
            done.append("all cleared up")
    assert done == ["all cleared up"]


def test_one_is_heard_while_an_error_is_handled() -> None:
    with pytest.raises(KeyboardInterrupt):
        try:
            raise ValueError("of a cell")
        except ValueError:
            with interrupts_deferred():
                signal.raise_signal(signal.SIGINT)
