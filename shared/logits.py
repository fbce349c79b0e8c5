"""What a trained network says of every document: a teacher's logits, for a student to learn from."""

from __future__ import annotations

import time

import numpy as np

from shared.batches import EvalBatches
from shared.divergence import check_logits
from shared.events import EventWriter
from shared.protocol import Cell
from shared.store import SPLITS, Store
from shared.wing import Wing

ALIVE_SECONDS = 10.0  # between two signs of life: the harness gives up a cell that says nothing


def leave_logits(cell: Cell, wing: Wing, store: Store, emit: EventWriter) -> None:
    """Leave this rank's logits of every document of every split where the cell says.

    Raises:
        DivergedError: logits that are not finite.
    """
    kept: dict[str, np.ndarray] = {}
    last = float("-inf")
    for split in SPLITS:
        if not len(store.indices(split)):
            continue
        batches = EvalBatches(store, cell.workload, split, cell.replicas)
        rows: list[np.ndarray] = []
        found: list[np.ndarray] = []
        first = wing.rank * wing.local_replicas
        for index, logits in enumerate(wing.predict(batches)):
            for place, of_replica in enumerate(logits):
                samples = batches.samples(index, first + place)
                rows.append(samples)
                found.append(of_replica[: len(samples)])
            if time.monotonic() - last > ALIVE_SECONDS:
                last = time.monotonic()
                emit("phase", name="evaluate")
        check_logits(wing, found, split)
        kept |= {f"{split}.samples": np.concatenate(rows), f"{split}.logits": np.concatenate(found)}
    path = cell.logits_path(wing.rank)
    partial = path.with_name(f".{path.name}")
    np.savez(partial, allow_pickle=False, **kept)
    partial.replace(path)
