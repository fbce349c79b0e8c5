"""Starts of the text and of the backbone from other networks' checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.families.layoutlmv2 import FAMILY, parts
from shared.families.layoutlmv2.architecture import Architecture, parameter_shapes
from shared.families.layoutlmv2.convert import to_transformers
from shared.weights import load_weights
from tests import tiny_layout

FUSED, APART = tiny_layout.workload(), tiny_layout.workload(model__fused_projections=False)


def arch_of(fused: bool) -> Architecture:
    return tiny_layout.architecture(FUSED if fused else APART)


def bert(layers: int = 2, **others: np.ndarray) -> dict[str, np.ndarray]:
    """A BERT of the tiny network's sizes under the names of `transformers`."""
    weights = to_transformers(tiny_layout.weights(arch_of(fused=False)))
    names = {name: name.replace("layoutlmv2.", "bert.") for name in weights if ".layer." in name}
    for table in ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"):
        names |= {name: name.replace("layoutlmv2.", "bert.") for name in weights if f".embeddings.{table}" in name}
    found = {theirs: weights[ours] for ours, theirs in names.items() if f"embeddings.{'visual'}" not in ours}
    for index in range(2, layers):
        found |= {n.replace("layer.0.", f"layer.{index}."): w for n, w in list(found.items()) if "layer.0." in n}
    return found | {"cls.predictions.bias": np.zeros(3, np.float32)} | others


def detector(arch: Architecture) -> dict[str, np.ndarray]:
    """A detector with the tiny network's backbone under detectron2's names."""
    weights = to_transformers(tiny_layout.weights(arch))
    mark = "layoutlmv2.visual."
    found = {name.removeprefix(mark): w for name, w in weights.items() if name.startswith(f"{mark}backbone.")}
    level = np.zeros((12, 12, 3, 3), np.float32)
    return found | {"roi_heads.box_head.fc1.weight": level, "backbone.fpn_output4.weight": level}


@pytest.mark.parametrize("fused", [True, False])
def test_the_text_of_a_bert_is_taken_tensor_by_tensor(fused: bool) -> None:
    arch, ours = arch_of(fused), tiny_layout.weights(arch_of(fused=False))
    found = parts.text_part(bert(), arch, "a bert")
    of_text = {name for name in parameter_shapes(arch) if name.startswith(("layers.", *parts.OF_TEXT))}
    assert set(found) == of_text
    for name in found.keys() & ours.keys():
        assert np.array_equal(found[name], ours[name]), name
    if fused:
        weight = np.concatenate([ours[f"layers.1.{part}.weight"] for part in ("query", "key", "value")])
        assert np.array_equal(found["layers.1.projections.weight"], weight)
        assert np.array_equal(found["layers.1.projections.query_bias"], ours["layers.1.query.bias"])
        assert np.array_equal(found["layers.1.projections.value_bias"], ours["layers.1.value.bias"])


def test_of_a_deeper_bert_the_first_layers_are_taken_and_of_unilm_the_biases_by_distance() -> None:
    arch = arch_of(fused=True)
    bias = np.ones(parameter_shapes(arch)["attention_bias.distance.weight"], np.float32)
    found = parts.text_part(bert(4, **{f"bert.{parts.DISTANCE}": bias}), arch, "a unilm")
    assert np.array_equal(found["attention_bias.distance.weight"], bias)
    assert not any(name.startswith("layers.2.") for name in found)


def test_the_backbone_of_a_detector_is_taken_tensor_by_tensor() -> None:
    arch = arch_of(fused=True)
    ours = tiny_layout.weights(arch)
    found = parts.backbone_part(detector(arch), arch, "a detector")
    assert set(found) == {name for name in ours if name.startswith("visual.backbone.")}
    assert all(np.array_equal(found[name], ours[name]) for name in found)
    bare = {name.removeprefix("backbone."): tensor for name, tensor in detector(arch).items()}
    assert set(parts.backbone_part(bare, arch, "a backbone")) == set(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("bert.encoder.layer.1.output.dense.bias"), "lacks encoder.layer.1.output.dense.bias"),
        (lambda t: t.update({"bert.embeddings.word_embeddings.weight": np.zeros((7, 32), np.float32)}), "another size"),
        (lambda t: t.update({"bert.encoder.layer.0.attention.self.query.lora_A": np.zeros(3, np.float32)}), "lora_A"),
        (lambda t: t.update({"bert.embeddings.LayerNorm.bias": np.full(32, np.nan, np.float32)}), "finite numbers"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_told_in_a_line(change, message: str) -> None:
    tensors = bert()
    change(tensors)
    with pytest.raises(UserError, match=message) as caught:
        parts.text_part(tensors, arch_of(fused=True), "FOLDER")
    assert str(caught.value).startswith("FOLDER: ")
    assert "\n" not in str(caught.value)


def test_a_network_of_parts_starts_any_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.spec, "load", lambda name: FUSED)
    save_file(bert(), tmp_path / "bert.safetensors")
    save_file(detector(arch_of(fused=True)), tmp_path / "detector.safetensors")
    named = {"text": str(tmp_path / "bert.safetensors"), "backbone": str(tmp_path / "detector.safetensors")}
    parts.convert_parts("tiny", named, tmp_path / "out.safetensors")
    loaded = load_weights(tmp_path / "out.safetensors", FUSED)
    ours, seeded = tiny_layout.weights(arch_of(fused=True)), FAMILY.initial_weights(arch_of(fused=True), parts.SEED)
    stem = "visual.backbone.stem.weight"
    assert np.array_equal(loaded[stem], ours[stem])
    assert np.array_equal(loaded["embeddings.x.weight"], seeded["embeddings.x.weight"])
    with pytest.raises(UserError, match="--part sound: tiny has the parts text, backbone"):
        parts.convert_parts("tiny", {"sound": "x"}, tmp_path / "other.safetensors")
