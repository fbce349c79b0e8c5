"""What a check says, and what it is told of the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.doctor.measured import DiskSpeed, Driver, Noise, Probe
from bench.host.locations import results_directory
from bench.host.machine import usable_cores
from bench.host.system import System

State = Literal["good", "notice", "problem"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check, in one line, with one line that says what to do about it."""

    check: str
    state: State
    text: str
    fix: str = ""
    blocks: bool = False  # `make bench` can not run here because of it

    def __post_init__(self) -> None:
        assert self.fix or self.state != "problem", f"{self.check}: a problem needs its fix"
        assert self.state == "problem" or not self.blocks, f"{self.check}: only a problem blocks"


def good(check: str, text: str) -> Finding:
    """As it should be."""
    return Finding(check, "good", text)


def notice(check: str, text: str, fix: str = "") -> Finding:
    """Worth knowing; nothing is wrong, or only something optional is missing."""
    return Finding(check, "notice", text, fix)


def problem(check: str, text: str, fix: str, blocks: bool = False) -> Finding:
    """Something does not work, or would make figures wrong."""
    return Finding(check, "problem", text, fix, blocks)


@dataclass(frozen=True)
class Host(System):
    """The machine as the checks see it: where to read, and what was measured before. Tests give their own."""

    results: Path = field(default_factory=results_directory)
    cores: tuple[int, ...] = field(default_factory=lambda: tuple(usable_cores()))
    load: float | None = None  # of the last minute, before we began; None: no /proc/loadavg
    driver: Driver | None = None  # None: no driver
    probes: dict[str, Probe] = field(default_factory=dict)  # by framework
    disk: DiskSpeed | str | None = None  # str: why it could not be measured; None: not asked for
    noise: Noise | str | None = None  # likewise
