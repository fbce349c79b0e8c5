"""Gates on simulated pairs: how often the rule fails, whom, and after how many pairs. It is the rule itself, no model.

Where the pairs come from:

- a model (`Noise`), whose noise is assumed: a pair's log-ratio is the median over turns of a shift, the noise of two
  processes (each its own speed, for as long as it lives), and the noise of a turn, which its neighbours share in part.
  Drift of the machine within a pair meets both sides up to one turn's worth;
- pairs that real gates of an unchanged revision measured (`--measured FILE`, as `bench.gate.shown` writes it), drawn
  with replacement: `Measured`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.gate.rule import Look, boundaries, guarantee, looks
from bench.records import write_atomically
from bench.stats import walsh_averages
from shared.errors import UserError

BATCH = 500  # gates at once: the Walsh averages of 20 pairs are 210 numbers a gate
SLOWDOWNS = (0.0, 0.03, 0.05, 0.10)  # of the step time: throughput is 1 / (1 + slow-down)


@dataclass(frozen=True)
class Noise:
    """The noise of pairs, on the log scale.

    The defaults are assumed: three times as noisy as PyTorch's pairs in turns on two cores of a shared machine
    (results/reference/gate-unchanged-pt.md), about as noisy as TensorFlow's.
    """

    process_sd: float = 0.02  # of one process's speed, for as long as it lives
    turn_sd: float = 0.08  # of the ratio of two turns side by side
    autocorrelation: float = 0.3  # of neighbouring turns
    drift: float = 0.05  # of the machine from a pair's begin to its end, one sd
    turns: int = 12  # of either side
    heavy: float = 0.05  # share of turns that a disturbance hits, which makes them ten times as noisy

    def pairs(self, rng: np.random.Generator, gates: int, pairs: int) -> NDArray[np.float64]:
        """Log-ratios of two equal sides: (gates, pairs)."""
        shape = (gates, pairs, self.turns)
        turns = rng.standard_normal(shape)
        kept = math.sqrt(1 - self.autocorrelation**2)
        for turn in range(1, self.turns):
            turns[..., turn] = self.autocorrelation * turns[..., turn - 1] + kept * turns[..., turn]
        scale = np.where(rng.random(shape) < self.heavy, 10 * self.turn_sd, self.turn_sd)
        # A B, B A, A B: a steady drift makes the second of two turns slower, which changes sign from turn to turn
        step = self.drift / (2 * self.turns) * rng.standard_normal((gates, pairs, 1))
        medians = np.median(turns * scale + step * np.resize([1.0, -1.0], self.turns), axis=-1)
        processes = self.process_sd * math.sqrt(2) * rng.standard_normal((gates, pairs))
        return np.asarray(medians + processes)

    def __str__(self) -> str:
        return "assumed, on the log scale: " + ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in asdict(self).items()
        )


@dataclass(frozen=True)
class Measured:
    """Pairs of an unchanged revision as real gates measured them; drawn with replacement."""

    log_ratios: tuple[float, ...]
    source: str

    @staticmethod
    def read(path: Path) -> Measured:
        """From the lines of `bench.gate.shown --plant none`.

        Raises:
            UserError: no such lines.
        """
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            planted = {line["plant"] for line in lines}
            found = tuple(float(value) for line in lines for value in line["log_ratios"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"--measured {path}: not what bench.gate.shown writes ({error})") from None
        if planted != {"none"} or not found:
            raise UserError(f"--measured {path}: gates of an unchanged revision are needed (--plant none)")
        what = f"{lines[0]['benchmark']} on {lines[0]['device']}"
        return Measured(found, f"measured: {len(found)} pairs of {len(lines)} real gates, {what} ({path.name})")

    def pairs(self, rng: np.random.Generator, gates: int, pairs: int) -> NDArray[np.float64]:
        """Log-ratios of two equal sides: (gates, pairs)."""
        return rng.choice(np.asarray(self.log_ratios), size=(gates, pairs))

    def __str__(self) -> str:
        return self.source


Scatter = Noise | Measured


@dataclass(frozen=True)
class Rates:
    """What came of many gates."""

    slowdown: float
    gates: int
    regressions: int
    passes: int
    undecided: int
    pairs: float  # mean

    def row(self) -> str:
        """Of the table."""
        share, low, high = self.regressions / self.gates, *wilson(self.regressions, self.gates)
        cells = (f"{self.slowdown:.0%}", self.gates, self.regressions, f"{share:.2%}", f"[{low:.2%}, {high:.2%}]",
                 self.passes, self.undecided, f"{self.pairs:.1f}")  # fmt: skip
        return "| " + " | ".join(map(str, cells)) + " |"


def wilson(count: int, total: int) -> tuple[float, float]:
    """A 95 % interval of a share."""
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def simulated_pairs(
    rng: np.random.Generator, gates: int, pairs: int, slowdown: float, noise: Scatter
) -> NDArray[np.float64]:
    """Log-ratios of throughput, head over base: (gates, pairs)."""
    return noise.pairs(rng, gates, pairs) - math.log1p(slowdown)


def decided(logs: NDArray[np.float64], threshold: float, plan: tuple[Look, ...]) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
    """The rule on many gates at once; equal to `rule.judge` pair by pair (the tests hold one against the other).

    Args:
        logs: (gates, pairs), as many pairs as the last look has.

    Returns:
        the outcome (1 regression, -1 pass, 0 undecided) and the pairs used, (gates,) each.
    """
    bound, places = math.log1p(-threshold), boundaries(plan)
    outcome = np.zeros(len(logs), dtype=np.int64)
    used = np.full(len(logs), plan[-1].pairs)
    going = np.ones(len(logs), dtype=bool)
    for look in plan:
        averages = walsh_averages(logs[:, : look.pairs])
        low, high = averages[:, places[look.pairs]], averages[:, -1 - places[look.pairs]]
        now = np.where(high < bound, 1, np.where(low > bound, -1, 0))
        ends = going & (now != 0)
        outcome[ends], used[ends] = now[ends], look.pairs
        going &= ~ends
    return outcome, used


def simulate(gates: int, slowdown: float, threshold: float, most_pairs: int, noise: Scatter, seed: int) -> Rates:
    """So many gates of a head that is slower by so much."""
    rng, plan = np.random.default_rng([seed, round(slowdown * 1e6), gates]), looks(most_pairs)
    outcomes, pairs = [], []
    for begin in range(0, gates, BATCH):
        logs = simulated_pairs(rng, min(BATCH, gates - begin), most_pairs, slowdown, noise)
        outcome, used = decided(logs, threshold, plan)
        outcomes.append(outcome)
        pairs.append(used)
    outcome, used = np.concatenate(outcomes), np.concatenate(pairs)
    slower, passes, open_ = (int((outcome == value).sum()) for value in (1, -1, 0))
    return Rates(slowdown, gates, slower, passes, open_, float(used.mean()))


def report(threshold: float, most_pairs: int, noise: Scatter, seed: int, numbers: tuple[int, ...]) -> str:
    """The page of figures."""
    sd = float(simulated_pairs(np.random.default_rng(seed), 1000, 10, 0.0, noise).std())
    plan = ", ".join(f"{look.pairs} ({look.error:.2%})" for look in looks(most_pairs))
    lines = [
        "# Simulated gates",
        "",
        f"Threshold {threshold:.0%}; looks after pairs (error spent): {plan}; seed {seed}. Noise {noise}; the "
        f"log-ratio of a pair has an sd of {sd:.3f}. Guarantee: {guarantee(threshold, 1)}.",
        "",
        "A slow-down of 10 % is a step that takes 10 % longer. 0 %: every regression is a false alarm. 3 %: just",
        "within the threshold.",
    ]
    header = "| slow-down | gates | regressions | share | 95 % interval | passes | undecided | pairs, mean |"
    for gates in numbers:
        lines += ["", f"## {gates:,} gates each", "", header, "|" + " --- |" * 8]
        lines += [simulate(gates, slowdown, threshold, most_pairs, noise, seed).row() for slowdown in SLOWDOWNS]
    return "\n".join(lines) + "\n"


DEFAULT = Noise()


@click.command(context_settings={"show_default": True})
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A Markdown file.")
@click.option("--threshold", type=float, default=0.03, help="A share.")
@click.option("--max-pairs", type=int, default=20)
@click.option("--measured", type=click.Path(dir_okay=False, path_type=Path), help="Draw pairs from these real gates.")
@click.option("--process-sd", type=float, default=DEFAULT.process_sd, help="Of one process's speed.")
@click.option("--turn-sd", type=float, default=DEFAULT.turn_sd, help="Of the ratio of two turns side by side.")
@click.option("--autocorrelation", type=float, default=DEFAULT.autocorrelation, help="Of neighbouring turns.")
@click.option("--drift", type=float, default=DEFAULT.drift, help="Of the machine over a pair.")
@click.option("--turns", type=int, default=DEFAULT.turns, help="Of either side.")
@click.option("--heavy", type=float, default=DEFAULT.heavy, help="Share of disturbed turns.")
@click.option("--seed", type=int, default=4)
def main(out: Path, threshold: float, max_pairs: int, measured: Path | None, seed: int, **model: float) -> None:
    """Simulate gates; write what came of them."""
    try:
        noise = Measured.read(measured) if measured else Noise(**model)  # type: ignore[arg-type]
    except UserError as error:
        raise click.UsageError(str(error)) from None
    text = report(threshold, max_pairs, noise, seed, (200, 10_000))
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in model.items())
    options = f" --measured {measured.name}" if measured else options
    command = f"python -m bench.gate.simulate --out FILE --threshold {threshold} --max-pairs {max_pairs}{options}"
    write_atomically(out, f"{text}\n`{command} --seed {seed}`\n")
    click.echo(text)


if __name__ == "__main__":
    main()
