"""`bench` with the fake worker in place of the frameworks', in this process or as one of its own; and a small store."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from bench.cells import launch
from bench.cli import main
from bench.host import processes
from bench.run import resolve
from shared.protocol import Cell
from shared.store import IMAGES, LABELS, MANIFEST, NAMES, SPLIT_CODES, STORE_SCHEMA, file_sha256, write_strings

SIZE = 32
TINY = """
model = { family = "efficientnet", variant = "b0", num_classes = 16, dropout = 0.2, drop_connect = 0.2, \
          norm_momentum = 0.99, norm_epsilon = 0.001, padding = "same" }
input = { image_size = 32, shear_degrees = 5.0, mean = [0.5, 0.5, 0.5], std = [0.2, 0.2, 0.2] }
optimizer = { name = "sgd", momentum = 0.9, weight_decay = 4e-5, decay_rule = "l2" }
schedule = { name = "slanted_triangular", peak_rate = 0.2, reference_batch = 256, cut_fraction = 0.1, ratio = 32.0 }
train = { batch_per_replica = 2, epochs = 2 }
finetune = { epochs = 1, peak_rate = 0.8 }
measure = { warmup_steps = 1, measured_steps = 4 }
data = { synthetic_pages = 64 }

[presets.quick]
"""


def fake_command(cell: Cell, cell_path: Path) -> list[str]:
    """The fake worker's command line."""
    return [sys.executable, "-m", "tests.bench.fake_worker", str(cell_path)]


def install() -> None:
    """Let every cell run the fake worker, whatever framework is installed."""
    launch.worker_command = fake_command  # type: ignore[assignment]
    processes.GRACE_SECONDS = 1.0
    resolve.is_installed = lambda module: True  # type: ignore[assignment]


def make_store(path: Path, num_train: int = 24, size: int = SIZE, num_classes: int = 16) -> Path:
    """A store of noise: `num_train` pages to train on, four to validate, four to test."""
    path.mkdir()
    count = num_train + 8
    rng = np.random.default_rng(0)
    (path / IMAGES).write_bytes(rng.integers(0, 256, (count, size, size), dtype=np.uint8).tobytes())
    np.save(path / LABELS, (np.arange(count) % num_classes).astype(np.int32))
    np.save(path / SPLIT_CODES, np.array([0] * num_train + [1] * 4 + [2] * 4, dtype=np.int8))
    write_strings(path, NAMES, [f"page {number}" for number in range(count)])
    files = sorted(file.name for file in path.iterdir())
    manifest = {
        "schema": STORE_SCHEMA,
        "name": "noise",
        "source": {},
        "image_size": size,
        "count": count,
        "classes": [f"class {number}" for number in range(num_classes)],
        "sha256": {name: file_sha256(path / name) for name in files},
        "bytes": {name: (path / name).stat().st_size for name in files},
    }
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


if __name__ == "__main__":
    install()
    main()
