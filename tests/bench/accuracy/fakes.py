"""A small store of pages and texts, workloads for it, and a cast that plays cells in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from bench.accuracy.combine import ensemble_records
from bench.accuracy.predictions import figures_of
from bench.accuracy.protocol import load_protocol, split_codes
from bench.accuracy.results import AccuracyRecord
from bench.cells.launch import Outcome, num_ranks
from shared.events import Evaluation, Settings
from shared.protocol import Cell
from shared.store import (
    IMAGES,
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    TEXT,
    TOKENS,
    VOCABULARY,
    Store,
    file_sha256,
    open_store,
    string_files,
    write_strings,
)
from tests.bench import fake_bench

TINY_TEXT = """
model = { family = "bert", num_layers = 1, hidden_size = 8, num_heads = 1, intermediate_size = 8, max_positions = 8, \
          vocabulary_size = 64, num_classes = 16, activation = "gelu", norm_epsilon = 1e-12, \
          hidden_dropout = 0.1, classifier_dropout = 0.2 }
input = { max_tokens = 8, truncation = "head" }
optimizer = { name = "adamw", beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0.01, \
              decay_rule = "decoupled", head_rate = 1e-3, layer_decay = 1.0 }
schedule = { name = "constant", peak_rate = 1e-3 }
train = { batch_per_replica = 2, epochs = 3 }
measure = { warmup_steps = 1, measured_steps = 1 }
data = { synthetic_pages = 64 }

[presets.quick]
"""
CLASSES = ("letter", "memo", "news")


def make_documents(
    path: Path,
    per_class: int = 12,
    classes: tuple[str, ...] = CLASSES,
    text: bool = True,
    pages: bool = True,
    name: str = "folder",
    prefix: str = "doc",
    seed: int = 0,
) -> Store:
    """A store of noise with `per_class` documents per class, three quarters of them to train on; tokens beside text."""
    path.mkdir()
    count = per_class * len(classes)
    rng = np.random.default_rng(seed)
    files = [LABELS, SPLIT_CODES, *string_files(NAMES)]
    np.save(path / LABELS, (np.arange(count) % len(classes)).astype(np.int32))
    np.save(path / SPLIT_CODES, np.array([(0, 0, 0, 1, 0, 0, 0, 2)[row % 8] for row in range(count)], np.int8))
    write_strings(path, NAMES, [f"folder/{prefix}{row}.png" for row in range(count)])
    size = fake_bench.SIZE if pages else None
    if pages:
        (path / IMAGES).write_bytes(rng.integers(0, 256, (count, size, size), dtype=np.uint8).tobytes())
        files.append(IMAGES)
    if text:
        write_strings(path, TEXT, [f"text {row}" for row in range(count)])
        np.save(path / TOKENS, rng.integers(5, 60, (count, 8), dtype=np.int32))
        np.save(path / LENGTHS, np.full(count, 8, np.int32))
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(59))]
        (path / VOCABULARY).write_text("".join(f"{word}\n" for word in words))
        files += [*string_files(TEXT), TOKENS, LENGTHS, VOCABULARY]
    manifest = {
        "schema": STORE_SCHEMA, "name": name, "source": {"vocabulary_size": 64}, "image_size": size, "count": count,
        "classes": list(classes), "sha256": {file: file_sha256(path / file) for file in files},
        "bytes": {file: (path / file).stat().st_size for file in files},
    }  # fmt: skip
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path)


class Cast:
    """Plays cells: each leaves predictions that are right in a share of the documents, or fails as told."""

    def __init__(self) -> None:
        self.played: list[Cell] = []
        self.behaviours: dict[str, str] = {}  # cell id to crash, empty or interrupt
        self.skill = {"image": 0.6, "text": 0.7}

    def __call__(self, cell: Cell, variables: object, limits: object, on_progress: object) -> Outcome:
        behaviour = self.behaviours.get(cell.cell_id, "ok")
        if behaviour == "interrupt":
            raise KeyboardInterrupt
        self.played.append(cell)
        Path(cell.directory).mkdir(parents=True, exist_ok=True)
        if behaviour == "crash":
            return Outcome(
                "crash", "the last word", [[] for _ in range(num_ranks(cell))], "2026-01-01T00:00:00+00:00", 1.0, 0.0
            )
        if behaviour == "ok" and cell.predictions:
            self.predict(cell)
        if cell.checkpoint:
            save_file({"w": np.zeros(1, np.float32)}, cell.checkpoint)
        counts, stage = {"samples": 4, "correct": 3, "loss": 1.0}, "finetune" if cell.finetune else "train"
        evaluation = Evaluation(rank=0, time=0.0, split="train", stage=stage, counts=counts)
        settings = Settings(rank=0, time=0.0, values={"version.torch": "0.0"})
        return Outcome(
            "ok",
            None,
            [[settings, evaluation], *([] for _ in range(1, num_ranks(cell)))],
            "2026-01-01T00:00:00+00:00",
            1.0,
            0.0,
        )

    def predict(self, cell: Cell) -> None:
        """Leave each rank's share of the probabilities."""
        assert cell.splits is not None
        store, codes = open_store(cell.store), np.load(cell.splits)
        num_classes = cell.workload.model.num_classes
        assert num_classes == len(store.classes)
        kind = "image" if cell.workload.model.family == "efficientnet" else "text"
        rng = np.random.default_rng([cell.seed, cell.framework == "tf", kind == "text"])
        right = rng.random(len(codes)) < self.skill[kind]
        favoured = np.where(right, store.labels, rng.integers(0, num_classes, len(codes)))
        logits = rng.normal(size=(len(codes), num_classes)) + 3.0 * np.eye(num_classes)[favoured]
        probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
        ranks = num_ranks(cell)
        for rank in range(ranks):
            content = {}
            for code, split in enumerate(SPLITS):
                rows = np.flatnonzero(codes == code)[rank::ranks]
                content |= {f"{split}.samples": rows, f"{split}.probabilities": probabilities[rows]}
            np.savez(cell.predictions_path(rank), **content)


def make_records(
    skills: dict[tuple[str, str], float],
    num_splits: int = 10,
    data_name: str = "tobacco3482",
    training: str = "full",
    classes: tuple[str, ...] = CLASSES,
    **changes: Any,
) -> list[AccuracyRecord]:
    """Records of both members and their ensembles, made from predictions.

    Args:
        skills: (framework, member) to the share of documents that are classified rightly.
        changes: fields of the members' records.
    """
    labels = np.arange(40 * len(classes)) % len(classes)
    protocol = load_protocol("small-tobacco")
    records = []
    for split in range(num_splits):
        codes = split_codes(labels, protocol.model_copy(update={"per_class": 20}), split, 0)
        rng, members, predictions = np.random.default_rng(split), [], {}
        for (framework, member), skill in skills.items():
            right = rng.random(len(labels)) < skill
            favoured = np.where(right, labels, rng.integers(0, len(classes), len(labels)))
            given = rng.dirichlet(np.ones(len(classes)), len(labels)) + np.eye(len(classes))[favoured]
            found = {name: given[codes == SPLITS.index(name)] / 2 for name in ("val", "test")}
            result_id = f"{framework}-{member}-{split:02}"
            predictions[result_id] = found
            content: dict[str, Any] = {
                "run_id": "run", "result_id": result_id, "protocol": protocol, "stage": "split", "split": split,
                "seed": split, "framework": framework, "member": member, "workload": f"{member}-net", "preset": "full",
                "spec_hash": "0123456789abcdef", "training": training if member == "image" else "full", "epochs": 5,
                "weights_origin": "a seeded start", "data_name": data_name, "data_digest": "d1",
                "classes": list(classes), "device": "cpu", "device_name": "Example CPU", "replicas": 1, "status": "ok",
                "certificate": "verified", "settings": {"version.torch": "2.13.0"},
            }  # fmt: skip
            figures = figures_of(found, labels, codes, classes)
            members.append(AccuracyRecord.model_validate(content | figures | changes))
        records += [*members, *ensemble_records(members, predictions, labels, codes)]
    return records
