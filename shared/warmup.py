"""When the warm-up is over: seen from the step time, not guessed."""

from __future__ import annotations

MOST = 4  # times the workload's least number of steps; then the window begins whatever the step time does
FEWEST = 3  # steps; with fewer there is nothing to compare
TOLERANCE = 0.1  # a block this much faster than the one before it: still warming up


def most_steps(least: int) -> int:
    """The most steps that a warm-up may have.

    >>> most_steps(5), most_steps(2)
    (20, 2)
    """
    return MOST * least if least >= FEWEST else least


class WarmUp:
    """Compares blocks of steps, each between two moments at which the device has done all it was given.

    The first block begins after the first step, which compiles. The warm-up is over when a block is no longer faster
    than the one before it, and the workload's least number of steps is done. It is a rule about a trend that ends; a
    machine that is disturbed now and then makes a warm-up longer by a block or two, never shorter.
    """

    def __init__(self, least: int, spare: int) -> None:
        """
        Args:
            least: steps of warm-up that the workload asks for.
            spare: steps that the training has besides those and the measured ones.
        """
        self.least = least
        self.most = min(most_steps(least), least + max(0, spare))
        self.block = max(1, (least - 1) // 2)
        self.is_stationary: bool | None = None  # None: too few steps to tell
        self._last: tuple[int, float] | None = None  # step and time of the last checkpoint
        self._pace: float | None = None  # seconds a unit of work in the last block

    def is_checkpoint(self, step: int) -> bool:
        """Whether the device is to be waited for before a step (from 0)."""
        if step in (self.least, self.most):
            return True
        first = self.least - 2 * self.block
        return self.least >= FEWEST and step >= first and (step - first) % self.block == 0

    def check(self, step: int, now: float, work: float) -> None:
        """Take in a checkpoint.

        Args:
            now: seconds of a steady clock.
            work: how much was done since the last checkpoint, in any unit that step times are proportional to.
        """
        if self._last is not None:
            pace = (now - self._last[1]) / work
            if self._pace is not None:
                self.is_stationary = pace >= self._pace * (1 - TOLERANCE)
            self._pace = pace
        self._last = (step, now)

    def is_over(self, step: int) -> bool:
        """Whether the window may begin with a step."""
        return step >= self.most or (step >= self.least and self.is_stationary is not False)
