"""Checks of the processor and its cores, on machines made of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.doctor import cpus
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import only

TOPOLOGY = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
GOVERNOR = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"


def cpuinfo(flags: str) -> dict[str, str]:
    one = "processor\t: {}\nmodel name\t: Machine 9000\nflags\t\t: fpu " + flags + "\n"
    return {"proc/cpuinfo": one.format(0) + "\n" + one.format(1)}


@pytest.mark.parametrize(
    ("flags", "state", "part"),
    [
        ("avx avx2 avx512f amx_tile", "good", "Machine 9000; AVX2, AVX-512, AMX"),
        ("avx avx2", "good", "Machine 9000; AVX2"),
        ("avx", "notice", "no AVX2"),
        ("sse2", "problem", "TensorFlow's wheels need AVX"),
    ],
)
def test_instruction_sets_that_change_speed(tmp_path: Path, flags: str, state: str, part: str) -> None:
    found = only(cpus.processor(fake_host.make(tmp_path, cpuinfo(flags))))
    assert found.state == state
    assert part in found.text
    assert found.blocks == (state == "problem")


def test_an_arm_processor_has_features(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path, {"proc/cpuinfo": "processor : 0\nFeatures : fp asimd sve"})
    assert only(cpus.processor(host)).text == "model unknown; NEON, SVE"


def test_without_proc_nothing_is_known_and_nothing_fails(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert [only(check(host)).state for check in (cpus.processor, cpus.load)] == ["notice", "notice"]
    assert only(cpus.cores(host)).state == "good"
    assert only(cpus.quota(host)).state == "good"
    assert only(cpus.governor(host)).state == "good"
    assert cpus.minute_load(tmp_path) is None


def test_threads_of_one_core_are_not_two_cores(tmp_path: Path) -> None:
    files = {TOPOLOGY.format(core): f"{core % 2},{core % 2 + 2}" for core in range(4)}
    host = fake_host.make(tmp_path, files, cores=(0, 1, 2, 3))
    found = only(cpus.cores(host))
    assert (found.state, cpus.physical_cores(host)) == ("notice", [0, 1])
    assert "4 usable: 0-3, on 2 physical" in found.text
    assert "taskset -c 0,1 " in found.fix
    assert only(cpus.cores(replace(host, cores=(0, 1)))).state == "good"


def test_the_cores_that_are_advised_are_of_different_hardware(tmp_path: Path) -> None:
    files = {TOPOLOGY.format(core): f"{core // 2 * 2}-{core // 2 * 2 + 1}" for core in range(4)}
    assert "taskset -c 0,2 " in only(cpus.cores(fake_host.make(tmp_path, files, cores=(0, 1, 2, 3)))).fix


def test_one_core_is_enough_to_try_but_not_for_two_replicas(tmp_path: Path) -> None:
    found = only(cpus.cores(fake_host.make(tmp_path, cores=(3,))))
    assert (found.state, "1 usable: 3:" in found.text) == ("notice", True)


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/box/inner", "sys/fs/cgroup/box/cpu.max": "150000 100000",
         "sys/fs/cgroup/box/inner/cpu.max": "max 100000"},
        {"proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/host/path", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000",
         "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"},
    ],
    ids=["cgroup-v2", "cgroup-v1"],
)  # fmt: skip
def test_a_quota_on_any_level_is_a_problem(tmp_path: Path, files: dict[str, str]) -> None:
    found = only(cpus.quota(fake_host.make(tmp_path, files)))
    assert (found.state, found.blocks) == ("problem", False)
    assert found.text.startswith("1.5 cores' worth of time on 2 cores")
    assert "--cpuset-cpus 0 " in found.fix


def test_no_quota_below_the_cores(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "200000 100000"}
    assert only(cpus.quota(fake_host.make(tmp_path, files))).state == "good"
    files = {"proc/self/cgroup": "1:cpu:/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"}
    assert only(cpus.quota(fake_host.make(tmp_path / "second", files))).state == "good"


def test_a_governor_that_changes_the_clock(tmp_path: Path) -> None:
    files = {GOVERNOR.format(0): "performance", GOVERNOR.format(1): "powersave"}
    assert only(cpus.governor(fake_host.make(tmp_path, files))).text.startswith("performance, powersave")
    files[GOVERNOR.format(1)] = "performance"
    assert only(cpus.governor(fake_host.make(tmp_path, files))).state == "good"


def test_other_work_is_told(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path, {"proc/loadavg": "1.90 0.50 0.10 1/100 1"})
    assert cpus.minute_load(host.proc) == 1.9
    assert only(cpus.load(replace(host, load=1.9))).state == "notice"
    assert only(cpus.load(replace(host, load=0.3))).state == "good"
