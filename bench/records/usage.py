"""What the harness's monitors saw of one cell: a part of its record.

`None` means that it could not be measured; `notes` says why. Intervals are the harness's monotonic clock. *The window*
is the measured one as the harness saw it: from the look that found its begin, a quarter of a second late at most, to
the one that found its end: at once where the system wakes the harness then (bench/host/wake.py), else a second late at
most.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from bench.records.bounds import Figures


class GpuProcess(Figures):
    """A process on a GPU that is none of the cell's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    name: str
    memory: int | None  # bytes; None: the driver does not say


class GpuUsage(Figures):
    """One GPU of a cell: what its driver said, over the window unless said otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: str  # what CUDA_VISIBLE_DEVICES calls it
    name: str | None = None
    utilisation_mean: float | None = None  # share of the time in which a kernel ran, 0 to 1
    memory_used_peak: int | None = None  # bytes on the device, by whomever; of the whole cell
    power_mean: float | None = None  # W
    power_max: float | None = None  # W
    energy: float | None = None  # J
    energy_source: Literal["counter", "integrated"] | None = None  # the device's own counter, or power over time
    energy_cell: float | None = None  # J of the whole cell, from the counter alone
    energy_per_1000_samples: float | None = None  # J: mean power x the worker's own window seconds / its samples
    sm_clock_mean: float | None = None  # MHz
    sm_clock_min: float | None = None  # MHz
    memory_clock_mean: float | None = None  # MHz
    memory_clock_min: float | None = None  # MHz
    temperature_max: float | None = None  # degrees Celsius
    throttle_reasons: dict[str, float] | None = None  # name to the share of the samples that showed it
    other_processes: list[GpuProcess] = []  # seen at any time of the cell


class Usage(Figures):
    """What one cell used of the machine, and what others used of it meanwhile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float  # of the whole cell
    window_seconds: float | None = None
    cpu_seconds: float | None = None  # user and system, of the cell's process tree, in the window
    cores_used: float | None = None  # mean over the window
    cpu_seconds_cell: float | None = None  # of the whole cell
    # Process footprint, summed over the tree; not the allocator's peak. RSS counts shared pages once per process.
    rss_peak: int | None = None  # bytes, of the whole cell
    pss_peak: int | None = None  # bytes, shared pages divided among their users; few looks, none inside the window
    # busy cores among those the harness may use, less the cell's and the harness's own
    other_cores: float | None = None  # mean over the window
    other_cores_cell: float | None = None  # mean over the whole cell
    stolen_cores: float | None = None  # that a hypervisor gave to others, mean over the window
    cpu_quota: float | None = None  # cores' worth of time that a container or service may use; None: no limit
    # the quota's periods, and those of them in which threads were stopped: in the window, or where it was not seen in
    # the whole cell; seconds are summed over cores
    quota_periods: int | None = None
    throttled_periods: int | None = None  # periods
    throttled_seconds: float | None = None  # s, summed over cores
    gpus: list[GpuUsage] = []
    num_samples: int = 0
    num_samples_window: int | None = None  # of those, in the window, its two ends among them
    # CPU time of the harness in the window, its monitors included: what the measured cell had to share its cores with
    harness_cpu_seconds: float | None = None
    sampling_cpu_seconds: float = 0.0  # what all this cost the harness
    notes: list[str] = []  # what could not be measured and why; failures with their time

    @property
    def energy_per_1000_samples(self) -> float | None:
        """J of all the cell's GPUs; None where one of them does not say, or there is none."""
        values = [gpu.energy_per_1000_samples for gpu in self.gpus]
        return sum(value for value in values if value is not None) if values and None not in values else None

    @property
    def disturbance(self) -> float | None:
        """Cores that others kept busy: in the window, or where none was seen over the whole cell."""
        return self.other_cores_cell if self.other_cores is None else self.other_cores

    def with_samples(self, throughput: float | None) -> Usage:
        """The same with the energy per 1,000 samples.

        Args:
            throughput: samples/s of the cell, over the worker's own and exact window.
        """
        if not throughput:
            return self
        gpus = []
        for gpu in self.gpus:
            joules = None
            if gpu.energy is not None and self.window_seconds:
                joules = 1000 * gpu.energy / self.window_seconds / throughput
            gpus.append(gpu.model_copy(update={"energy_per_1000_samples": joules}))
        return self.model_copy(update={"gpus": gpus})

    def of_turns(self) -> Usage:
        """Of a cell that took turns with others: less all that the others' turns are in."""
        gpus = [
            GpuUsage(selector=gpu.selector, name=gpu.name, memory_used_peak=gpu.memory_used_peak) for gpu in self.gpus
        ]
        note = "cells took turns: what happened in a window is not this cell's alone"
        return Usage(
            seconds=self.seconds,
            rss_peak=self.rss_peak,
            pss_peak=self.pss_peak,
            cpu_quota=self.cpu_quota,  # what it stopped in others' turns is not told apart
            gpus=gpus,
            num_samples=self.num_samples,
            sampling_cpu_seconds=self.sampling_cpu_seconds,
            notes=[*self.notes, note],
        )
