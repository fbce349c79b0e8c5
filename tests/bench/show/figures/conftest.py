"""Records made in code, for the figures' tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.records.record import Record
from tests.bench import record_maker
from tests.bench.record_maker import scored

MakeRecord = Callable[..., Record]

TRAINED: dict[str, Any] = {"epochs": 6, "num_parameters": 4_028_044, "certificate_id": "c0ffee", "wall_seconds": 60.0}
SETTINGS = {
    "pt": {"version.torch": "2.13.0", "num_classes": 16},
    "tf": {"version.tensorflow": "2.21.0", "version.keras": "3.15.1", "num_classes": 16},
}


@pytest.fixture
def make_record() -> MakeRecord:
    """make_record("pt", replicas, throughput, repeat=0, **changed fields): one cell's record."""

    def make(framework: str, replicas: int, throughput: float | None, repeat: int = 0, **changes: Any) -> Record:
        scores = {} if throughput is None else scored(train=1.0, val=0.95, test=0.9)
        own = {"throughput": throughput, "settings": SETTINGS[framework], "scores": scores}
        return record_maker.make_record(framework, replicas, repeat, **(TRAINED | own | changes))

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
