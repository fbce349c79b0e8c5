"""Checks of memory, swap, shared memory, limits and the clock, on machines made of files."""

from __future__ import annotations

import resource
from collections import namedtuple
from pathlib import Path

import pytest

from bench.doctor import memory, system
from bench.host import cgroups
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import GIB, only

MEMINFO = "MemTotal: 33554432 kB\nMemAvailable: {} kB\nSwapTotal: {} kB\nSwapFree: {} kB\nHugePages_Total: 0"
Usage = namedtuple("Usage", "total used free")


def meminfo(available_gib: float, swap: int = 0, free: int = 0) -> dict[str, str]:
    return {"proc/meminfo": MEMINFO.format(int(available_gib * 2**20), swap, free)}


@pytest.mark.parametrize(("free", "state"), [(20, "good"), (4, "notice"), (2, "problem")])
def test_memory_that_is_there(tmp_path: Path, free: int, state: str) -> None:
    found = only(memory.memory(fake_host.make(tmp_path, meminfo(free))))
    assert (found.state, found.blocks) == (state, state == "problem")
    assert found.text.startswith(f"{free}.0 GiB available")


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": str(4 * GIB), "sys/fs/cgroup/memory.current":
         str(3 * GIB), "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB}"},
        {"proc/self/cgroup": "4:memory:/gone", "sys/fs/cgroup/memory/memory.limit_in_bytes": str(4 * GIB),
         "sys/fs/cgroup/memory/memory.usage_in_bytes": str(3 * GIB),
         "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {GIB}"},
    ],
    ids=["cgroup-v2", "cgroup-v1"],
)  # fmt: skip
def test_a_containers_limit_counts_less_what_the_kernel_would_drop(tmp_path: Path, files: dict[str, str]) -> None:
    host = fake_host.make(tmp_path, meminfo(20) | files)
    assert cgroups.memory_room(host) == (2 * GIB, 4 * GIB)
    found = only(memory.memory(host))
    assert found.blocks
    assert "2.0 GiB available, of a limit of 4.0 GiB; `make bench` needs about 3.0 GiB" in found.text


def test_what_the_kernel_killed_for_want_of_memory(tmp_path: Path) -> None:
    second = {"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/memory.events": "low 0\noom 3\noom_kill 2\n",
              "sys/fs/cgroup/a/memory.events": "oom_kill 9\n"}  # fmt: skip
    assert cgroups.oom_kills(fake_host.make(tmp_path / "2", second)) == 2, "of this group, others' not"
    first = {"proc/self/cgroup": "4:memory:/gone",
             "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1"}  # fmt: skip
    assert cgroups.oom_kills(fake_host.make(tmp_path / "1", first)) == 1
    nobody = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.events": "oom_kill\noom_kill many\n"}
    assert cgroups.oom_kills(fake_host.make(tmp_path / "0", nobody)) == 0


def test_no_limit_is_written_in_two_ways(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "4:memory:/\n0::/", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
             "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
             "sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.current": "1"}  # fmt: skip
    assert cgroups.memory_room(fake_host.make(tmp_path, files)) is None


def test_without_proc(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert [only(check(host)).state for check in (memory.memory, memory.swap)] == ["notice", "notice"]
    assert only(memory.shared_memory(host)).text.startswith("there is no /dev/shm")


def test_swap_in_use(tmp_path: Path) -> None:
    found = only(memory.swap(fake_host.make(tmp_path, meminfo(20, swap=2**21, free=2**20))))
    assert (found.state, found.text.startswith("1.0 GiB in use")) == ("notice", True)
    assert only(memory.swap(fake_host.make(tmp_path, meminfo(20, swap=2**21, free=2**21)))).state == "good"
    assert only(memory.swap(fake_host.make(tmp_path, meminfo(20)))).text == "none"


@pytest.mark.parametrize(("free", "state"), [(8 * GIB, "good"), (64 * 2**20, "notice"), (2**20, "problem")])
def test_room_in_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda path: Usage(free, 0, free))
    (tmp_path / "shm").mkdir()
    found = only(memory.shared_memory(fake_host.make(tmp_path)))
    assert found.state == state
    assert state == "good" or "--shm-size" in found.fix


def test_python_that_is_too_old_and_none_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = fake_host.make(tmp_path)
    found = only(system.python(host, (3, 10, 4)))
    assert found.blocks
    assert "3.10.4; 3.11 or newer is needed" in found.text
    monkeypatch.setattr(system.sys, "prefix", "/usr")
    monkeypatch.setattr(system.sys, "base_prefix", "/usr")
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    assert only(system.python(host, (3, 12, 1))).state == "notice"
    monkeypatch.setattr(system.sys, "prefix", "/home/venv")
    assert only(system.python(host, (3, 12, 1))).state == "good"


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = fake_host.make(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/pids.max": "100"})
    assert only(system.processes(host)).text.startswith("100 processes and threads")
    assert only(system.processes(fake_host.make(tmp_path / "free"))).state == "good"
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 256))
    assert only(system.open_files(host)).state == "notice"
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert only(system.open_files(host)).text == "no limit"


@pytest.mark.parametrize(("name", "state"), [("tsc", "good"), ("hpet", "notice"), (None, "good")])
def test_the_clock(tmp_path: Path, name: str | None, state: str) -> None:
    file = "sys/devices/system/clocksource/clocksource0/current_clocksource"
    assert only(system.clock(fake_host.make(tmp_path, {file: name} if name else None))).state == state
