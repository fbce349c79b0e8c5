"""Ways to compute the same thing, timed by turns, for the tables that `tests.dropout_speed` and its kind print."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

TURNS, SECONDS_A_TURN = 15, 0.05

Ways = Mapping[str, Callable[[], Any]]


def milliseconds(ways: Ways) -> dict[str, float]:
    """What each way takes once: medians over turns, so that a slow moment of the machine hits all of them."""
    repeats = {}
    for name, way in ways.items():
        for _ in range(3):
            way()
        begin = time.perf_counter()
        way()
        repeats[name] = max(1, round(SECONDS_A_TURN / (time.perf_counter() - begin)))
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                way()
            seen[name].append((time.perf_counter() - begin) / repeats[name])
    return {name: 1000 * median(each) for name, each in seen.items()}


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """A row a way, a column a heading; empty where a column does not have the way."""
    names: Sequence[str] = list(dict.fromkeys(name for column in columns.values() for name in column))
    lines = ["| what | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name in names:
        entries = (f"{column[name]:.2f}" if name in column else "" for column in columns.values())
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return "\n".join(lines)
