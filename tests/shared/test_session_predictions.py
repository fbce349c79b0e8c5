"""The predictions that a cell leaves, with a fake wing that is wrong about the first sample of every split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.batches import EvalBatches
from shared.events import Evaluation, of_kind
from shared.store import SPLITS, Store
from tests import tiny, tiny_text
from tests.shared.fake_wing import LOSS_RIGHT, Clock, FakeWing, page_cell, run


@pytest.mark.parametrize("local", [1, 2])
def test_predictions_are_of_every_sample_once(tmp_path: Path, noise: Store, clock: Clock, local: int) -> None:
    cell = page_cell(tmp_path, noise, replicas=2, epochs=1, predictions=True)
    kept = []
    for rank in range(2 // local):
        run(cell, FakeWing(clock, local, rank), noise)
        with np.load(cell.predictions_path(rank), allow_pickle=False) as file:
            kept.append(dict(file))
    for split in SPLITS:
        samples = np.concatenate([arrays[f"{split}.samples"] for arrays in kept])
        probabilities = np.concatenate([arrays[f"{split}.probabilities"] for arrays in kept])
        assert samples.dtype == np.int64
        assert sorted(samples.tolist()) == noise.indices(split).tolist()
        assert (probabilities.dtype, probabilities.shape) == (np.float32, (len(samples), 16))
        np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-6)
        wrong = probabilities.argmax(1) != noise.labels[samples]
        assert samples[wrong].tolist() == noise.indices(split)[:1].tolist()
        np.testing.assert_allclose(probabilities.max(1), np.exp(-LOSS_RIGHT), rtol=1e-6)
    assert set(kept[0]) == {f"{split}.{kind}" for split in SPLITS for kind in ("samples", "probabilities")}


def test_predictions_of_several_labels_are_each_labels_own(tmp_path: Path, clock: Clock) -> None:
    store = tiny_text.make_store(tmp_path / "store", multi_label=True)

    class Sure(FakeWing):
        """Every label but the first with logit 1, the first with -2."""

        def logits(self, batches: EvalBatches, index: int, replica: int) -> np.ndarray:
            return np.tile(np.array([-2.0, 1.0, 1.0, 1.0], np.float32), (batches.workload.train.batch_per_replica, 1))

    workload = tiny_text.workload(task="labels")
    cell = tiny.make_cell(tmp_path, store.path, workload=workload, predictions=True)
    events = run(cell, Sure(clock), store)
    with np.load(cell.predictions_path(0), allow_pickle=False) as file:
        expected = np.tile(1 / (1 + np.exp([2.0, -1.0, -1.0, -1.0])), (7, 1))
        np.testing.assert_allclose(file["val.probabilities"], expected, rtol=1e-6)
    [val] = [event for event in of_kind(events, Evaluation) if event.split == "val"]
    truth = store.labels[store.indices("val")]
    expected_counts = {"samples": 7, "hits": truth[:, 1:].sum(), "predicted": 7 * 3, "relevant": truth.sum()}
    assert {name: val.counts[name] for name in expected_counts} == expected_counts


def test_predictions_are_those_after_the_last_stage(tmp_path: Path, noise: Store, clock: Clock) -> None:
    class Wing(FakeWing):
        """After freezing it takes every sample for class 3."""

        def logits(self, batches: EvalBatches, index: int, replica: int) -> np.ndarray:
            logits = super().logits(batches, index, replica)
            return np.eye(16, dtype=np.float32)[[3] * len(logits)] if "freeze" in self.calls else logits

    cell = page_cell(tmp_path, noise, epochs=1, finetune=True, predictions=True)
    run(cell, Wing(clock), noise)
    with np.load(cell.predictions_path(0), allow_pickle=False) as file:
        assert file["test.probabilities"].argmax(1).tolist() == [3, 3, 3]


def test_predictions_are_left_whole_or_not_at_all(
    tmp_path: Path, noise: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(page_cell(tmp_path, noise, epochs=1), FakeWing(clock), noise)
    assert {path.name for path in tmp_path.iterdir()} == {"events.0.jsonl"}, "nobody asked for predictions"

    def half_written(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    cell = page_cell(tmp_path, noise, epochs=1, predictions=True)
    with monkeypatch.context() as full_disk:
        full_disk.setattr(np, "savez", half_written)
        with pytest.raises(OSError, match="no space"):
            run(cell, FakeWing(clock), noise)
    assert not cell.predictions_path(0).exists()
    run(cell, FakeWing(clock), noise)
    assert {path.name for path in tmp_path.iterdir()} == {"events.0.jsonl", "predictions.0.npz"}
