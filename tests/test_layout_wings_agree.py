"""The two wings' LayoutLMv2 side by side in one process: logits, gradients, AdamW steps with everything dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.store import Store
from tests import tiny_layout, tiny_text

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


@in_both
@pytest.mark.parametrize("changes", VARIANTS)
def test_logits_loss_and_gradients_agree(store: Store, changes: dict[str, Any], precision: str) -> None:
    settings = tiny_layout.calm(**changes)
    both, (logits_bound, gradients_bound, _) = wings(settings, precision), BOUNDS[precision]
    ours, theirs = both.logits(EvalBatches(store, settings, "val", 1).batch(1, 0))
    assert tiny_text.closeness(ours, theirs) < logits_bound
    losses, gradients = both.losses_and_gradients(tiny_layout.train_batch(store, settings))
    assert losses[0] == pytest.approx(losses[1], rel=logits_bound)
    tiny_text.assert_close(*gradients, gradients_bound)


@in_both
@pytest.mark.parametrize("changes", [{}, {"model__fused_projections": False, "model__backbone_frozen": 2}])
def test_trainings_agree(store: Store, changes: dict[str, Any], precision: str) -> None:
    settings = tiny_layout.workload(**changes)
    losses, weights = wings(settings, precision).trained(store, 10)
    np.testing.assert_allclose(*losses, rtol=BOUNDS[precision][2])
    assert_close_but_for_keys(weights, BOUNDS[precision][2])
