"""What a side used, as its records say it: one value a setting, or one per repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.records.record import Record

NOT_REPORTED = "not reported"
# fields of a record that are settings, though no worker reports them
FIELDS = ("seed", "measured_steps", "warmup_steps")
# what may differ from repeat to repeat of one side; two sides are held against each other repeat by repeat
PER_REPEAT = frozenset({"seed", "weights", "warmup_steps"})


@dataclass(frozen=True)
class Sight:
    """One setting of one side in one place; a place is where all sides ran the same cell."""

    side: str
    framework: str  # its key
    replicas: int
    oversubscribed: bool  # more replicas than cores
    values: Mapping[tuple[str, int], Any]  # (run, repeat) to what it reported; empty: no repeat reported the setting

    @property
    def reported(self) -> bool:
        """Whether any repeat reported the setting."""
        return bool(self.values)

    @property
    def distinct(self) -> list[Any]:
        """The different values, in the order of the repeats."""
        return list({identity(value): value for _, value in sorted(self.values.items())}.values())

    @property
    def value(self) -> Any:
        """The value of the first repeat; None where none reported one."""
        return next(iter(self.distinct), None)

    @property
    def text(self) -> str:
        """The value as a table shows it; all of them where repeats differ."""
        if not self.reported:
            return NOT_REPORTED
        shown = [value_text(value) for value in self.distinct]
        return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} ... {shown[-1]} ({len(shown)} values)"


def identity(value: Any) -> str:
    """Equal for equal values, whatever their type: True is not 1."""
    return json.dumps(value, sort_keys=True, default=str)


def value_text(value: Any) -> str:
    """A value in a table.

    >>> value_text(True), value_text(""), value_text([0, 1, 2, 5]), value_text(None)
    ('yes', '(empty)', '0-2,5', 'none')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list):
        return ranges(value) if all(isinstance(item, int) for item in value) else ", ".join(map(str, value))
    return str(value) or "(empty)"


def ranges(numbers: Sequence[int]) -> str:
    """Ids of cores in short."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts) or "(empty)"


def settings_of(record: Record) -> dict[str, Any]:
    """What a record says of settings; empty where its worker ended before it reported any."""
    if all(key.startswith("env.") for key in record.settings):
        return {}
    fields = {name: getattr(record, name) for name in FIELDS}
    return record.settings | {name: value for name, value in fields.items() if value is not None}


def sights(side: str, records: Sequence[Record]) -> dict[str, Sight]:
    """Setting to what the repeats of one side reported, in one place.

    Args:
        side: what it is called.
        records: its repeats, at least one.
    """
    found: dict[str, dict[tuple[str, int], Any]] = {}
    for record in records:
        for key, value in settings_of(record).items():
            found.setdefault(key, {})[record.run_id, record.repeat] = value
    return {key: replace(silent(side, records), values=values) for key, values in found.items()}


def silent(side: str, records: Sequence[Record]) -> Sight:
    """A side that does not report a setting."""
    return Sight(side, records[0].framework, records[0].replicas, records[0].oversubscribed, values={})


def agree(key: str, seen: Sequence[Sight]) -> bool:
    """Whether all sides report the same of a setting."""
    if not all(sight.reported for sight in seen):
        return False
    if key not in PER_REPEAT:
        return len({identity(value) for sight in seen for value in sight.values.values()}) == 1
    first = by_repeat(seen[0])
    # repeats that one side lacks (a cell failed) have nothing to be held against
    return all(
        all(first[repeat] == value for repeat, value in by_repeat(other).items() if repeat in first)
        for other in seen[1:]
    )


def by_repeat(sight: Sight) -> dict[int, str]:
    """Repeat to what it reported, whatever the run."""
    return {repeat: identity(value) for (_, repeat), value in sorted(sight.values.items())}
