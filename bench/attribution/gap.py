"""What the difference between two frameworks is made of, in figures and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.attribution import estimates
from bench.attribution.split import PARTS, STEP, Split, split_key
from bench.records.identity import Values
from bench.statistics import intervals
from bench.statistics.intervals import Estimate

NAMES = {
    STEP: "step",
    "forward_backward": "forward+backward",
    "overhead": "framework overhead",
    "optimizer": "optimizer",
    "exchange": "gradient exchange",
    "copy": "host-to-device copy",
    "wait": "input wait",
    "unexplained": "unexplained",
    "reading": "reading the store",
    "assembling": "assembling batches",
    "waited": "waited for a batch",
    "copy_alone": "copy, by itself",
    "typical": "typical step (the median turn)",
}
# the answer to "where does it come from", in the order of the question
GROUPS = {
    "input": ("wait", "copy"),
    "compute": ("forward_backward", "overhead", "optimizer"),
    "communication": ("exchange",),
    "unexplained": ("unexplained",),
}


@dataclass(frozen=True)
class Gap:
    """Two columns at the same number of replicas, over the repeats that ran side by side."""

    first: Split
    other: Split
    apart: int = 0  # repeats of both that did not, and are left out

    def differences(self, parts: Sequence[str]) -> list[float]:
        """How many seconds longer some parts together take in the other column, a value per repeat."""
        return [
            sum(self.other.repeats[repeat][part] - self.first.repeats[repeat][part] for part in parts)
            for repeat in self.first.repeats
        ]

    def difference(self, *parts: str) -> Estimate:
        """The same with its interval."""
        values = self.differences(parts)
        return estimates.difference(values, [0.0] * len(values))

    @cached_property
    def step(self) -> Estimate:
        """How many seconds longer the other column's step is."""
        return self.difference(STEP)

    @cached_property
    def parts(self) -> dict[str, Estimate]:
        """How many seconds longer each of PARTS is."""
        return {part: self.difference(part) for part in PARTS}

    def share(self, *parts: str) -> Estimate:
        """Of the difference of the steps, how much some parts make up; above 1 or negative where others make up for it.

        Meaningless where the difference itself cannot be told from 0 (`is_shown`).
        """
        pairs = zip(self.differences(parts), self.differences([STEP]), strict=True)
        return estimates.median([part / whole if whole else 0.0 for part, whole in pairs])

    @property
    def is_shown(self) -> bool | None:
        """Whether the steps differ for certain; None: too few repeats to tell."""
        return estimates.excludes_zero(self.step)


def gaps(splits: Sequence[Split]) -> list[Gap]:
    """Every column against the first of the same settings and replicas, over the repeats that they have in common."""
    groups: dict[Values, list[Split]] = {}
    for split in splits:
        groups.setdefault(split_key(split.records[0]), []).append(split)
    found = []
    for first, *others in groups.values():
        for other in others:
            common = [repeat for repeat in first.repeats if repeat in other.repeats]
            if common:
                apart = len({key[:2] for key in first.repeats} & {key[:2] for key in other.repeats}) - len(common)
                found.append(Gap(first.of(common), other.of(common), apart))
    return found


def milliseconds(estimate: Estimate, signed: bool = False) -> str:
    """Seconds as milliseconds with their interval; a small figure keeps two digits that mean something.

    >>> milliseconds(Estimate(0.0795, 0.079, 0.0801, 7, 0.95, 0.98))
    '79.5 [79.0, 80.1]'
    """
    digits = 1 if abs(estimate.value) >= 1e-3 else 2
    found = (estimate.value, *(estimate.interval or ()))
    texts = [f"{1e3 * value:{'+' if signed else ''}.{digits}f}" for value in found]
    return texts[0] if len(texts) == 1 else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def percent(estimate: Estimate, interval: bool = True) -> str:
    """A share in per cent.

    >>> percent(Estimate(0.96, 0.9, 1.02, 7, 0.95, 0.98))
    '96 % [90, 102]'
    """
    value = f"{100 * estimate.value:.0f} %".replace("-0 %", "0 %")
    if estimate.interval is None or not interval:
        return value
    low, high = estimate.interval
    return f"{value} [{100 * low:.0f}, {100 * high:.0f}]"


def sentence(gap: Gap) -> str:
    """How much of the difference of two steps is input, compute and communication; or that none is shown."""
    slow, fast = (gap.other, gap.first) if gap.step.value >= 0 else (gap.first, gap.other)
    between = gap.step if gap.step.value >= 0 else Gap(gap.other, gap.first).step
    replicas = gap.first.replicas
    head = (
        f"At {replicas} replica{'' if replicas == 1 else 's'} a step of {slow.name} takes "
        f"{milliseconds(slow.step)} ms, {fast.name}'s {milliseconds(fast.step)} ms"
    )
    if gap.is_shown is False:
        return f"{head}: the {milliseconds(between)} ms between them cannot be told from 0{apart(gap)}."
    shares: list[str] = []
    for group, parts in GROUPS.items():
        if group == "communication" and replicas == 1:
            continue  # there is none
        inner = ", ".join(f"{NAMES[part]} {percent(gap.share(part), interval=False)}" for part in parts)
        detail = f" ({inner})" if group == "compute" else ""
        shares.append(f"{percent(gap.share(*parts))} {'is ' if not shares else ''}{group}{detail}")
    few = ""
    if gap.is_shown is None:
        count = len(gap.first.repeats)
        few = f" ({count} repeat{'' if count == 1 else 's'}: no interval; {intervals.fewest()} give one)"
    return f"{head}: of the {milliseconds(between)} ms between them{few} {', '.join(shares)}."


def apart(gap: Gap) -> str:
    """The parts that differ although the steps do not."""
    differing = [part for part, estimate in gap.parts.items() if estimates.excludes_zero(estimate)]
    if not differing:
        return ""
    found = ", ".join(f"{NAMES[part]} by {milliseconds(gap.parts[part], signed=True)} ms" for part in differing)
    return f"; parts do differ ({gap.other.name} less {gap.first.name}): {found}"
