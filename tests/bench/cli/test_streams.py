"""What a command does where its output cannot be written: its work, and a status that says the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.host import files
from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError

FULL = Path("/dev/full")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """A command line that redirects; `bench` in it is this checkout's."""
    program = f"{sys.executable} -m bench"
    return subprocess.run(
        ["bash", "-c", command.replace("bench", program, 1)], cwd=PROJECT_ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(("arguments", "status"), [("list", 0), ("plot /absent", 2), ("--help", 0)])
def test_closed_streams_change_nothing(arguments: str, status: int, closed: str) -> None:
    done = shell(f"bench {arguments} {closed}")
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize("arguments", ["list", "--help", "run --help", "--version"])
def test_a_full_output_is_told_in_one_line(arguments: str) -> None:
    if not FULL.exists():
        pytest.skip("this system has no /dev/full")
    done = shell(f"bench {arguments} > {FULL}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("bench: error: standard output: No space left on device")


def test_a_full_error_stream_leaves_the_status() -> None:
    if not FULL.exists():
        pytest.skip("this system has no /dev/full")
    assert shell(f"bench plot /absent 2> {FULL}").returncode == 2


def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "record.json", "{}")
    finally:
        os.umask(before)
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_atomically(tmp_path / "a", "old")
    monkeypatch.setattr(files.os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="cannot be written \\(No space left on device\\); name another file"):
        files.write_for_user(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_results_that_cannot_be_written_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only disk, as root meets it: every `mkdir` fails."""
    from bench.cli import main

    def read_only(self: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(SystemExit) as left:
        main(["verify", "--workload", "bert-6l", "--preset", "quick"])
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Read-only file system" in line
