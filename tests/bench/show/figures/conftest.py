"""Records made in code, for the figures' tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.records.record import Record

MakeRecord = Callable[..., Record]

RECORD: dict[str, Any] = {
    "run_id": "run",
    "workload": "effnet-b0",
    "preset": "quick",
    "spec_hash": "0123456789abcdef",
    "computation_hash": "fedcba9876543210",
    "arm": "matched",
    "device": "cpu",
    "device_name": "Example CPU",
    "cores_per_replica": 1,
    "oversubscribed": False,
    "precision": "fp32",
    "input_mode": "disk",
    "seed": 0,
    "epochs": 6,
    "batch_per_replica": 16,
    "image_size": 64,
    "data_name": "synthetic",
    "data_digest": "d1",
    "num_parameters": 4_028_044,
    "status": "ok",
    "certificate": "verified",
    "certificate_id": "c0ffee",
    "started": "2026-01-01T00:00:00Z",
    "wall_seconds": 60.0,
    "log": "log",
}
SETTINGS = {
    "pt": {"version.torch": "2.13.0", "num_classes": 16},
    "tf": {"version.tensorflow": "2.21.0", "version.keras": "3.15.1", "num_classes": 16},
}


@pytest.fixture
def make_record() -> MakeRecord:
    """make_record("pt", replicas, throughput, repeat=0, **changed fields): one cell's record."""

    def make(framework: str, replicas: int, throughput: float | None, repeat: int = 0, **changes: Any) -> Record:
        own = {
            "framework": framework,
            "replicas": replicas,
            "throughput": throughput,
            "repeat": repeat,
            "cell_id": f"{framework}-{changes.get('arm', 'matched')}-{replicas}-{repeat}",
            "settings": SETTINGS[framework],
            "accuracy": {} if throughput is None else {"train": 1.0, "val": 0.95, "test": 0.9},
        }
        return Record.model_validate(RECORD | own | changes)

    return make


@pytest.fixture
def run_records(make_record: MakeRecord) -> list[Record]:
    """Both frameworks at 1 and 2 replicas, three repeats each: 100, 180 and 80, 120 samples/s at the median."""
    medians = {("pt", 1): 100.0, ("pt", 2): 180.0, ("tf", 1): 80.0, ("tf", 2): 120.0}
    return [
        make_record(framework, replicas, value + change, repeat)
        for (framework, replicas), value in medians.items()
        for repeat, change in enumerate((-2.0, 0.0, 4.0))
    ]
