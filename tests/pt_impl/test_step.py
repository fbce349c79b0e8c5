"""One step on a tiny batch: gradients, evaluation, freezing, precisions, loss scaling."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402

from pt_impl import ops  # noqa: E402
from pt_impl.step import Step  # noqa: E402
from shared import loss_scale  # noqa: E402
from shared.families.efficientnet.batch import PageBatch  # noqa: E402
from shared.family import Batch  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.pt_impl import short_network  # noqa: E402
from tests.pt_impl.short_network import weights_of  # noqa: E402

WORKLOAD = tiny.workload(train__batch_per_replica=4, model__norm_momentum=0.1)


def make_step(precision: str = "fp32") -> Step:
    return short_network.make_step(WORKLOAD, precision)


@pytest.fixture
def batch(noise: Store) -> Batch:
    return PageBatch(*(torch.from_numpy(array) for array in tiny.train_batch(noise, WORKLOAD)))


def changed(step: Step, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, value in weights_of(step.network).items() if not np.array_equal(value, before[name])}


def test_loss_and_gradients_are_those_of_the_plain_operators(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make_step("fp64")
    loss, gradients = step.loss_and_gradients(batch)
    monkeypatch.setattr(ops, "depthwise", ops.convolution)
    monkeypatch.setattr(ops, "norm_silu", lambda *inputs, **settings: F.silu(ops.batch_norm(*inputs, **settings)))
    monkeypatch.setattr(
        ops,
        "squeeze_excite",
        lambda x, w1, b1, w2, b2: (
            x * torch.sigmoid(F.linear(F.silu(F.linear(x.mean((2, 3)), w1, b1)), w2, b2))[:, :, None, None]
        ),
    )
    plain = make_step("fp64")
    plain_loss, plain_gradients = plain.loss_and_gradients(batch)
    assert float(loss) == pytest.approx(float(plain_loss), rel=1e-12)
    scale = max(float(gradient.abs().max()) for gradient in plain_gradients)
    for ours, theirs in zip(gradients, plain_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-11 * scale)
    assert all(
        np.allclose(value, weights_of(plain.network)[name], rtol=1e-10)
        for name, value in weights_of(step.network).items()
    )


def test_drops_are_the_batchs(batch: Batch) -> None:
    step = make_step()
    with torch.no_grad():
        whole = float(step.loss(batch))
        for field in ("keep_block", "keep_unit"):
            neutral = batch._replace(**{field: torch.ones_like(getattr(batch, field))})
            assert whole != pytest.approx(float(step.loss(neutral)), rel=1e-4), field


def test_prediction_is_the_networks_and_a_row_that_fills_up_leaves_the_others_alone(batch: Batch) -> None:
    step = make_step()
    step.train(batch, 0.0)  # the statistics are the batch's now; with others the pages' differences would vanish
    with torch.no_grad():
        expected = step.network(step.inputs(batch, training=False))  # nothing is dropped in evaluation
    logits = step.predict(batch)
    assert logits.std(0).max() > 0.01
    assert torch.equal(logits, expected)
    spoilt = batch._replace(pixels=batch.pixels.clone(), shear=batch.shear + 1, keep_unit=batch.keep_unit * 0)
    spoilt.pixels[2] = 0
    again = step.predict(spoilt)
    others = [0, 1, 3]
    torch.testing.assert_close(again[others], logits[others], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(again[2], logits[2], atol=1e-3)


def test_evaluation_changes_nothing(batch: Batch) -> None:
    step = make_step()
    before = weights_of(step.network)
    step.predict(batch)
    assert not changed(step, before)


def test_a_training_step_moves_every_tensor(batch: Batch) -> None:
    step = make_step()
    before = weights_of(step.network)
    step.train(batch, 0.1)
    assert changed(step, before) == set(before)


def test_after_freezing_only_the_classifier_moves(batch: Batch) -> None:
    step = make_step()
    step.train(batch, 0.0)
    step.freeze()
    before = weights_of(step.network)
    losses = [float(step.train(batch, 0.01)) for _ in range(3)]
    assert changed(step, before) == {"classifier.weight", "classifier.bias"}
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_is_near_single(batch: Batch, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 8.0)
    exact, _ = make_step().loss_and_gradients(batch)
    step = make_step(precision)
    loss, gradients = step.loss_and_gradients(batch)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(exact), rel=0.1)
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients)
    assert np.isfinite(float(step.train(batch, 0.01)))


def test_an_overflow_skips_the_step_and_halves_the_scale(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 2.0**100)
    step = make_step("fp16")
    before = weights_of(step.network)
    step.train(batch, 0.1)
    assert step.scaler.get_scale() == 2.0**99
    assert all(name.endswith(("running_mean", "running_var")) for name in changed(step, before))


def test_the_scale_grows_after_good_steps_in_a_row(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 8.0)
    monkeypatch.setattr(loss_scale, "INTERVAL", 2)
    step = make_step("fp16")
    before = weights_of(step.network)
    scales = []
    for _ in range(4):
        step.train(batch, 0.001)
        scales.append(step.scaler.get_scale())
    assert scales == [8.0, 16.0, 16.0, 32.0]
    assert "head.conv.weight" in changed(step, before)


def test_the_scale_does_not_change_the_update(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    updates = []
    for scale in (1.0, 16.0):
        monkeypatch.setattr(loss_scale, "INITIAL_SCALE", scale)
        step = make_step("fp16")
        before = weights_of(step.network)["classifier.weight"]
        step.train(batch, 0.1)
        updates.append(weights_of(step.network)["classifier.weight"] - before)
    assert tiny.closeness(*updates) < 0.05


def test_the_parts_of_a_step_leave_nothing_behind(batch: Batch) -> None:
    """The loss is that of a step, again and again; an update at a rate of 0 moves no weight."""
    step = make_step()
    expected, _ = make_step().loss_and_gradients(batch)
    before = weights_of(step.network)
    update = step.updates(batch)
    for _ in range(2):
        assert float(step.backward(batch)) == pytest.approx(float(expected), rel=1e-4)
        update()
        assert all(parameter.grad is None for parameter in step.optimizer.parameters)
    assert all("running" in name or "mean" in name or "variance" in name for name in changed(step, before))
