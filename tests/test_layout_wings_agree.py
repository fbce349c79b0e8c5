"""The two wings' LayoutLMv2 side by side in one process: logits, gradients, AdamW steps with everything dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Weights
from shared.store import Store
from tests import head_stores, tiny_layout, tiny_text

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

from tests.test_text_wings_agree import DTYPES, Wings, assert_close_but_for_keys

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"model__fused_projections": False},
    {"model__visual": False},
    {"model__spatial_attention": False},
    {"model__visual": False, "model__spatial_attention": False},
)
BOUNDS = {"fp64": (1e-12, 1e-11, 1e-11), "fp32": (1e-5, 1e-4, 1e-4)}  # of logits, gradients, trajectories

in_both = pytest.mark.parametrize("precision", BOUNDS)


@pytest.fixture
def store(scrawl: Store) -> Store:
    return scrawl


def wings(settings: LayoutWorkload, precision: str) -> Wings:
    weights = tiny_layout.weights(tiny_layout.architecture(settings), DTYPES.get(precision, np.float32))
    return Wings(settings, precision, weights)


def assert_gradients_agree(gradients: tuple[Weights, Weights], settings: LayoutWorkload, bound: float) -> None:
    """Some are zero but for rounding: of keys' biases, which move all of a token's scores by the same, and of what
    moves all tokens' scores as the ends of an answer by the same. They are far below those of the weights beside."""
    even = ["key.bias"]
    if settings.task == "spans":
        even.append(f"layers.{settings.model.num_layers - 1}.output_norm.bias")
    ours, theirs = ({n: g for n, g in each.items() if not n.endswith(tuple(even))} for each in gradients)
    tiny_text.assert_close(ours, theirs, bound)
    assert set(gradients[0]) == set(gradients[1])
    for each in gradients:
        for name in set(each) - set(ours):
            assert np.abs(each[name]).max() <= bound * np.abs(each[name.replace("bias", "weight")]).max()


def assert_agreement(store: Store, settings: LayoutWorkload, precision: str) -> None:
    """Of logits, losses and gradients."""
    both, (logits_bound, gradients_bound, _) = wings(settings, precision), BOUNDS[precision]
    ours, theirs = both.logits(EvalBatches(store, settings, "val", 1).batch(1, 0))
    assert tiny_text.closeness(ours, theirs) < logits_bound
    losses, gradients = both.losses_and_gradients(tiny_layout.train_batch(store, settings))
    assert losses[0] == pytest.approx(losses[1], rel=logits_bound)
    assert_gradients_agree(gradients, settings, gradients_bound)


def assert_trainings_agree(store: Store, settings: LayoutWorkload, precision: str) -> None:
    """Ten steps, with everything dropped that the workload drops."""
    losses, weights = wings(settings, precision).trained(store, 10)
    np.testing.assert_allclose(*losses, rtol=BOUNDS[precision][2])
    assert_close_but_for_keys(weights, BOUNDS[precision][2])


@in_both
@pytest.mark.parametrize("changes", VARIANTS)
def test_logits_loss_and_gradients_agree(store: Store, changes: dict[str, Any], precision: str) -> None:
    assert_agreement(store, tiny_layout.calm(**changes), precision)


@in_both
@pytest.mark.parametrize("changes", [{}, {"model__fused_projections": False, "model__backbone_frozen": 2}])
def test_trainings_agree(store: Store, changes: dict[str, Any], precision: str) -> None:
    assert_trainings_agree(store, tiny_layout.workload(**changes), precision)


PLAIN = {"model__visual": False, "model__spatial_attention": False}
OF_TASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tags", {}),
    ("tags", {"model__fused_projections": False}),
    ("tags", {"model__layout": "none", **PLAIN}),
    ("tags", {"model__layout": "none", "model__fused_projections": False}),
    ("tags", {"model__layout": "summed", **PLAIN}),
    ("spans", {}),
    ("spans", {"model__layout": "none", **PLAIN}),
    ("spans", {"model__layout": "summed"}),
    ("pretraining", {}),
    ("pretraining", {"model__layout": "summed", **PLAIN}),
    ("pretraining", {"model__layout": "none", "model__spatial_attention": False}),
)


@in_both
@pytest.mark.parametrize(("task", "changes"), OF_TASKS)
def test_heads_and_layouts_agree(
    of_tasks: dict[str, Store], task: str, changes: dict[str, Any], precision: str
) -> None:
    assert_agreement(of_tasks[task], head_stores.calm(task, **changes), precision)


@in_both
@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("tags", {}),
        ("tags", {"model__fused_projections": False, "model__layout": "summed", **PLAIN}),
        ("spans", {}),
        ("spans", {"model__layout": "none", **PLAIN}),
        ("pretraining", {}),
        ("pretraining", {"model__layout": "summed", **PLAIN}),
    ],
)
def test_trainings_of_heads_and_layouts_agree(
    of_tasks: dict[str, Store], task: str, changes: dict[str, Any], precision: str
) -> None:
    assert_trainings_agree(of_tasks[task], head_stores.workload(task, **changes), precision)
