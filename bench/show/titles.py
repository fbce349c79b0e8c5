"""What was compared, in words: one line that heads a table, a report, the comparison of two runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records.columns import FRAMEWORK_NAMES, column_name, column_order
from bench.records.record import Record
from bench.show.captions import data, device, listed

NAMED = 3  # of a long list, how many are named
VERSION_KEYS = {"pt": "version.torch", "tf": "version.tensorflow"}


def title(records: Sequence[Record]) -> str:
    """What was compared: "PyTorch 2.13.0 and TensorFlow 2.21.0, bert-6l quick, 1 and 2 CPU replicas".

    Args:
        records: at least one.
    """
    sides = joined(side_name(record) for record in sorted(records, key=column_order))
    workloads = joined(f"{record.workload} {record.preset}" for record in records)
    arms = joined(record.arm for record in records)
    arm = "" if arms == "matched" else f"arm {arms}"
    return ", ".join(part for part in (sides, workloads, replicas(records), arm) if part)


def side_name(record: Record) -> str:
    """A column with the version that its worker reported; without its build ("+cpu")."""
    version = record.settings.get(VERSION_KEYS[record.framework])
    if not isinstance(version, str):
        return column_name(record)
    return f"{FRAMEWORK_NAMES[record.framework]} {version.partition('+')[0]}"


def replicas(records: Iterable[Record]) -> str:
    """1 and 2 CPU replicas."""
    counts: dict[str, set[int]] = {}
    for record in records:
        counts.setdefault("CPU" if record.device == "cpu" else "GPU", set()).add(record.replicas)
    words = [(kind, listed(sorted(of))) for kind, of in sorted(counts.items())]
    return ", ".join(f"{text.rpartition(' ')[0]} {kind} {text.rpartition(' ')[2]}" for kind, text in words)


def setting(records: Sequence[Record]) -> str:
    """On what and how: device, precision, arm, input, batch, data; each that differs with all its values."""
    parts: list[list[str]] = [
        [f"device: {device(record)}" for record in records],
        [record.precision for record in records],
        [record.arm for record in records],
        [f"input: {record.input_mode}" for record in records],
        [record.sample for record in records],
        [f"batch {record.batch_per_replica} per replica" for record in records],
        [f"data: {data(record)}" for record in records],
    ]
    return ", ".join(joined(values) for values in parts)


def joined(values: Iterable[str]) -> str:
    """Different values in their order; of many the first: "a, b and c", "a, b, c and 9 more"."""
    found = list(dict.fromkeys(values))
    if len(found) > NAMED + 1:
        return f"{', '.join(found[:NAMED])} and {len(found) - NAMED} more"
    *others, last = found or [""]
    return f"{', '.join(others)} and {last}" if others else last
