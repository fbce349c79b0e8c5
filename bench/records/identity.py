"""What must be equal for cells to be compared: the one definition, in levels that build on each other.

| level | cells that share it |
| --- | --- |
| setting | did the same work on the same data, on the same kind of device, driven in the same way |
| place | the same, at one number of replicas: here columns are compared with each other |
| line | a setting's cells of one column, over replicas: what a speedup is of |
| cell | a place's cells of one column: its repeats |
| figure | a setting's cells of every arm (each is a series of its own) that trained equally long |

A setting consists of aspects, which have names so that whoever compares across one of them can say so: `bench compare
--despite`, an attribution (its cells differ in their input), and estimates of time from cells that only resemble one.
Names count as content does: two workloads of the same spec hash are two, because every table tells them apart by name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from bench.records.record import Record

Values = tuple[object, ...]

# aspect to the fields of a record that it consists of
ASPECTS: dict[str, tuple[str, ...]] = {
    "spec": ("workload", "preset", "spec_hash"),
    "mode": ("mode",),
    "arm": ("arm",),
    "device": ("device",),
    "machine": ("device_name",),
    "precision": ("precision",),
    "input": ("input_mode",),
    "batch": ("batch_per_replica",),
    "data": ("data_name", "data_digest"),
    "cores": ("cores_per_replica",),
}
# of one place only, since they change with the number of replicas; counted to an aspect where two cells are compared
OF_A_PLACE: dict[str, tuple[str, ...]] = {"cores": ("oversubscribed",)}
ARM = "arm"
INPUT = "input"


@dataclass(frozen=True)
class Planned:
    """A cell that has not run, as far as it can be compared: the fields of a record that `place` is made of."""

    workload: str
    preset: str
    spec_hash: str
    mode: str
    arm: str
    device: str
    device_name: str
    precision: str
    input_mode: str
    batch_per_replica: int
    data_name: str
    data_digest: str
    cores_per_replica: int | None
    oversubscribed: bool
    replicas: int


PLANNED_FIELDS = tuple(each.name for each in fields(Planned))


def setting_fields(besides: Collection[str] = ()) -> tuple[str, ...]:
    """The fields of a record that make up its setting.

    Args:
        besides: aspects that are left out.
    """
    return tuple(name for aspect, names in ASPECTS.items() if aspect not in besides for name in names)


FIGURE_FIELDS = (*setting_fields(besides=(ARM,)), "epochs")


def of_fields(record: Record | Planned, names: Collection[str]) -> Values:
    """The values of some fields."""
    return tuple(getattr(record, name) for name in names)


def setting(record: Record | Planned, besides: Collection[str] = ()) -> Values:
    """What must be equal for two cells to be compared, whatever their replicas.

    Args:
        besides: aspects in which they may differ all the same.
    """
    return of_fields(record, setting_fields(besides))


def place(record: Record | Planned, besides: Collection[str] = ()) -> Values:
    """What must be equal for two columns to be compared with each other.

    Args:
        besides: aspects in which they may differ all the same.
    """
    own = [name for aspect, names in OF_A_PLACE.items() if aspect not in besides for name in names]
    return (*setting(record, besides), *of_fields(record, own), record.replicas)


def line(record: Record) -> Values:
    """What must be equal for two cells to be compared over replicas."""
    return (*setting(record), record.column)


def cell(record: Record) -> Values:
    """What the repeats of one cell have in common."""
    return (*place(record), record.column)


def figure(record: Record) -> Values:
    """What must be equal for two cells to stand in one figure: FIGURE_FIELDS."""
    return of_fields(record, FIGURE_FIELDS)


def aspect_values(record: Record | Planned, aspect: str) -> Values:
    """What a cell has of one aspect."""
    return of_fields(record, (*ASPECTS[aspect], *OF_A_PLACE.get(aspect, ())))


def differing(first: Record | Planned, second: Record | Planned) -> list[str]:
    """The aspects in which two cells differ; their numbers of replicas and their columns are not looked at."""
    return [aspect for aspect in ASPECTS if aspect_values(first, aspect) != aspect_values(second, aspect)]
