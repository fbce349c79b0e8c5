"""What a worker's environment holds, and that it is the same for both wings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.host.worker_environment import recorded_environment, worker_environment
from shared.protocol import Cell

MakeCell = Callable[..., Cell]


def test_both_wings_get_the_same_tuning(make_cell: MakeCell) -> None:
    pt, tf = (worker_environment(make_cell(framework, 2, threads_per_replica=3), True) for framework in ("pt", "tf"))
    # one process of 2 x 3 threads, or two of 3
    assert {name for name in pt if pt[name] != tf[name]} == {
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    }  # fmt: skip
    assert (pt["OMP_NUM_THREADS"], tf["OMP_NUM_THREADS"]) == ("3", "6")


def test_no_tune_leaves_the_allocator_alone(make_cell: MakeCell) -> None:
    tuned, plain = (worker_environment(make_cell(), tune) for tune in (True, False))
    assert set(tuned) - set(plain) == {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"}


def test_a_cell_sees_its_gpus_and_no_others(make_cell: MakeCell) -> None:
    on_gpu = worker_environment(make_cell(device="cuda"), True, ["2", "5"])
    assert on_gpu["CUDA_VISIBLE_DEVICES"] == "2,5"
    assert worker_environment(make_cell(), True, ["2"])["CUDA_VISIBLE_DEVICES"] == ""


def test_tensorflow_starts_kernels_from_threads_of_each_gpu(
    make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_GPU_THREAD_MODE", raising=False)
    gpu, cpu = (worker_environment(make_cell("tf", device=device), True) for device in ("cuda", "cpu"))
    assert gpu["TF_GPU_THREAD_MODE"] == "gpu_private"
    assert "TF_GPU_THREAD_MODE" not in cpu
    assert "TF_GPU_THREAD_MODE" not in worker_environment(make_cell("pt", device="cuda"), True)
    monkeypatch.setenv("TF_GPU_THREAD_MODE", "global")  # the user's word goes
    assert worker_environment(make_cell("tf", device="cuda"), True)["TF_GPU_THREAD_MODE"] == "global"


def test_what_is_set_and_what_is_inherited_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_FOR_TEST", "no such thing")
    monkeypatch.setenv("UNRELATED_FOR_TEST", "1")
    recorded = recorded_environment({"OMP_NUM_THREADS": "1"})
    assert recorded["env.OMP_NUM_THREADS"] == "1"
    assert recorded["env.LD_PRELOAD_FOR_TEST"] == "no such thing"
    assert "env.UNRELATED_FOR_TEST" not in recorded
