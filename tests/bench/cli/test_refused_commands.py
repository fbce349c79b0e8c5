"""Commands that are refused: one line, exit 2, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.command import Bench

RUN = ("run", "--framework", "pt", "--workload", "bert-6l", "--device", "cpu")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "arguments",
    [
        (*RUN, "--repeats", "0"),
        (*RUN, "--repeats", "1001"),
        (*RUN, "--repeats", "9" * 400),
        (*RUN, "--timeout", "0"),
        (*RUN, "--timeout", "nan"),
        (*RUN, "--timeout", "inf"),
        (*RUN, "--timeout", "1e12"),
        (*RUN, "--loader-workers", "257"),
        (*RUN, "--loader-workers", "-1"),
        (*RUN, "--cores-per-replica", "99999"),
        (*RUN, "--steps", "1000000000"),
        (*RUN, "--epochs", "1000000"),
        (*RUN, "--batch", "2000000"),
        (*RUN, "--gpus", "5000"),
        (*RUN, "--gpus", "1," + "9" * 5000),
        (*RUN, "--seed", str(1 << 63)),
        (*RUN, "--seed", "-1"),
        (*RUN, "--data", "absent"),
        (*RUN, "--weights", "absent.safetensors"),
        (*RUN, "--vocab", "absent/vocab.txt"),
        (*RUN, "--framework", "pt@0.1"),
        ("run", "--resume", "absent"),
        ("accuracy", "--data", "absent", "--splits", "1001"),
        ("accuracy", "--data", "absent", "--gpus", "5000"),
        ("data", "prepare", "folder", "absent", "--out", "store"),
        ("data", "prepare", "synthetic", "--out", "store", "--seed", "-1"),
        ("report", "absent"),
        ("plot", "absent"),
        ("compare", "absent", "absent2"),
        ("verify", "--workload", "absent"),
        ("baseline", "absent"),
    ],
    ids=lambda arguments: " ".join(arguments)[-40:],
)
def test_a_refused_command_leaves_nothing(
    arguments: tuple[str, ...], bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    before = tree(tmp_path)
    status, out, err = bench(*arguments)
    assert status == 2, (out, err)
    (line,) = err.strip().splitlines()
    assert line.startswith("bench: error: ")
    assert len(line) < 600
    assert tree(tmp_path) == before


def test_a_new_run_that_is_refused_after_its_data_leaves_no_run(
    bench: Bench, tmp_path: Path, tiny: list[object], fake_worker: Callable[..., None]
) -> None:
    status, _, err = bench(*tiny, "--gpus", "1", "--batch", "1000", "--out", tmp_path / "run")
    assert status == 2, err
    assert not (tmp_path / "run").exists()
