"""What is known to spoil a cell's figure: said wherever the figure is shown, in the same words.

Made from records alone. The thresholds are those beyond which a difference of a few per cent means nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.monitors.exclusive import disturbance_text
from bench.records.record import Record
from bench.records.usage import Usage

DRIFT = 0.1  # of the step time, between the window's first third and its last
SURE = 2.0  # times its noise that a drift must be, or it may be none: said too, with that
STOLEN = 0.1  # cores that a hypervisor gave to others
THROTTLED = 0.01  # share of a quota's periods in which threads were stopped
CLOCKS_DOWN = 0.05  # share of the looks at a GPU
SETTINGS = ("applications clocks setting", "sync boost", "display clock setting")  # clocks that somebody chose
NAMED = 3  # different sentences per cell; the others are counted


def disturbances(record: Record) -> list[str]:
    """What spoils the figure of a cell that ended well, a plain sentence each, or why it has no figure.

    Empty where nothing is known to: that a record is of a version that did not look is no disturbance.
    """
    if record.status == "diverged":
        return [f"its training diverged: {record.reason}"]
    if record.status != "ok":
        return []
    return [*(around(record.usage) if record.usage else ()), *quota(record), *within(record)]


def around(usage: Usage) -> Iterator[str]:
    """What others, the hypervisor and the GPU's own protection did."""
    if text := disturbance_text(usage):
        yield text
    if usage.stolen_cores is not None and usage.stolen_cores > STOLEN:
        yield f"the hypervisor gave {usage.stolen_cores:.1f} of its cores to others"
    for gpu in usage.gpus:
        shares = {name: share for name, share in (gpu.throttle_reasons or {}).items() if name not in SETTINGS}
        held = [f"{name}, {100 * share:.0f} % of the time" for name, share in shares.items() if share >= CLOCKS_DOWN]
        if held:
            yield f"GPU {gpu.selector} lowered its clocks ({'; '.join(held)})"


def quota(record: Record) -> Iterator[str]:
    """A container's share of CPU time that is smaller than what the cell had threads for."""
    usage, cores = record.usage, record.replicas * (record.cores_per_replica or 0)
    if usage is None or usage.cpu_quota is None:
        return
    if cores > usage.cpu_quota:
        yield f"its {cores} cores had a CPU quota of {usage.cpu_quota:g} cores' time"
    periods, throttled = usage.quota_periods, usage.throttled_periods
    if periods and throttled is not None and throttled >= THROTTLED * periods:
        yield f"the CPU quota stopped its threads in {throttled} of {periods} periods"


def within(record: Record) -> Iterator[str]:
    """What the steps themselves show."""
    drift, noise = record.window_drift, record.window_drift_noise or 0.0
    if drift is not None and abs(drift) > DRIFT:
        way = "slower" if drift > 0 else "faster"
        sure = "" if abs(drift) > SURE * noise else ", which its noise explains"
        yield f"the first third of its window was {100 * abs(drift):.0f} % {way} than the last{sure}"
    if record.warmup_stationary is False:
        yield "its step time did not stand still before the window"
    if record.retraces:
        yield f"its step was compiled anew {record.retraces} times in warm-up or window"


def is_disturbed(record: Record) -> bool:
    """Whether something is known that spoils the figure."""
    return bool(disturbances(record))


def cell_text(records: Sequence[Record]) -> str | None:
    """What spoils the figure of a cell, over its repeats that ended well; None where nothing is known to.

    "other processes kept 0.8 cores busy (repeat 1); its step time did not stand still before the window (repeats 0, 2)"
    """
    found: dict[str, list[int]] = {}
    good = [record for record in records if record.status == "ok"]
    for record in good:
        for text in disturbances(record):
            found.setdefault(text, []).append(record.repeat)
    texts = [text if len(repeats) == len(good) else f"{text} ({named(repeats)})" for text, repeats in found.items()]
    more = [f"and {len(texts) - NAMED} more"] if len(texts) > NAMED else []
    return "; ".join(texts[:NAMED] + more) or None


def named(repeats: Sequence[int]) -> str:
    """Repeats by number: "repeat 1", "repeats 0, 2"."""
    return f"repeat{'' if len(repeats) == 1 else 's'} {', '.join(map(str, sorted(set(repeats))))}"


def sides_text(sides: Mapping[str, Sequence[Record]]) -> str | None:
    """Which sides of a comparison were disturbed, and in how many repeats; None where none is known to have been.

    "disturbed: PyTorch in 2 of 5 repeats, TensorFlow in none"
    """
    good = {name: [record for record in records if record.status == "ok"] for name, records in sides.items()}
    counts = {name: sum(map(is_disturbed, records)) for name, records in good.items()}
    if not any(counts.values()):
        return None
    shares = {name: f"{count} of {len(good[name])} repeats" if count else "none" for name, count in counts.items()}
    return "disturbed: " + ", ".join(f"{name} in {share}" for name, share in shares.items())
