"""What is asked before the first cell, and what a cell's reason says of the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cells import causes, launch
from bench.cells.launch import Limits, run_cell
from bench.doctor import memory
from bench.doctor.findings import Finding, Host
from bench.host.worker_environment import LONGEST_TMPDIR, is_usable, temporary_folder
from bench.run import preflight
from shared.errors import UserError
from shared.protocol import Cell
from tests.bench.doctor import fake_host

MakeCell = Callable[..., Cell]


@pytest.fixture
def make_cell(make_cell: MakeCell, store: Path) -> MakeCell:
    """Cells with pages."""
    return partial(make_cell, store=str(store))


def host_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, **files: str) -> Host:
    """A machine whose /dev/shm has some bytes free."""
    (tmp_path / "shm").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free, total=free, used=0))
    return fake_host.make(tmp_path, files)


def test_loaders_need_room_for_what_they_have_ready(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell("pt", 2, loader_workers=3)
    need = preflight.shared_bytes(cell)
    batch = cell.workload.train.batch_per_replica
    assert need >= 2 * 3 * 2 * batch * cell.workload.input.image_size**2  # type: ignore[union-attr]
    assert preflight.check([[cell]], host_with(tmp_path, monkeypatch, need)) == []
    with pytest.raises(UserError, match=r"/dev/shm has .* MiB free, .* fill .* MiB: .*--shm-size") as refused:
        preflight.check([[cell]], host_with(tmp_path, monkeypatch, need - 1))
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="/dev/shm"):  # cells that take turns are alive at once
        preflight.check([[cell, cell]], host_with(tmp_path, monkeypatch, need))
    assert preflight.check([[cell], [cell]], host_with(tmp_path, monkeypatch, need)) == []


def test_the_loaders_ready_batches_are_as_many_as_the_wing_says() -> None:
    pytest.importorskip("torch")
    from pt_impl import data

    assert preflight.PREFETCH == data.PREFETCH


@pytest.mark.parametrize("changes", [{"framework": "tf"}, {"input_mode": "device"}, {"loader_workers": 0}])
def test_who_uses_no_shared_memory_needs_none(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    cell = make_cell(**({"framework": "pt"} | changes))
    assert preflight.check([[cell]], host_with(tmp_path, monkeypatch, 0)) == []


def test_a_read_only_or_missing_dev_shm_is_refused(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_with(tmp_path, monkeypatch, 2**30)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(UserError, match="/dev/shm is missing or read-only"):
        preflight.check([[make_cell("pt")]], host)
    assert memory.shared_memory(host)[0].blocks
    monkeypatch.undo()
    shutil.rmtree(host.shm)
    with pytest.raises(UserError, match="/dev/shm is missing or read-only"):
        preflight.check([[make_cell("pt")]], host)


def test_a_quota_smaller_than_the_cores_is_said_before_the_first_cell(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}
    host = host_with(tmp_path, monkeypatch, 2**30, **files)
    (note,) = preflight.check([[make_cell("tf", cores=((0,), (1,)))]], host)
    assert note.startswith("the CPU quota is 1.5 cores' time and cells use 2 cores")
    assert preflight.check([[make_cell("tf", cores=((0,),))]], host) == []


ROOM, FOLDER = "--shm-size", "set TMPDIR"


@pytest.mark.parametrize(
    ("last_words", "fixes"),
    [
        ("RuntimeError: unable to allocate shared memory(shm) for file </torch_1_2>: Bad file (9)", {ROOM}),
        ("OSError: [Errno 28] No space left on device", {ROOM, FOLDER}),
        ("OSError: [Errno 30] Read-only file system: '/x'", {ROOM, FOLDER}),
        ("killed by SIGBUS", {ROOM}),
        ("OSError: AF_UNIX path too long", {FOLDER}),
        ("ValueError: the loss is no scalar", set()),
    ],
)
def test_a_reason_names_what_doctor_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_words: str, fixes: set[str]
) -> None:
    monkeypatch.setenv("TMPDIR", "/there/is/no/such/folder")
    host = host_with(tmp_path, monkeypatch, 64 * 2**20)
    log = tmp_path / "log.txt"
    log.write_text(f"loader 3 could not hand a batch over: {last_words}\nTraceback\n")
    reason = causes.explained("DataLoader worker exited", log, host)
    assert reason.startswith(f"DataLoader worker exited; loader 3 could not hand a batch over: {last_words}")
    assert {fix for fix in (ROOM, FOLDER) if fix in reason} == fixes
    assert "\n" not in reason


def test_a_failed_cells_reason_is_explained_and_a_good_ones_is_not(
    make_cell: MakeCell, fake_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "explained", lambda reason, log: f"{reason}; because of {log.name}")
    fake_worker("error_event")
    assert run_cell(make_cell(), {}, Limits(), lambda _: None).reason == "rank lost its way; because of log.txt"
    fake_worker("ok")
    assert run_cell(make_cell(), {}, Limits(), lambda _: None).reason is None


@pytest.mark.parametrize("kind", ["long", "missing", "relative", "a file"])
def test_a_temporary_folder_that_does_not_do_is_replaced_and_cleared_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    plain = tmp_path / "file"
    plain.touch()
    long = tmp_path / ("d" * LONGEST_TMPDIR)
    long.mkdir()
    named = {"long": str(long), "missing": str(tmp_path / "no"), "relative": ".", "a file": str(plain)}[kind]
    monkeypatch.setenv("TMPDIR", named)
    with temporary_folder() as variables:
        folder = Path(variables["TMPDIR"])
        assert is_usable(str(folder))
        (folder / "left").touch()
    assert not folder.exists()


def test_a_temporary_folder_that_does_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    with temporary_folder() as variables:
        assert variables == {}
    monkeypatch.setenv("TMPDIR", "/tmp")
    with temporary_folder() as variables:
        assert variables == {}


def test_where_no_folder_does_the_user_is_told_which_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/no/such")
    monkeypatch.setattr("bench.host.worker_environment.SHORT_FOLDERS", ("/nor/this",))
    with pytest.raises(UserError, match="TMPDIR=/no/such: ") as refused, temporary_folder():
        pass
    assert "\n" not in str(refused.value)


def test_findings_are_appended_with_their_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(host: Host) -> list[Finding]:
        return [Finding("disk", "problem", "it is full", "make room")]

    monkeypatch.setattr(causes, "CAUSES", ((r"full", (odd,)), (r"fu", (odd,))))
    assert causes.explained("it is full", tmp_path / "none") == "it is full; disk: it is full: make room"
