"""Gates on simulated pairs: how often the rule fails, whom, and after how many pairs. It is the rule itself, no model.

Where the pairs come from:

- a model (`Noise`), whose noise is assumed: the turns of two processes, each with its own speed for as long as it
  lives, with noise that neighbouring turns share in part, and single turns that others on the machine make longer.
  Drift of the machine within a pair meets both sides up to one turn's worth. Of these turns the pair's value is made as
  `bench.gate.measure` makes it: whole windows, and the typical step;
- pairs that real gates of an unchanged revision measured (`--measured FILE`, as `bench.studies.gate.shown` writes it),
  drawn with replacement: `Measured`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.gate.rule import Look, boundaries, guarantee, looks
from bench.host.files import write_atomically
from bench.statistics.intervals import walsh_averages
from bench.studies.gate.scatter import HEADS, Floats, Measured, Noise, Pairs, Scatter, Slowed
from shared.errors import UserError

BATCH = 500  # gates at once: the Walsh averages of 20 pairs are 210 numbers a gate
OUTCOMES = {"regression": 1, "intermittent": 2, "pass": -1, "undecided": 0}


@dataclass(frozen=True)
class Rates:
    """What came of many gates."""

    head: Slowed
    gates: int
    counts: dict[str, int]  # outcome to gates
    pairs: float  # mean

    @property
    def failed(self) -> int:
        """Gates that failed, as slower or as intermittent."""
        return self.counts["regression"] + self.counts["intermittent"]

    def row(self) -> str:
        """Of the table."""
        share, low, high = self.failed / self.gates, *wilson(self.failed, self.gates)
        counts = self.counts
        cells = (self.head, self.gates, counts["regression"], counts["intermittent"], f"{share:.2%}",
                 f"[{low:.2%}, {high:.2%}]", counts["pass"], counts["undecided"], f"{self.pairs:.1f}")  # fmt: skip
        return "| " + " | ".join(map(str, cells)) + " |"


def wilson(count: int, total: int) -> tuple[float, float]:
    """A 95 % interval of a share."""
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def decided(pairs: Pairs, threshold: float, plan: tuple[Look, ...]) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
    """The rule on many gates at once; equal to `rule.judge` pair by pair (the tests hold one against the other).

    Args:
        pairs: (gates, pairs), as many pairs as the last look has.

    Returns:
        the outcome (a value of OUTCOMES) and the pairs used, (gates,) each.
    """
    bound, places = math.log1p(-threshold), boundaries(plan)
    outcome = np.zeros(len(pairs.whole), dtype=np.int64)
    used = np.full(len(pairs.whole), plan[-1].pairs)
    going = np.ones(len(pairs.whole), dtype=bool)
    for look in plan:

        def limits(logs: Floats, look: Look = look) -> tuple[Floats, Floats]:
            averages = walsh_averages(logs[:, : look.pairs])
            return averages[:, places[look.pairs]], averages[:, -1 - places[look.pairs]]

        low, high = limits(pairs.whole)
        gap_low, gap_high = limits(pairs.whole - pairs.typical)
        stalls = (gap_high < bound) | ((gap_low > -bound) & (limits(pairs.typical)[1] < bound))
        now = np.select([high < bound, stalls, low > bound], [1, 2, -1], 0)
        ends = going & (now != 0)
        outcome[ends], used[ends] = now[ends], look.pairs
        going &= ~ends
    return outcome, used


def simulate(gates: int, head: Slowed, threshold: float, most_pairs: int, noise: Scatter, seed: int) -> Rates:
    """So many gates of a head to which something was done."""
    rng = np.random.default_rng([seed, round(head.longer * 1e6), round(head.stall * 1e6), gates])
    plan, outcomes, pairs = looks(most_pairs), [], []
    for begin in range(0, gates, BATCH):
        drawn = noise.pairs(rng, min(BATCH, gates - begin), most_pairs, head)
        outcome, used = decided(drawn, threshold, plan)
        outcomes.append(outcome)
        pairs.append(used)
    outcome, used = np.concatenate(outcomes), np.concatenate(pairs)
    counts = {name: int((outcome == value).sum()) for name, value in OUTCOMES.items()}
    return Rates(head, gates, counts, float(used.mean()))


def report(threshold: float, most_pairs: int, noise: Scatter, seed: int, numbers: tuple[int, ...]) -> str:
    """The page of figures."""
    drawn = noise.pairs(np.random.default_rng(seed), 1000, 10)
    plan = ", ".join(f"{look.pairs} ({look.error:.2%})" for look in looks(most_pairs))
    lines = [
        "# Simulated gates",
        "",
        f"Threshold {threshold:.0%}; looks after pairs (error spent): {plan}; seed {seed}. Noise {noise}; the "
        f"log-ratio of a pair has an sd of {float(drawn.whole.std()):.3f} over whole windows, of "
        f"{float(drawn.typical.std()):.3f} of the typical step. Guarantee: {guarantee(threshold, 1)}.",
        "",
        "A slow-down of 10 % is a step that takes 10 % longer. 0 %: every gate that fails is a false alarm. 3 %: just",
        "within the threshold. A stall is given with what it adds to the whole window.",
    ]
    header = "| slow-down | gates | slower | intermittent | failed | 95 % interval | passes | undecided | pairs, mean |"
    for gates in numbers:
        lines += ["", f"## {gates:,} gates each", "", header, "|" + " --- |" * 9]
        lines += [simulate(gates, head, threshold, most_pairs, noise, seed).row() for head in HEADS]
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
@click.option(
    "--disturbed", type=float, default=DEFAULT.disturbed, help="Share of turns that a neighbour makes longer."
)
@click.option("--lengthened", type=float, default=DEFAULT.lengthened, help="By how much of themselves, on average.")
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
    command = (
        f"python -m bench.studies.gate.simulate --out FILE --threshold {threshold} --max-pairs {max_pairs}{options}"
    )
    write_atomically(out, f"{text}\n`{command} --seed {seed}`\n")
    click.echo(text)


if __name__ == "__main__":
    main()
