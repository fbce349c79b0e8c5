"""Records of two sides, as the workers of both wings write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.records.record import Record, write_record
from tests.bench import record_maker

MEASURED: dict[str, Any] = {
    "throughput": 10.0, "measured_steps": 30, "warmup_steps": 3, "step_seconds": [0.1, 0.2, 0.3],
    "time_to_first_step": 2.0, "memory_rss_peak": 2**30,
}  # fmt: skip
ALIKE: dict[str, Any] = {
    "num_parameters": 1, "num_classes": 16, "threads.intra_op": 1, "layout": "channels-last", "precision": "fp32",
    "tf32": False, "onednn": True, "prefetch": 2, "padding": "same", "norm_rule": "per replica", "loader_workers": 1,
    "env.MALLOC_MMAP_MAX_": "0", "env.CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "pt": {"version.torch": "2.13.0", "compiled": False, "denormals": "computed with", "processes": "one a replica",
           "loader": "processes of a fork server"},
    "tf": {"version.tensorflow": "2.21.0", "version.keras": "3.15.1", "compiled": "tf.function",
           "denormals": "flushed to zero", "processes": "one for all replicas", "loader": "threads of tf.data"},
}  # fmt: skip


def make_record(framework: str = "pt", replicas: int = 1, repeat: int = 0, **changes: Any) -> Record:
    """One record; `settings` are laid over what the wing reports."""
    alone = replicas == 1
    placed = {
        "pt": {"affinity": [0], "reduction": "none" if alone else "gloo mean (DDP)", "env.OMP_NUM_THREADS": "1",
               "loader_pool": 1},
        "tf": {"affinity": list(range(replicas)), "reduction": "none" if alone else "one device sum of shares",
               "env.OMP_NUM_THREADS": str(replicas), "loader_pool": replicas},
    }  # fmt: skip
    settings = ALIKE | OWN[framework] | placed[framework] | {"weights": f"seeded start {repeat}"}
    own = MEASURED | {"seed": repeat, "settings": settings | changes.pop("settings", {})}
    return record_maker.make_record(framework, replicas, repeat, **(own | changes))


def write_run(directory: Path, *records: Record) -> Path:
    """A run's directory with some records, of the run that is called after it."""
    for record in records:
        write_record(directory, record.model_copy(update={"run_id": directory.name}))
    return directory
