"""Checkpoints of LayoutLMv2: names, what is passed over, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.families.layoutlmv2 import FAMILY, checkpoints
from shared.families.layoutlmv2.architecture import Architecture
from shared.families.layoutlmv2.convert import to_transformers
from shared.weights import read_weights
from tests import tiny_layout

ARCH: Architecture = tiny_layout.architecture(tiny_layout.workload())
WEIGHTS = FAMILY.initial_weights(ARCH, 7)
CONFIG: dict[str, Any] = {
    "model_type": "layoutlmv2", "hidden_act": "gelu", "layer_norm_eps": 1e-12, "num_attention_heads": 4,
    "max_rel_pos": 16, "image_feature_pool_shape": [4, 4, 12],
}  # fmt: skip
SEGMENT = "layoutlmv2.visual_segment_embedding"  # LayoutXLM's
PASSED_OVER = {
    "layoutlmv2.embeddings.position_ids": (1, 40),
    "layoutlmv2.visual.pixel_mean": (3, 1, 1),
    "layoutlmv2.visual.backbone.bottom_up.res2.0.conv1.norm.num_batches_tracked": (),
    "layoutlmv2.visual.backbone.fpn_output4.weight": (12, 12, 3, 3),
    "layoutlmv2.pooler.dense.weight": (32, 32),
    "qa_outputs.weight": (2, 32),
}


def folder(path: Path, without: str = "", more: dict[str, np.ndarray] | None = None, **config: Any) -> Path:
    """A checkpoint as the library leaves it, of the body and things beside it."""
    path.mkdir(exist_ok=True)
    tensors = {name: value for name, value in to_transformers(WEIGHTS).items() if not name.startswith("classifier.")}
    tensors |= {name: np.zeros(shape, np.float32) for name, shape in PASSED_OVER.items()}
    tensors |= more or {}
    save_file(
        {name: np.ascontiguousarray(v) for name, v in tensors.items() if name != without}, path / "model.safetensors"
    )
    (path / "config.json").write_text(json.dumps(CONFIG | config))
    return path


def test_a_folder_of_the_library_is_read_as_it_is(tmp_path: Path) -> None:
    found = read_weights(folder(tmp_path / "checkpoint"), FAMILY, ARCH, seed=3)
    start = FAMILY.initial_weights(ARCH, 3)
    for name, value in found.items():
        expected = start[name] if name.startswith("classifier.") else WEIGHTS[name]
        assert np.array_equal(value, expected), name


def test_the_converter_leaves_the_classifier_to_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = tiny_layout.workload()
    monkeypatch.setattr(checkpoints.spec, "load", lambda name: workload)
    out = tmp_path / "out.safetensors"
    checkpoints.convert_folder("layoutlmv2-base", str(folder(tmp_path / "checkpoint")), out)
    found = read_weights(out, FAMILY, ARCH, seed=5)
    assert np.array_equal(found["classifier.weight"], FAMILY.initial_weights(ARCH, 5)["classifier.weight"])
    assert np.array_equal(found["layers.1.up.weight"], WEIGHTS["layers.1.up.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": {SEGMENT: np.zeros(32, np.float32)}}, f"nothing in the network takes {SEGMENT}"),
        ({"model_type": "layoutlmv3"}, "model_type is 'layoutlmv3', this workload's network has 'layoutlmv2'"),
        ({"has_visual_segment_embedding": True}, "has_visual_segment_embedding is True"),
        ({"fast_qkv": False}, "fast_qkv is False"),
        ({"num_attention_heads": 8}, "num_attention_heads is 8"),
        ({"image_feature_pool_shape": [7, 7, 12]}, r"image_feature_pool_shape is \[7, 7, 12\]"),
        ({"without": "layoutlmv2.encoder.rel_pos_x_bias.weight"}, r"lacks attention_bias.x.weight \(1 missing"),
    ],
)  # fmt: skip
def test_another_network_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read_weights(folder(tmp_path / "checkpoint", **change), FAMILY, ARCH, seed=0)
    assert "\n" not in str(error.value)


def test_another_width_is_refused_with_both_shapes(tmp_path: Path) -> None:
    wider = replace(ARCH, intermediate_size=128)
    with pytest.raises(UserError, match=r"layers.0.up.weight is \(64, 32\), wanted \(128, 32\)"):
        read_weights(folder(tmp_path / "checkpoint"), FAMILY, wider, seed=0)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(UserError, match="a pickle, which could run code"):
        checkpoints.convert_folder("layoutlmv2-base", str(tmp_path), tmp_path / "out.safetensors")


def test_without_a_network_the_hub_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="no folder, and not to be had from the hub") as error:
        checkpoints.convert_folder("layoutlmv2-base", "nobody/nothing-of-that-name", tmp_path / "out.safetensors")
    assert "\n" not in str(error.value)
