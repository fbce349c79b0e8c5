"""What the rounds say: medians and ranges, held against the targets; as a table, as Markdown, as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.host.files import write_atomically
from bench.studies.performance.contestants import Run, Settings
from bench.terminal import grids
from shared.contest import Contest, Ratio
from shared.families import family_of

REPORT_SCHEMA = 1
SPEED_COLUMNS = ("contestant", "samples/s", "min-max", "rounds")
RATIO_COLUMNS = ("ratio", "median", "min-max", "target", "verdict")
NOTHING = "-"

Rounds = Sequence[Mapping[str, Run]]


@dataclass(frozen=True)
class Spread:
    """Values of several rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float | None:
        """None where there is no value."""
        return statistics.median(self.values) if self.values else None

    def texts(self, digits: int) -> tuple[str, str]:
        """Median, and lowest to highest value."""
        if not self.values:
            return NOTHING, NOTHING
        return f"{self.median:.{digits}f}", f"{min(self.values):.{digits}f}-{max(self.values):.{digits}f}"


def speeds(rounds: Rounds, name: str) -> Spread:
    """Samples per second of a contestant, in the rounds that it finished."""
    found = (runs[name].samples_per_second for runs in rounds if name in runs)
    return Spread(tuple(value for value in found if value is not None))


def ratios(rounds: Rounds, ratio: Ratio) -> Spread:
    """A ratio in each round that both finished; speeds of different rounds are never compared."""
    pairs = ((speeds([runs], ratio.over).median, speeds([runs], ratio.under).median) for runs in rounds)
    return Spread(tuple(over / under for over, under in pairs if over and under))


def names(rounds: Rounds) -> list[str]:
    """The contestants, in the order of the first round."""
    return list(rounds[0]) if rounds else []


def judged(rounds: Rounds, contest: Contest) -> list[tuple[Ratio, Spread]]:
    """The ratios of a kind of workload whose contestants both took part."""
    present = names(rounds)
    wanted = [ratio for ratio in contest.ratios if ratio.over in present and ratio.under in present]
    return [(ratio, ratios(rounds, ratio)) for ratio in wanted]


def verdict(ratio: Ratio, spread: Spread) -> str:
    """Whether the median ratio reaches its target."""
    if spread.median is None:
        return "not measured"
    return "met" if spread.median >= ratio.target else "missed"


def failures(rounds: Rounds) -> list[str]:
    """A line for each run that failed."""
    return [
        f"round {number}: {name}: {run.failure}"
        for number, runs in enumerate(rounds, start=1)
        for name, run in runs.items()
        if run.failure
    ]


def holds(rounds: Rounds, contest: Contest) -> bool:
    """Whether every run ended well and every target is met."""
    return not failures(rounds) and all(verdict(*pair) == "met" for pair in judged(rounds, contest))


def speed_rows(rounds: Rounds) -> list[tuple[str, ...]]:
    """By SPEED_COLUMNS."""
    spreads = [(name, speeds(rounds, name)) for name in names(rounds)]
    return [(name, *spread.texts(2), str(len(spread.values))) for name, spread in spreads]


def ratio_rows(rounds: Rounds, contest: Contest) -> list[tuple[str, ...]]:
    """By RATIO_COLUMNS."""
    return [
        (ratio.name, *spread.texts(3), f"{ratio.target:g}", verdict(ratio, spread))
        for ratio, spread in judged(rounds, contest)
    ]


def caption(settings: Settings, environment: Mapping[str, Any]) -> str:
    """What was measured on what."""
    packages, unit = environment["packages"], family_of(settings.published).ladder.unit
    versions = ", ".join(
        f"{name} {packages[name]}"
        for name in ("torch", "transformers", "tensorflow", "keras", "keras-hub")
        if name in packages
    )
    return (
        f"{settings.workload}, {settings.size} {unit}, batch {settings.batch}, fp32; "
        f"{settings.steps} steps after {settings.warmup}; {environment['cpu']}, {environment['usable_cores']} cores; "
        f"{versions}; median and range over {settings.rounds} rounds; ratios are taken within a round"
    )


def markdown(rounds: Rounds, settings: Settings, environment: Mapping[str, Any], command: str) -> str:
    """The report as Markdown."""

    def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return "\n".join("| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *rows))

    parts = [
        f"Printed by `{command}`.",
        caption(settings, environment) + ".",
        table(SPEED_COLUMNS, speed_rows(rounds)),
        table(RATIO_COLUMNS, ratio_rows(rounds, settings.contest)),
        *(f"- failed: {line}" for line in failures(rounds)),
    ]
    return "\n\n".join(parts) + "\n"


def content(rounds: Rounds, settings: Settings, environment: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The report as JSON-able values: every single figure."""
    return {
        "schema": REPORT_SCHEMA,
        "command": command,
        "settings": asdict(settings),
        "environment": dict(environment),
        "rounds": [{name: asdict(run) for name, run in runs.items()} for runs in rounds],
        "samples_per_second": {name: speeds(rounds, name).median for name in names(rounds)},
        "ratios": [
            {"name": ratio.name, "target": ratio.target, "median": spread.median, "rounds": list(spread.values),
             "verdict": verdict(ratio, spread)}
            for ratio, spread in judged(rounds, settings.contest)
        ],
    }  # fmt: skip


def write(out: Path, rounds: Rounds, settings: Settings, environment: Mapping[str, Any], command: str) -> None:
    """Write the JSON file and the Markdown beside it."""
    write_atomically(out, json.dumps(content(rounds, settings, environment, command), indent=1) + "\n")
    write_atomically(out.with_suffix(".md"), markdown(rounds, settings, environment, command))


def show(rounds: Rounds, settings: Settings, environment: Mapping[str, Any]) -> None:
    """The report on standard output."""
    console = grids.stdout()
    grids.print_grid(console, SPEED_COLUMNS, speed_rows(rounds))
    grids.print_grid(console, RATIO_COLUMNS, ratio_rows(rounds, settings.contest))
    grids.say(console, [caption(settings, environment), *(f"failed: {failure}" for failure in failures(rounds))])
