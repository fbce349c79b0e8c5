"""What is measured or asked before the checks speak, as they are told it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bench.statistics import intervals

PAIRS, FEW_PAIRS = 20, 7


@dataclass(frozen=True)
class Probe:
    """What a framework's interpreter said."""

    python: str
    installed: bool = False
    version: str | None = None
    cuda: str | None = None  # the CUDA it was built for; None: a CPU build
    gpus: int = 0  # that it sees
    nccl: str | None = None
    gloo: bool = False
    packages: dict[str, str] = field(default_factory=dict)  # all of its environment, normalised name to version
    failure: str | None = None  # why it did not start


@dataclass(frozen=True)
class Device:
    """One GPU. None: the driver does not say."""

    index: int
    name: str
    memory_bytes: int
    used_bytes: int
    processes: tuple[int, ...] = ()  # ids of those that compute on it
    persistent: bool | None = None
    mig: bool | None = None
    reasons: int = 0  # bits of NvmlClocksEventReasons


@dataclass(frozen=True)
class Driver:
    """What the driver answered."""

    version: str
    devices: tuple[Device, ...] = ()
    failure: str | None = None  # the error it broke off with


@dataclass(frozen=True)
class Meanwhile:
    """What else happened on this machine while the kernel ran."""

    stolen: float  # share of all cores' time that the hypervisor gave to others
    other_cores: float  # cores that other processes of this machine kept busy


@dataclass(frozen=True)
class Noise:
    """An A/A of a fixed kernel. Shares, not percent: 0.01 is one per cent."""

    seconds: float  # asked for
    size: int  # rows of the matrices
    kernel_seconds: float  # median of all calls
    calls: int
    ratio: intervals.Estimate  # time of B over A, all pairs; 1 is the truth
    jitter: float  # coefficient of variation of calls within a second, the median over the seconds
    drift: float | None  # coefficient of variation of the seconds' medians; None: less than two seconds
    shown_few: float | None  # the smallest difference that FEW_PAIRS pairs show in 80 % of runs
    shown: float | None  # that PAIRS pairs do
    meanwhile: Meanwhile | None  # None: no /proc/stat

    def pairs_for(self, threshold: float) -> int | None:
        """Pairs that show a difference as large as a threshold in 80 % of runs, by the root law; FEW_PAIRS or more."""
        if self.shown is None:
            return None
        return max(FEW_PAIRS, math.ceil(self.ratio.count * (self.shown / threshold) ** 2))


@dataclass(frozen=True)
class DiskSpeed:
    """Sequential speed, bytes/s."""

    write: float  # flushed to the device
    read: float
    cached: bool = False  # read may have come from memory: this system can not be told to drop its pages
