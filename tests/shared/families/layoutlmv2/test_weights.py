"""The encoder of one task's network in that of another: the head starts anew, the rest is the checkpoint's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.families.layoutlmv2 import FAMILY
from shared.families.layoutlmv2.architecture import Architecture, parameter_shapes
from shared.families.layoutlmv2.convert import to_transformers
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Weights
from shared.weights import HEAD, load_weights, save_weights
from tests import tiny_layout

HIDING = {"masked": 0.15, "covered": 0.15, "replaced": 0.15, "dropped": 0.05, "alignment": True, "matching": True}
CHANGES: dict[str, dict[str, Any]] = {
    "classification": {},
    "tags": {"model__num_classes": 7},
    "spans": {"model__num_classes": 2},
    "pretraining": {"pretraining": HIDING},
}
SEED = 5


def workload(name: str, **changes: Any) -> LayoutWorkload:
    return tiny_layout.workload(task=name, **CHANGES[name] | changes)


def architecture(name: str) -> Architecture:
    return tiny_layout.architecture(workload(name))


def saved(folder: Path, name: str, **changes: Any) -> tuple[Path, Weights]:
    """A checkpoint of a task's network."""
    weights = tiny_layout.weights(tiny_layout.architecture(workload(name, **changes)))
    save_weights(folder / f"{name}.safetensors", weights)
    return folder / f"{name}.safetensors", weights


def head(weights: Weights) -> Weights:
    return {name: value for name, value in weights.items() if name.startswith(HEAD)}


def assert_taken(found: Weights, checkpoint: Weights, to: str) -> None:
    """The checkpoint's encoder, and the head that a task's network starts with."""
    assert list(found) == list(parameter_shapes(architecture(to)))
    start = FAMILY.initial_weights(architecture(to), SEED)
    for name, value in found.items():
        expected = start if name.startswith(HEAD) else checkpoint
        assert np.array_equal(value, expected[name]), name
        assert value.dtype == np.float32


@pytest.mark.parametrize("to", CHANGES)
@pytest.mark.parametrize("origin", CHANGES)
def test_a_network_takes_the_encoder_of_any_tasks_checkpoint(tmp_path: Path, origin: str, to: str) -> None:
    path, weights = saved(tmp_path, origin)
    found = load_weights(path, workload(to), SEED)
    if origin != to:
        assert_taken(found, weights, to)
    else:
        assert list(found) == list(weights)
        assert all(np.array_equal(found[name], weights[name]) for name in weights)


@pytest.mark.parametrize("origin", ["classification", "pretraining"])
def test_a_head_of_another_task_is_told_where_nothing_may_start_anew(tmp_path: Path, origin: str) -> None:
    path, _ = saved(tmp_path, origin)
    with pytest.raises(UserError, match=r"classifier\.") as caught:
        load_weights(path, workload("tags"), None)
    assert "\n" not in str(caught.value)


def test_tags_of_another_number(tmp_path: Path) -> None:
    path, weights = saved(tmp_path, "tags", model__num_classes=3)
    assert head(weights)["classifier.weight"].shape == (3, tiny_layout.FEATURES)
    assert_taken(load_weights(path, workload("tags"), SEED), weights, "tags")


def test_seeds_have_their_own_heads(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, "pretraining")
    one, other = (head(load_weights(path, workload("tags"), seed)) for seed in (1, 2))
    assert not np.array_equal(one["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("to", CHANGES)
def test_a_bare_encoder_of_the_library_gets_the_head_of_any_task(tmp_path: Path, to: str) -> None:
    weights = tiny_layout.weights(architecture("classification"))
    bare = {name: value for name, value in weights.items() if not name.startswith(HEAD)}
    theirs = {name: np.ascontiguousarray(value) for name, value in to_transformers(bare).items()}
    save_file(theirs, tmp_path / "model.safetensors")
    assert_taken(load_weights(tmp_path / "model.safetensors", workload(to), SEED), weights, to)


def test_an_encoder_of_other_sizes_is_refused(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, "pretraining")
    with pytest.raises(UserError, match=r"embeddings\.token\.weight is \(64, 32\), wanted \(65, 32\)"):
        load_weights(path, workload("tags", model__vocabulary_size=65), SEED)
    with pytest.raises(UserError, match=r"lacks layers\.2\."):
        load_weights(path, workload("tags", model__num_layers=3), SEED)
