"""Simulated pairs of a gate, of a model or drawn from pairs that were measured: for `bench.studies.gate.simulate`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.errors import UserError

STEPS = 3  # a turn
STALL_EVERY = 10  # steps of the head

Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Log-ratios of throughput, head over base: (gates, pairs) each."""

    whole: Floats
    typical: Floats


@dataclass(frozen=True)
class Slowed:
    """What is done to the head."""

    longer: float = 0.0  # every step, as a share: its throughput is 1 / (1 + longer)
    stall: float = 1.0  # how many times as long every tenth step takes

    @property
    def share(self) -> float:
        """How much longer the whole window takes."""
        return (1 + self.longer) * (1 + (self.stall - 1) / STALL_EVERY) - 1

    def __str__(self) -> str:
        if self.stall == 1.0:
            return f"{self.longer:.0%}"
        return f"every tenth step x {self.stall:g}: {self.share:.0%}"


HEADS = (
    *(Slowed(longer) for longer in (0.0, 0.03, 0.05, 0.10)),
    *(Slowed(stall=stall) for stall in (1.5, 2.0, 3.0, 6.0)),
)


@dataclass(frozen=True)
class Noise:
    """The noise of pairs, on the log scale.

    The defaults are assumed: on a busy machine, a pair of them scatters by about 4 %.
    """

    process_sd: float = 0.02  # of one process's speed, for as long as it lives
    turn_sd: float = 0.08  # of the ratio of two turns side by side
    autocorrelation: float = 0.3  # of a side's turns with its next ones
    drift: float = 0.05  # of the machine from a pair's begin to its end, one sd
    turns: int = 30  # of either side
    disturbed: float = 0.02  # share of either side's turns that a neighbour makes longer
    lengthened: float = 0.5  # by how much of themselves, on average (exponential)

    def pairs(self, rng: np.random.Generator, gates: int, pairs: int, head: Slowed = Slowed()) -> Pairs:
        """Of two sides that are equal but for what is done to the head."""
        shape = (2, gates, pairs, self.turns)
        logs = rng.standard_normal(shape)
        kept = math.sqrt(1 - self.autocorrelation**2)
        for turn in range(1, self.turns):
            logs[..., turn] = self.autocorrelation * logs[..., turn - 1] + kept * logs[..., turn]
        logs *= self.turn_sd / math.sqrt(2)
        logs += self.process_sd * rng.standard_normal((2, gates, pairs, 1))
        # A B, B A, A B: a steady drift makes the second of two turns slower, which changes sides from turn to turn
        step = self.drift / (2 * self.turns) * rng.standard_normal((gates, pairs, 1))
        logs[1] += step * np.resize([1.0, -1.0], self.turns)
        seconds = np.exp(logs)
        seconds *= 1 + (rng.random(shape) < self.disturbed) * rng.exponential(self.lengthened, shape)
        stalls = np.arange(1, self.turns * STEPS + 1) % STALL_EVERY == 0
        seconds[1] *= (1 + head.longer) * (1 + (head.stall - 1) * stalls.reshape(self.turns, STEPS).mean(axis=1))
        whole = np.log(seconds[0].sum(axis=-1)) - np.log(seconds[1].sum(axis=-1))
        return Pairs(whole, np.median(np.log(seconds[0]) - np.log(seconds[1]), axis=-1))

    def __str__(self) -> str:
        return "assumed, on the log scale: " + ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in asdict(self).items()
        )


@dataclass(frozen=True)
class Measured:
    """Pairs of an unchanged revision as real gates measured them; drawn with replacement."""

    log_ratios: tuple[float, ...]
    typical: tuple[float, ...]
    source: str

    @staticmethod
    def read(path: Path) -> Measured:
        """From the lines of `bench.studies.gate.shown --plant none`.

        Raises:
            UserError: no such lines.
        """
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            planted = {line["plant"] for line in lines}
            found = tuple(float(value) for line in lines for value in line["log_ratios"])
            typical = tuple(float(value) for line in lines for value in line["typical_log_ratios"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"--measured {path}: not what bench.studies.gate.shown writes ({error})") from None
        if planted != {"none"} or not found or len(found) != len(typical):
            raise UserError(f"--measured {path}: gates of an unchanged revision are needed (--plant none)")
        what = f"{lines[0]['benchmark']} on {lines[0]['device']}"
        source = f"measured: {len(found)} pairs of {len(lines)} real gates, {what} ({path.name})"
        return Measured(found, typical, source)

    def pairs(self, rng: np.random.Generator, gates: int, pairs: int, head: Slowed = Slowed()) -> Pairs:
        """Of two sides that are equal but for what is done to the head; a stall does not move its typical step."""
        drawn = rng.integers(len(self.log_ratios), size=(gates, pairs))
        whole = np.asarray(self.log_ratios)[drawn] - math.log1p(head.share)
        return Pairs(whole, np.asarray(self.typical)[drawn] - math.log1p(head.longer))

    def __str__(self) -> str:
        return self.source


Scatter = Noise | Measured
