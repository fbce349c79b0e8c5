"""The events of a worker: what each says, declared once for who writes them, who reads them and who sums them up.

A rank appends them to its own file, a JSON object a line: `event` (the name of the kind), the fields of `Event`, and
those of the kind. A field with a default may be missing from a line; one that no kind declares is never written.
"""

from __future__ import annotations

import json
import time
import types
import weakref
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TextIO, TypeVar, Union, get_args, get_origin, get_type_hints

from shared.outside import MOST_INTEGER, OutsideError, read_bytes


@dataclass(frozen=True, kw_only=True)
class Event:
    """What every event has."""

    event: ClassVar[str]  # as lines have it
    rank: int
    time: float  # seconds of time.time()


@dataclass(frozen=True, kw_only=True)
class Phase(Event):
    """What the rank does from now on."""

    event = "phase"
    name: str  # build | warmup | measure | train | evaluate | finetune | export | end
    seconds: float | None = None  # of `measure`: what the window should take at the warm-up's pace


@dataclass(frozen=True, kw_only=True)
class Settings(Event):
    """What the worker really uses."""

    event = "settings"
    values: dict[str, Any]  # flat: versions, threads, affinity, layout, allocator, ...


@dataclass(frozen=True, kw_only=True)
class FirstStep(Event):
    """The end of the first step."""

    event = "first_step"
    seconds: float  # since the start of the process, compilation included


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """One training step."""

    event = "step"
    index: int  # from 0 over a whole stage
    seconds: float  # wall time
    wait: float  # seconds of it that it waited for its batch
    measured: bool  # whether in the window


@dataclass(frozen=True, kw_only=True)
class Window(Event):
    """The measured steps, between two device-synchronised barriers."""

    event = "window"
    seconds: float
    steps: int
    samples: int  # of this rank
    tokens: int | None  # of this rank's texts, padding not counted; None: no texts
    retraces: int  # how often the step was compiled anew since the first step
    warmup: int  # steps before the window
    stationary: bool | None  # whether the step time stood still by then; None: too few steps to tell
    turns: list[float]  # where trainings take turns, seconds per step in each (`seconds` is their sum)


@dataclass(frozen=True, kw_only=True)
class Latency(Event):
    """The requests of one batch size (shared/inference.py). Seconds are of single calls, in their order."""

    event = "latency"
    batch: int  # samples of a request
    replicas: int  # that this rank's calls are answered by, each its own request
    widths: list[int]  # of the requests, ascending; [0]: all are equally wide
    first: list[float]  # of the first call of each shape: tracing and compilation
    seconds: list[float]  # from the batch on the host to its logits on the host
    prepare: list[float]  # from texts or encoded pages to the batch on the host; none: it was not timed
    whole: list[float]  # both, one after the other
    back_to_back: float | None  # of as many calls as `seconds`, none of which was waited for; None: not timed
    stationary: bool | None  # whether the calls' time stood still before; None: too few calls to tell
    rss_peak: int  # bytes, of this process so far
    allocator_peak: int | None  # bytes, while this batch size was timed
    turns: list[float]  # where cells take turns, the median seconds of a call in each
    failure: str | None = None  # why larger ones were not timed, and this one neither


@dataclass(frozen=True, kw_only=True)
class Parts(Event):
    """The parts of a step, each timed alone (shared/parts.py)."""

    event = "parts"
    seconds: dict[str, list[float]]  # part to a value per round


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """The end of an epoch."""

    event = "epoch"
    index: int  # from 0 over both stages
    steps: int
    loss: float  # mean training loss of this rank
    learning_rate: float  # the last


@dataclass(frozen=True, kw_only=True)
class Evaluation(Event):
    """A split was evaluated."""

    event = "eval"
    split: str
    stage: str  # after which it was: train | finetune
    counts: dict[str, float]  # sums over this rank's samples, as the task counts them (`shared.task.Task.count`)


@dataclass(frozen=True, kw_only=True)
class Memory(Event):
    """Peaks, bytes; those of the device allocator are None where the framework has none."""

    event = "memory"
    rss_peak: int  # resident memory of this process
    allocator_peak: int | None  # in the window
    allocator_peak_run: int | None = None  # in the whole run, kernels' trials for the fastest included


@dataclass(frozen=True, kw_only=True)
class Failure(Event):
    """The rank ends without having finished."""

    event = "error"
    kind: str  # oom | error | diverged (a loss or logits that are not finite)
    message: str  # one line


@dataclass(frozen=True, kw_only=True)
class Done(Event):
    """The rank finished everything it was asked for."""

    event = "done"


KINDS: dict[str, type[Event]] = {
    kind.event: kind
    for kind in (Phase, Settings, FirstStep, Step, Window, Latency, Parts, Epoch, Evaluation, Memory, Failure, Done)
}
Kind = TypeVar("Kind", bound=Event)


def of_kind(events: Iterable[Event], kind: type[Kind]) -> list[Kind]:
    """The events of one kind, in order."""
    return [event for event in events if isinstance(event, kind)]


def declared(kind: type[Event]) -> dict[str, tuple[Any, bool]]:
    """Field of a kind to its type, and whether a line must have it."""
    hints = get_type_hints(kind)
    return {each.name: (hints[each.name], each.default is MISSING) for each in fields(kind)}


DECLARED = {kind: declared(kind) for kind in KINDS.values()}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of a declared type. An integer is a float, a truth value is neither.

    >>> fits(3, float), fits(True, int), fits([1, 2.5], list[float]), fits({"a": None}, dict[str, float])
    (True, False, True, False)
    """
    origin, of = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in of)
    if origin is list:
        return isinstance(value, list) and all(fits(each, of[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(key, of[0]) and fits(each, of[1]) for key, each in value.items())
    if kind is float and isinstance(value, float):
        return True
    if kind in (int, float):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST_INTEGER
    return isinstance(value, kind)


def misfit(kind: type[Event], given: dict[str, Any]) -> str | None:
    """The first declared field that is missing or of another type, in words; None where all fit."""
    for name, (expected, needed) in DECLARED[kind].items():
        if name not in given and needed:
            return f"{name} is missing"
        if name in given and not fits(given[name], expected):
            return f"{name} is {given[name]!r}"
    return None


def parse(line: bytes | str) -> Event | None:
    """One line as an event; None for anything else. What is not declared is left out."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = content.get("event") if isinstance(content, dict) else None
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or misfit(kind, content) is not None:
        return None
    return kind(**{name: content[name] for name in DECLARED[kind] if name in content})


def read_events(path: Path) -> list[Event]:
    """A rank's events so far; a last line that is still being written, or garbage, is passed over."""
    try:
        lines = read_bytes(path).split(b"\n")
    except OutsideError:
        return []
    return [event for line in lines if (event := parse(line)) is not None]


@dataclass
class EventWriter:
    """Appends a rank's events, one JSON line each, flushed at once so that a crash loses none.

    The steps of the window are kept in memory until the next event of any other kind, or the end of the process: what
    is timed has no writing in it, and who follows the file finds it still. A process that is killed inside its window
    loses those steps, of which nothing is made without the window.
    """

    path: Path
    rank: int
    _file: TextIO = field(init=False)
    _held: list[tuple[float, dict[str, Any]]] = field(init=False, default_factory=list)  # time, fields of steps

    def __post_init__(self) -> None:
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        weakref.finalize(self, _write_steps, self._file, self.rank, self._held)  # a crash that raises loses none either

    def __call__(self, event: str, **given: Any) -> None:
        """Write one event, or keep it where it is a step of the window.

        Raises:
            ValueError: an event that nobody declared, or fields that are not those of its kind.
        """
        if event == Step.event and given.get("measured"):
            self._held.append((time.time(), given))
            return
        _write_steps(self._file, self.rank, self._held)
        self._file.write(_line(event, self.rank, time.time(), given))


def _line(event: str, rank: int, moment: float, given: dict[str, Any]) -> str:
    if event not in KINDS:
        raise ValueError(f"unknown event {event!r}; known: {', '.join(KINDS)}")
    kind, content = KINDS[event], {"rank": rank, "time": moment, **given}
    undeclared = [f"{name} is not declared" for name in content if name not in DECLARED[kind]]
    if problem := next(iter(undeclared), None) or misfit(kind, content):
        raise ValueError(f"event {event!r}: {problem}")
    return json.dumps({"event": event, **content}) + "\n"


def _write_steps(file: TextIO, rank: int, held: list[tuple[float, dict[str, Any]]]) -> None:
    """Write all steps that were kept, at once."""
    steps = held.copy()
    held.clear()  # also where one is not as declared: that is said once
    if steps:
        file.write("".join(_line(Step.event, rank, moment, given) for moment, given in steps))
