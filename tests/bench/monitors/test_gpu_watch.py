"""What becomes of the driver's answers: known figures, GPUs that know less, and every way of failing."""

from __future__ import annotations

import os
from itertools import count

import pynvml
import pytest

from bench.monitors import nvml
from bench.monitors.nvml import GpuWatch, connect
from bench.records.usage import GpuUsage, Usage
from tests.bench.monitors.fake_nvml import GIB, H200, V100, FakeNvml


def watched(driver: FakeNvml, selector: str = "0", own: set[int] | None = None) -> tuple[GpuUsage, list[str]]:
    """A cell of 10 s with its window from 2 to 6 s and a look in the middle of it."""
    gpu, own = GpuWatch(driver, selector), own or set()
    gpu.sample(1.0, own)
    gpu.sample(2.0, own, begin=True)
    gpu.sample(4.0, own)
    gpu.sample(6.0, own, end=True)
    gpu.sample(8.0, own)
    return gpu.usage(10.0), gpu.notes


def test_an_h200s_answers_become_its_figures() -> None:
    usage, notes = watched(FakeNvml(H200))
    assert notes == []
    assert usage.name == "NVIDIA H200"
    # the looks at 4 and 6 s are of the window; the one at its begin tells of what was before, but for the power
    assert usage.utilisation_mean == pytest.approx(0.985)
    assert usage.sm_clock_mean == pytest.approx(1867.5)
    assert (usage.sm_clock_min, usage.memory_clock_mean, usage.memory_clock_min) == (1755, 3201, 3201)
    assert usage.temperature_max == 55
    assert usage.throttle_reasons == {"software power cap": 0.5}
    assert usage.memory_used_peak == 23 * GIB
    # the counter: first asked at the cell's begin, then at both ends of the window, then at the cell's end
    assert (usage.energy, usage.energy_source, usage.energy_cell) == (600.0, "counter", 1800.0)
    # trapezoids of two seconds each under 412.35, 655.02 and 631.8 W
    assert usage.power_mean == pytest.approx((412.35 + 2 * 655.02 + 631.8) / 4)
    assert usage.power_max == pytest.approx(655.02)
    assert usage.other_processes == []


def test_without_a_counter_the_power_is_integrated_and_that_is_said() -> None:
    usage, notes = watched(FakeNvml(H200, V100), "1")
    assert notes == ["GPU 1: energy counter: Not Supported (at 0.0 s)"]
    assert (usage.energy, usage.energy_source) == (pytest.approx(2 * 260 + 2 * 270), "integrated")
    assert usage.energy_cell is None
    assert usage.throttle_reasons == {"software thermal slowdown": 0.5, "software power cap": 0.5}
    assert [(each.pid, each.memory) for each in usage.other_processes] == [(999_999_999, 3 * GIB)]


def test_energy_per_1000_samples_is_of_the_workers_own_rate() -> None:
    gpu = GpuUsage(selector="0", energy=600.0)
    usage = Usage(seconds=10, window_seconds=4.0, gpus=[gpu, gpu.model_copy(update={"energy": 300.0})])
    # 150 W and 75 W at 50 samples/s
    assert usage.with_samples(50.0).energy_per_1000_samples == pytest.approx(3000 + 1500)
    assert usage.with_samples(None).energy_per_1000_samples is None
    assert Usage(seconds=1).with_samples(50.0).energy_per_1000_samples is None


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetUtilizationRates", "utilisation_mean"),
        ("nvmlDeviceGetMemoryInfo", "memory_used_peak"),
        ("nvmlDeviceGetPowerUsage", "power_mean"),
        ("nvmlDeviceGetClockInfo", "sm_clock_mean"),
        ("nvmlDeviceGetTemperature", "temperature_max"),
        ("nvmlDeviceGetCurrentClocksEventReasons", "throttle_reasons"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_cell"),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_question_that_fails_costs_its_figure_and_no_other(function: str, field: str, after: int) -> None:
    whole, _ = watched(FakeNvml(H200))
    driver = FakeNvml(H200)
    driver.fail(function, pynvml.NVML_ERROR_TIMEOUT, after)
    usage, notes = watched(driver)
    assert getattr(whole, field) is not None
    assert getattr(usage, field) is None
    assert notes
    assert all("Timeout" in note and "(at " in note for note in notes)
    if function != "nvmlDeviceGetTotalEnergyConsumption":
        assert usage.energy == whole.energy


def test_a_gpu_that_is_lost_is_one_note_with_its_time() -> None:
    driver = FakeNvml(H200)
    gpu = GpuWatch(driver, "0")
    gpu.sample(2.0, set(), begin=True)
    driver.lose()
    gpu.sample(4.0, set())
    gpu.sample(6.0, set(), end=True)
    usage = gpu.usage(10.0)
    assert gpu.notes == ["GPU 0: GPU is lost (at 4.0 s)"]
    assert usage == GpuUsage(selector="0", name="NVIDIA H200")


def test_a_gpu_that_is_lost_after_the_window_keeps_the_windows_figures() -> None:
    driver = FakeNvml(H200)
    gpu = GpuWatch(driver, "0")
    for now, begin, end in ((2.0, True, False), (4.0, False, False), (6.0, False, True)):
        gpu.sample(now, set(), begin, end)
    driver.lose()
    gpu.sample(8.0, set())
    usage = gpu.usage(10.0)
    assert usage.energy == 600.0
    assert usage.utilisation_mean == pytest.approx(0.985)
    assert usage.memory_used_peak is None  # of the whole cell, whose end nobody saw


def test_a_gpu_that_does_not_exist_is_a_note() -> None:
    usage, notes = watched(FakeNvml(H200), "3")
    assert notes == ["GPU 3: handle: Invalid Argument (at 0.0 s)"]
    assert usage == GpuUsage(selector="3")


def test_the_cells_own_processes_are_not_others() -> None:
    own = os.getpid()
    driver = FakeNvml(H200)
    gpu = GpuWatch(driver, "0")
    driver.gpus[0]["processes"] = [(own, GIB), (os.getppid(), None)]
    gpu.sample(1.0, {own})
    assert [process.pid for process in gpu.usage(2.0).other_processes] == [os.getppid()]


def test_an_id_of_another_name_space_is_neither_ours_nor_anothers() -> None:
    """In a container the driver may tell the host's ids: what appears with the cell may be the cell."""
    driver = FakeNvml(H200)
    gpu = GpuWatch(driver, "0")
    driver.gpus[0]["processes"] = [(999_999_999, GIB)]
    gpu.sample(1.0, set())
    usage = gpu.usage(2.0)
    assert usage.other_processes == []
    assert "1 process(es) whose ids this system does not know" in gpu.notes[0]


def test_a_driver_from_before_535_calls_its_reasons_otherwise() -> None:
    class Older(FakeNvml):
        def nvmlDeviceGetCurrentClocksEventReasons(self, handle: int) -> int:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

        def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
            return 0x80

    usage, notes = watched(Older(H200))
    assert (usage.throttle_reasons, notes) == ({"hardware power brake": 1.0}, [])


def test_a_counter_that_begins_anew_gives_no_energy_of_its_own() -> None:
    driver = FakeNvml(H200 | {"energy_step": -600_000})
    usage, _ = watched(driver)
    assert (usage.energy_source, usage.energy_cell) == ("integrated", None)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, None),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, None),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "GPUs were not watched: NVML does not start (RM has detected"),
    ],
)
def test_no_driver_is_silent_and_a_broken_one_is_not(
    monkeypatch: pytest.MonkeyPatch, error: int, note: str | None
) -> None:
    driver = FakeNvml()
    driver.fail("nvmlInit", error)
    monkeypatch.setattr(pynvml, "nvmlInit", driver.nvmlInit)
    found, why = connect()
    assert found is None
    assert (why or "").startswith(note or "") and (why is None) == (note is None)


def test_the_real_driver_answers() -> None:
    driver, why = connect()
    if driver is None:
        pytest.skip(f"no NVIDIA driver on this machine ({why or 'none installed'})")
    try:
        gpu, now = GpuWatch(driver, "0"), count()
        gpu.sample(next(now), set())
        gpu.sample(next(now), set(), begin=True)
        for _ in range(20):
            gpu.sample(next(now), set())
        gpu.sample(next(now), set(), end=True)
        usage = gpu.usage(next(now))
    finally:
        driver.nvmlShutdown()
    print(usage.model_dump_json(indent=1), gpu.notes)
    assert usage.name
    assert usage.memory_used_peak is not None and usage.memory_used_peak > 0
    assert usage.utilisation_mean is None or 0 <= usage.utilisation_mean <= 1
    assert usage.power_mean is None or 1 < usage.power_mean < 5000
    assert set(nvml.REASONS.values()) >= set(usage.throttle_reasons or {})
