"""How long the rest of a run will take, from what its cells should take and from what the finished ones took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from shared.protocol import Cell


class Remaining:
    """The cells that are still to be run, in order; those that take turns are one set."""

    def __init__(
        self,
        sets: Sequence[Sequence[Cell]] = (),
        told: Mapping[str, float] | None = None,
        kind: Callable[[Cell], str] = str,
    ) -> None:
        """
        Args:
            told: cell id to the seconds that earlier runs let expect (bench/run/expected.py).
            kind: cells of one kind take about as long.
        """
        self._kinds = [tuple(map(kind, cells)) for cells in sets]
        told = told or {}
        self._told: list[float | None] = [
            sum(told[cell.cell_id] for cell in cells) if all(cell.cell_id in told for cell in cells) else None
            for cells in sets
        ]
        self._took: dict[int, float] = {}

    def finished(self, index: int, seconds: float) -> None:
        """A set has ended well; one that failed tells nothing of the others."""
        self._took[index] = seconds

    def seconds(self, index: int) -> float | None:
        """What a set should take: as earlier runs say, by as much slower or faster as the finished sets were; else as
        long as the finished ones of its kind, or as all of them; None where nothing tells."""
        if not 0 <= index < len(self._told):
            return None
        told = self._told[index]
        if told is not None:
            return told * self._pace()
        alike = [took for each, took in self._took.items() if self._kinds[each] == self._kinds[index]]
        every = alike or list(self._took.values())
        return statistics.fmean(every) if every else None

    def after(self, index: int, present: float | None = None) -> float | None:
        """Seconds that all sets after one should take; None where that cannot be told of each.

        Args:
            present: what the set that is run now should take, for those of which nothing else is known.
        """
        total = 0.0
        for each in range(index + 1, len(self._told)):
            seconds = self.seconds(each)
            seconds = present if seconds is None else seconds
            if seconds is None:
                return None
            total += seconds
        return total

    def _pace(self) -> float:
        pairs = [(took, told) for index, took in self._took.items() if (told := self._told[index])]
        return sum(took for took, _ in pairs) / sum(told for _, told in pairs) if pairs else 1.0
