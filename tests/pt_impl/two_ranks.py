"""Two replicas on the CPU: `python two_ranks.py STORE FOLDER`, started once per rank; prints what the test looks at."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from pt_impl import data, replicas
from shared import loss_scale
from shared.batches import EvalBatches, TrainBatches
from shared.protocol import leave
from shared.store import open_store
from shared.weights import save_weights
from tests import tiny
from tests.pt_impl.short_network import make_step, weights_of


def main(store_path: str, folder: str) -> None:
    store = open_store(store_path)
    group = replicas.start(tiny.make_cell(Path(folder), Path(store_path), replicas=2))
    fixed = tiny.workload(model__norm_statistics="fixed", model__norm_momentum=0.5)
    step = make_step(fixed, "fp32", 2)
    step.train(data.resident(TrainBatches(store, fixed, 0, 2).batch, group), 0.1)
    save_weights(Path(folder) / f"trained.{group.rank}.safetensors", weights_of(step.network))
    alone = make_step(fixed, "fp32", 2, exchange=False)
    alone.train(data.resident(TrainBatches(store, fixed, 0, 2).batch, group), 0.1)
    evaluation = EvalBatches(store, fixed, "val", 2)
    stream = data.stream(evaluation.batch, evaluation.num_batches, 0, group)
    counted = [
        (evaluation.samples(index, group.rank).tolist(), step.predict(batch).tolist())
        for index, batch in enumerate(stream)
    ]
    rows = [sample for samples, _ in counted for sample in samples]
    logits = [row for samples, predicted in counted for row in predicted[: len(samples)]]

    # the second rank's loss is not finite: neither may move
    loss_scale.INITIAL_SCALE = 8.0
    moving = tiny.workload(model__norm_momentum=0.5)
    step = make_step(moving, "fp16", 2)
    before = weights_of(step.network)["classifier.weight"]
    batch = data.resident(TrainBatches(store, moving, 0, 2).batch, group)
    step.train(batch._replace(keep_unit=batch.keep_unit * (1e6 if group.rank else 1.0)), 0.1)
    skipped = np.array_equal(weights_of(step.network)["classifier.weight"], before)
    found = {"rows": rows, "logits": logits, "skipped": skipped, "scale": step.scaler.get_scale()}
    found["alone"] = weights_of(alone.network)["classifier.bias"].tolist()
    print(json.dumps(found))
    replicas.stop()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
    leave(0)
