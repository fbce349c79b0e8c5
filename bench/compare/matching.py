"""Which cells of two sources may be compared, and why others may not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from bench.compare.sources import Source
from bench.records import identity
from bench.records.columns import column_name
from bench.records.record import Record
from bench.show.captions import counted
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS


def said(record: Record, aspect: str) -> str:
    """What a cell has of an aspect of its identity, in words: "synthetic d1", "2 shared" (oversubscribed cores)."""
    if aspect != "cores":
        return " ".join(map(str, identity.aspect_values(record, aspect)))
    if record.device == "cuda":
        return "GPUs"
    return f"{record.cores_per_replica}{' shared' if record.oversubscribed else ''}"


class NotComparableError(UserError):
    """No cell of one source may be compared with one of the other; a line a reason in `reasons`."""

    def __init__(self, message: str, reasons: Sequence[str]) -> None:
        super().__init__(message)
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Mismatch:
    """Something that two cells differ in and should not."""

    name: str  # of identity.ASPECTS
    a: str
    b: str

    @property
    def text(self) -> str:
        """spec differs (abc / def)."""
        return f"{self.name} differs ({self.a} / {self.b})"


@dataclass(frozen=True)
class Match:
    """The repeats of one cell of either source."""

    a: tuple[Record, ...]
    b: tuple[Record, ...]
    mismatches: tuple[Mismatch, ...]  # compared despite them

    @property
    def columns(self) -> str:
        """PyTorch, or PyTorch / TensorFlow."""
        return " / ".join(dict.fromkeys((column_name(self.a[0]), column_name(self.b[0]))))

    @property
    def names(self) -> set[str]:
        """What is different, as --despite takes it."""
        return {each.name for each in self.mismatches}

    @property
    def why(self) -> str:
        """What is different, in words; empty where nothing is."""
        return "; ".join(each.text for each in self.mismatches)


def paired_columns(a: Source, b: Source) -> list[tuple[str, str]]:
    """Which column of one is held against which of the other.

    Equal ones; where each has only one, these; where each has only one of a framework, these.

    Raises:
        UserError: none fit together.
    """
    if len(a.columns) == len(b.columns) == 1:
        return [(a.columns[0], b.columns[0])]
    if equal := [(column, column) for column in a.columns if column in b.columns]:
        return equal
    pairs = []
    for framework in FRAMEWORKS:
        own, others = ([column for column in side.columns if column.startswith(framework)] for side in (a, b))
        if len(own) == len(others) == 1:
            pairs.append((own[0], others[0]))
    if not pairs:
        has = f"{a.name} has {', '.join(a.columns)}; {b.name} has {', '.join(b.columns)}"
        raise UserError(f"which columns to compare? {has}; choose with RUN:COLUMN, for example {a.name}:{a.columns[0]}")
    return pairs


def match(a: Source, b: Source, despite: Collection[str]) -> tuple[list[Match], list[str]]:
    """The cells that may be compared, and a line for each that has no partner.

    Args:
        a, b: the sources.
        despite: names of identity.ASPECTS in which cells may differ all the same.

    Raises:
        UserError: no columns or no replicas in common.
        NotComparableError: cells are there, but all differ in what must be equal.
    """
    matches: list[Match] = []
    refused: list[Match] = []
    lonely: list[str] = []
    for column_a, column_b in paired_columns(a, b):
        ours, theirs = cells(a.records, column_a), cells(b.records, column_b)
        # a cell that differs in nothing is the partner; only cells without one are looked at for --despite
        exact = set() if is_other_machine(a, b) else ours.keys() & theirs.keys()
        free: dict[int, list[tuple[Record, ...]]] = {}  # replicas to cells of B without a partner
        for key, other in theirs.items():
            if key not in exact:
                free.setdefault(other[0].replicas, []).append(other)
        looked_at: set[int] = set()  # replicas
        for key, cell in ours.items():
            replicas = cell[0].replicas
            if key in exact:
                matches.append(Match(cell, theirs[key], ()))
            elif replicas in free:
                looked_at.add(replicas)
                found = [Match(cell, other, mismatches(a, cell[0], b, other[0])) for other in free[replicas]]
                allowed = [each for each in found if each.names <= set(despite)]
                matches += allowed
                refused += [] if allowed else [min(found, key=lambda each: len(each.names))]
            else:
                lonely.append(f"only in {a.name}: {describe(cell[0])}")
        for replicas, others in free.items():
            if replicas not in looked_at:
                lonely += [f"only in {b.name}: {describe(other[0])}" for other in others]
    if not matches:
        refuse(a, b, refused)
    return matches, [f"not compared: {describe(each.a[0])}: {each.why}" for each in refused] + lonely


def cells(records: Iterable[Record], column: str) -> dict[identity.Values, tuple[Record, ...]]:
    """The cells of a column, by place: their repeats."""
    groups: dict[identity.Values, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.arm, record.replicas, record.repeat)):
        if record.column == column:
            groups.setdefault(identity.place(record), []).append(record)
    return {key: tuple(group) for key, group in groups.items()}


def mismatches(a: Source, first: Record, b: Source, second: Record) -> tuple[Mismatch, ...]:
    """What a cell of A and one of B differ in and should not."""
    differing = identity.differing(first, second)
    found = [Mismatch(aspect, said(first, aspect), said(second, aspect)) for aspect in differing]
    if is_other_machine(a, b) and all(each.name != "machine" for each in found):
        found.append(Mismatch("machine", f"fingerprint {a.fingerprint}", f"fingerprint {b.fingerprint}"))
    return tuple(found)


def is_other_machine(a: Source, b: Source) -> bool:
    """Whether both machines are known, and are two."""
    return a.fingerprint is not None and b.fingerprint is not None and a.fingerprint != b.fingerprint


def describe(record: Record) -> str:
    """A cell in words, whatever its repeat."""
    words = (record.workload, *(["inference"] if record.mode == "infer" else []), record.arm, record.precision)
    words += (record.input_mode,)
    return f"{column_name(record)} at {counted(record.replicas)} ({', '.join(words)})"


def refuse(a: Source, b: Source, refused: Sequence[Match]) -> NoReturn:
    """Say why nothing can be compared.

    Raises:
        UserError: always.
    """
    if not refused:
        counts = [", ".join(map(str, sorted({record.replicas for record in side.records}))) for side in (a, b)]
        raise UserError(
            f"{a.name} and {b.name}: no cell in common: replicas {counts[0]} against {counts[1]}; "
            "run both with the same --gpus"
        )
    names = list(dict.fromkeys(each.name for match in refused for each in match.mismatches))
    reasons = list(dict.fromkeys(each.text for match in refused for each in match.mismatches))
    raise NotComparableError(
        f"{a.name} and {b.name} are not comparable: {', '.join(names)} differ{'s' if len(names) == 1 else ''}; "
        f"--despite {','.join(names)} compares them all the same and says so",
        reasons,
    )
