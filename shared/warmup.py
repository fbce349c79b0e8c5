"""When the warm-up is over: seen from the step time, not guessed."""

from __future__ import annotations

MOST = 4  # times the workload's least number of steps; then the window begins whatever the step time does
FEWEST = 3  # steps; with fewer there is nothing to compare
TOLERANCE = 0.1  # a block this much faster than the fastest before it: still warming up; this much slower: disturbed
AGREEING = 2  # blocks in a row that end the warm-up


def most_steps(least: int) -> int:
    """The most steps that a warm-up may have.

    >>> most_steps(5), most_steps(2)
    (20, 2)
    """
    return MOST * least if least >= FEWEST else least


class WarmUp:
    """Compares blocks of steps, each between two moments at which the device has done all it was given.

    The first block begins after the first step, which compiles. AGREEING blocks in a row end the warm-up, once the
    workload's least number of steps is done: each takes as long, within TOLERANCE, as the fastest of all blocks before
    that row, so that a slow fall does not pass in small steps. A block that is faster says that the step time still
    falls. One that is slower was disturbed and says nothing: the blocks behind it are held against the fastest all the
    same. So coming back from a disturbance is not taken for falling, nor a disturbance for standing still; it makes the
    warm-up longer, never shorter.
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
        self._last: tuple[int, float] | None = None  # step and time of the last checkpoint
        self._fastest: float | None = None  # seconds a unit of work, of all blocks so far
        self._before_row: float | None = None  # the same of all blocks before those that agree
        self._num_compared = 0  # blocks that had one before them
        self._num_agreeing = 0  # in a row, up to now

    @property
    def is_stationary(self) -> bool | None:
        """Whether the step time stands still; None: too few blocks to tell."""
        return None if self._num_compared < AGREEING else self._num_agreeing >= AGREEING

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
            self._compare((now - self._last[1]) / work)
        self._last = (step, now)

    def paused(self, seconds: float) -> None:
        """Since the last checkpoint something else was done for so long."""
        if self._last is not None:
            self._last = (self._last[0], self._last[1] + seconds)

    def is_over(self, step: int) -> bool:
        """Whether the window may begin with a step."""
        return step >= self.most or (step >= self.least and self.is_stationary is True)

    def _compare(self, pace: float) -> None:
        if self._fastest is None or self._before_row is None:
            self._fastest = self._before_row = pace
            return
        self._num_compared += 1
        agrees = self._before_row * (1 - TOLERANCE) <= pace <= self._before_row * (1 + TOLERANCE)
        self._num_agreeing = self._num_agreeing + 1 if agrees else 0
        self._fastest = min(self._fastest, pace)
        if not agrees:
            self._before_row = self._fastest
