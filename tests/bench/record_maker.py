"""The one place where tests make records: every field has its default here, so that a new one costs no other test."""

from __future__ import annotations

from typing import Any

from bench.records.record import Record

RECORD: dict[str, Any] = {
    "kind": "plain", "run_id": "run", "workload": "effnet-b0", "preset": "quick", "spec_hash": "abc",
    "computation_hash": "c", "task": "classification", "headline": "accuracy", "network": "efficientnet b0",
    "sample": "64 px", "unit": "page", "cost": 4096.0, "arm": "matched", "device": "cpu", "device_name": "Example CPU",
    "cores_per_replica": 1, "oversubscribed": False, "precision": "fp32", "input_mode": "disk", "seed": 0, "epochs": 0,
    "batch_per_replica": 16, "data_name": "synthetic", "data_digest": "d1", "num_parameters": 1, "status": "ok",
    "certificate": "verified", "started": "2026-01-01T00:00:00+00:00", "wall_seconds": 1.0, "log": "log",
}  # fmt: skip
TEXT: dict[str, Any] = {
    "workload": "bert-6l", "network": "bert 6 x 384", "sample": "at most 128 tokens", "unit": "text", "cost": 128.0,
}  # fmt: skip
LABELS = {"task": "labels", "headline": "f1"}
CONTEXT: dict[str, Any] = {  # what a run knows of each of its cells
    "run_id": "run", "kind": "plain", "device_name": "CPU", "data_name": "noise", "data_digest": "0",
    "certificate": "unverified",
}  # fmt: skip
UNKNOWN = {"task": "haiku", "headline": "syllables"}  # a task that this version has never heard of


def make_record(framework: str = "pt", replicas: int = 1, repeat: int = 0, **changes: Any) -> Record:
    """A plain cell's record; its id is made of what tells it from others of the run."""
    content = RECORD | {"framework": framework, "replicas": replicas, "repeat": repeat} | changes
    words = (content.get("variant") or framework, content["arm"], f"r{replicas}", content["input_mode"], repeat)
    return Record.model_validate({"cell_id": "-".join(map(str, words))} | content)


def scored(metric: str = "accuracy", stage: str = "train", **splits: float) -> dict[str, Any]:
    """The `scores` of one metric after one stage: `scored(test=0.9)`."""
    return {stage: {split: {metric: value} for split, value in splits.items()}}
