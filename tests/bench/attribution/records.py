"""Records of an attribution, made in code: known times in, so that a split has a known answer."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from bench.records.record import Record
from tests.bench.record_maker import TEXT, make_record

ATTRIBUTION: dict[str, Any] = TEXT | {"kind": "attribution", "certificate_id": "c0ffee", "wall_seconds": 60.0}
# milliseconds of a step by kind of cell, and of the parts by themselves
TIMES = {
    "pt": {"disk": 50.0, "memory": 48.0, "device": 45.0, "alone": 41.0},
    "tf": {"disk": 80.0, "memory": 79.0, "device": 78.0, "alone": 73.0},
}
PARTS = {
    "pt": {"forward_backward": 36.0, "overhead": 3.0, "optimizer": 4.0, "copy": 0.5},
    "tf": {"forward_backward": 60.0, "overhead": 6.0, "optimizer": 12.0, "copy": 0.25},
}
SPEEDS = (1.0, 1.3, 1.05, 1.05)  # of the machine, from turn to turn: every cell meets the same


def cell_record(framework: str, replicas: int, kind: str, repeat: int, slower: float = 1.0, **changes: Any) -> Record:
    """The record of one cell.

    Args:
        kind: an input mode, or `alone`: the resident batch without exchange.
        slower: times as long as in TIMES and PARTS.
    """
    step = slower * TIMES[framework][kind] / 1e3
    mode = "device" if kind == "alone" else kind
    own: dict[str, Any] = {
        "input_mode": mode,
        "exchange": kind != "alone",
        "cell_id": f"{framework}-r{replicas}-{kind}-{repeat}",
        "measured_steps": 8,
        "window_seconds": [8 * step * sum(SPEEDS) / len(SPEEDS)] * (replicas if framework == "pt" else 1),
        "turn_seconds": [step * speed for speed in SPEEDS],
        "step_seconds": [step] * 8,
        "wait_seconds": [0.002] * 8 if mode == "disk" else [0.0] * 8,
        "throughput": 16 * replicas / step,
        "settings": {"version.torch": "2.13.0"} if framework == "pt" else {"version.tensorflow": "2.21.0"},
    }
    if kind == ("alone" if replicas > 1 else "device"):
        # a step beside them takes what the window's took, so that a split has PARTS as they are
        timed = {"step": TIMES[framework][kind] * fmean(SPEEDS), **PARTS[framework]}
        own["part_seconds"] = {
            name: [slower * value / 1e3 * speed for speed in (1.0, 1.0, 1.3)] for name, value in timed.items()
        }
    return make_record(framework, replicas, repeat, **(ATTRIBUTION | own | changes))


def plain_record(mode: str, replicas: int = 1) -> Record:
    """The record of a cell of a plain run with an input mode."""
    return cell_record("pt", replicas, mode, 0, run_id="plain").model_copy(update={"kind": "plain"})


def attribution_records(
    replicas: tuple[int, ...] = (1, 2), repeats: int = 7, frameworks: tuple[str, ...] = ("pt", "tf"), **changes: Any
) -> list[Record]:
    """The records of a whole attribution; each repeat is a thousandth slower than the one before it."""
    return [
        cell_record(framework, count, kind, repeat, 1 + repeat / 1000, **changes)
        for repeat in range(repeats)
        for count in replicas
        for kind in ("disk", "memory", "device", *(["alone"] if count > 1 else []))
        for framework in frameworks
    ]
