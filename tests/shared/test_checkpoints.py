"""Checkpoints whose tensors fit by name and shape, and that are another network's all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.families import bert, efficientnet
from shared.family import Weights
from shared.spec import Workload
from shared.weights import load_weights, save_weights
from tests import tiny, tiny_text

TEXT, PAGES = tiny_text.workload(), tiny.workload()
TEXT_ARCH = tiny_text.architecture(TEXT)
QUERY = "bert.encoder.layer.0.attention.self.query.weight"
STEM = "efficientnet.embeddings.convolution.weight"
BERT = {"model_type": "bert", "num_attention_heads": TEXT_ARCH.num_heads}


def contiguous(tensors: Weights) -> Weights:
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


BERT_TENSORS = contiguous(bert.convert.to_transformers(tiny_text.weights(TEXT_ARCH)))
PAGE_TENSORS = contiguous(efficientnet.convert.to_transformers(tiny.weights(efficientnet.FAMILY.architecture(PAGES))))


def folder(path: Path, tensors: Weights, config: Any = None) -> Path:
    save_file(tensors, path / "model.safetensors")
    if config is not None:
        (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def refusal(path: Path, workload: Workload) -> str:
    with pytest.raises(UserError) as caught:
        load_weights(path, workload)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        None,
        BERT,
        {"num_attention_heads": TEXT_ARCH.num_heads},  # the authors' own file names no kind
        BERT | {"hidden_act": "gelu_python", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute"},
        BERT | {"quantization_config": None, "is_decoder": False, "hidden_dropout_prob": 0.5},
    ],
)
def test_the_same_network_is_taken(tmp_path: Path, config: Any) -> None:
    loaded = load_weights(folder(tmp_path, BERT_TENSORS, config), TEXT)
    assert np.array_equal(loaded["layers.0.query.weight"], BERT_TENSORS[QUERY])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (BERT | {"num_attention_heads": 2 * TEXT_ARCH.num_heads}, "num_attention_heads is"),
        ({"model_type": "bert"}, "num_attention_heads is 12"),  # what is not written has the library's default
        (BERT | {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        (BERT | {"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        (BERT | {"position_embedding_type": "relative_key"}, "position_embedding_type is"),
        (BERT | {"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        (BERT | {"model_type": "roberta"}, "model_type is 'roberta'"),
        (BERT | {"quantization_config": {"load_in_8bit": True}}, "quantization_config"),
        (BERT | {"is_decoder": True}, "is_decoder"),
        ([], "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_another_network_by_its_config(tmp_path: Path, config: Any, said: str) -> None:
    assert said in refusal(folder(tmp_path, BERT_TENSORS, config), TEXT)


def test_the_config_beside_a_file_that_is_named_itself_counts_too(tmp_path: Path) -> None:
    folder(tmp_path, BERT_TENSORS, BERT | {"hidden_act": "relu"})
    assert "hidden_act" in refusal(tmp_path / "model.safetensors", TEXT)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "efficientnet", "batch_norm_eps": 1e-5}, "batch_norm_eps is 1e-05"),
        ({"model_type": "efficientnet", "hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"model_type": "efficientnet", "pooling_type": "max"}, "pooling_type is 'max'"),
        ({"model_type": "convnext"}, "model_type is 'convnext'"),
    ],
)
def test_another_network_of_pages(tmp_path: Path, config: Any, said: str) -> None:
    assert said in refusal(folder(tmp_path, PAGE_TENSORS, config), PAGES)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (QUERY.replace("query.weight", "query.lora_A.weight"), (4, 32)),
        (QUERY.replace("query.weight", "distance_embedding.weight"), (31, 16)),
        (QUERY.replace("weight", "SCB"), (32,)),
        ("bert.encoder.layer.1.adapter.down.weight", (8, 32)),
        ("bert.embeddings.factor.weight", (8, 32)),
    ],
)
def test_a_tensor_of_the_encoder_that_nobody_takes(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    said = refusal(folder(tmp_path, BERT_TENSORS | {name: np.ones(shape, np.float32)}), TEXT)
    assert f"nothing in the network takes {name} (1 such tensors)" in said


def test_a_tensor_of_a_page_network_that_nobody_takes(tmp_path: Path) -> None:
    more = PAGE_TENSORS | {"efficientnet.encoder.blocks.99.gate.weight": np.ones(3, np.float32)}
    assert "blocks.99.gate.weight" in refusal(folder(tmp_path, more), PAGES)


def test_heads_of_other_tasks_later_layers_and_buffers_are_passed_over(tmp_path: Path) -> None:
    more = {
        "cls.predictions.transform.dense.weight": np.ones((3, 3), np.float32),
        "cls.seq_relationship.bias": np.ones(2, np.float32),
        "qa_outputs.weight": np.ones((2, 32), np.float32),
        "bert.embeddings.position_ids": np.arange(40),
        "embeddings.token_type_ids": np.zeros(40, np.int64),
        f"bert.encoder.layer.{TEXT_ARCH.num_layers}.attention.self.query.lora_A.weight": np.ones(3, np.float32),
        "encoder.layer.17.output.dense.weight": np.ones(3, np.float32),
    }
    assert set(load_weights(folder(tmp_path, BERT_TENSORS | more), TEXT)) == set(tiny_text.weights(TEXT_ARCH))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.bool_])
def test_weights_that_are_no_floats(tmp_path: Path, dtype: type) -> None:
    path = folder(tmp_path, BERT_TENSORS | {QUERY: (BERT_TENSORS[QUERY] * 127).astype(dtype)})
    assert f"layers.0.query.weight holds {np.dtype(dtype)}" in refusal(path, TEXT)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_taken_as_float32(tmp_path: Path, dtype: type) -> None:
    path = folder(tmp_path, BERT_TENSORS | {QUERY: BERT_TENSORS[QUERY].astype(dtype)})
    assert load_weights(path, TEXT)["layers.0.query.weight"].dtype == np.float32


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, np.float32), (-np.inf, np.float16), (1e300, np.float64)])
def test_values_that_are_not_finite(tmp_path: Path, value: float, dtype: type) -> None:
    damaged = PAGE_TENSORS[STEM].astype(dtype)
    damaged[0, 0, 0, 0] = value
    assert "stem.conv.weight has values that are not finite" in refusal(
        folder(tmp_path, PAGE_TENSORS | {STEM: damaged}), PAGES
    )


def test_our_own_files_are_held_to_the_same(tmp_path: Path) -> None:
    weights = tiny_text.weights(TEXT_ARCH)
    weights["pooler.weight"][0, 0] = np.nan
    save_weights(tmp_path / "own.safetensors", weights)
    assert "pooler.weight has values that are not finite" in refusal(tmp_path / "own.safetensors", TEXT)
