"""The names of the public BERT checkpoints, mapped 1:1 to ours. Arrays in, arrays out; the layouts are the same."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

import numpy as np

from shared.families.bert.architecture import Architecture, parameter_shapes

EMBEDDINGS = {
    "token": "word_embeddings",
    "position": "position_embeddings",
    "segment": "token_type_embeddings",
    "norm": "LayerNorm",
}
LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
KERAS_HUB_LAYER = {
    "query": "self_attention_layer/query",
    "key": "self_attention_layer/key",
    "value": "self_attention_layer/value",
    "output": "self_attention_layer/attention_output",
    "attention_norm": "self_attention_layer_norm",
    "up": "feedforward_intermediate_dense",
    "down": "feedforward_output_dense",
    "output_norm": "feedforward_layer_norm",
}
# of pre-training and of other tasks behind the encoder, and the place numbers that older releases kept
IGNORED = re.compile(r"(cls|qa_outputs|classifier|(bert\.)?embeddings\.(position_ids|token_type_ids))(\.|$)")
LAYER_INDEX = re.compile(r"(?:bert\.)?encoder\.layer\.(\d+)\.")
OLDER_TENSORS = {"weight": "gamma", "bias": "beta"}  # of norms, in checkpoints converted from the authors' release


def transformers_name(name: str) -> str:
    """Our name of a tensor to that of `transformers.BertForSequenceClassification`.

    >>> transformers_name("layers.3.attention_norm.bias")
    'bert.encoder.layer.3.attention.output.LayerNorm.bias'
    """
    part, _, rest = name.partition(".")
    if part == "classifier":
        return name
    if part == "pooler":
        return f"bert.pooler.dense.{rest}"
    if part == "embeddings":
        table, _, tensor = rest.partition(".")
        return f"bert.embeddings.{EMBEDDINGS[table]}.{tensor}"
    index, layer, tensor = rest.split(".")
    return f"bert.encoder.layer.{index}.{LAYER[layer]}.{tensor}"


def from_transformers(tensors: Mapping[str, np.ndarray], arch: Architecture) -> dict[str, np.ndarray]:
    """A `transformers` state dict (arrays) under our names: of a classifier, of a pre-training model or of the bare
    encoder; layers beyond ours are passed over, what it lacks is left out for the caller to report."""
    return {name: tensors[theirs] for name, theirs in _taken(tensors, arch).items()}


def leftovers(tensors: Iterable[str], arch: Architecture) -> list[str]:
    """The tensors of a `transformers` state dict that `from_transformers` does not take and may not pass over.

    Passed over are the layers beyond ours, the heads of pre-training and of other tasks, and buffers without weights.
    """
    names = set(tensors)
    unused = names - set(_taken(names, arch).values())
    return sorted(name for name in unused if not (IGNORED.match(name) or _is_later_layer(name, arch)))


def _is_later_layer(name: str, arch: Architecture) -> bool:
    found = LAYER_INDEX.match(name)
    return found is not None and int(found[1]) >= arch.num_layers


def _taken(tensors: Container[str], arch: Architecture) -> dict[str, str]:
    """Our name of a tensor to the name that it has among some of `transformers`'."""
    ours = {}
    for name in parameter_shapes(arch):
        theirs = transformers_name(name)
        norm, _, kind = theirs.rpartition(".")
        older = f"{norm}.{OLDER_TENSORS[kind]}" if norm.endswith("LayerNorm") else theirs
        for candidate in (theirs, older, theirs.removeprefix("bert."), older.removeprefix("bert.")):
            if candidate in tensors:
                ours[name] = candidate
                break
    return ours


def to_transformers(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our weights under `transformers`' names."""
    return {transformers_name(name): value for name, value in weights.items()}


def keras_hub_name(name: str) -> str:
    """Our name of a tensor to its path in `keras_hub`'s BertBackbone with a dense layer `classifier` behind it.

    >>> keras_hub_name("layers.3.attention_norm.bias")
    'transformer_layer_3/self_attention_layer_norm/beta'
    """
    layer, _, tensor = name.rpartition(".")
    kind = {"weight": "kernel", "bias": "bias"}[tensor]
    norm_kind = OLDER_TENSORS[tensor]
    part, _, rest = layer.partition(".")
    if part == "embeddings":
        return f"embeddings_layer_norm/{norm_kind}" if rest == "norm" else f"{rest}_embedding/embeddings"
    if part == "layers":
        index, layer = rest.split(".")
        return f"transformer_layer_{index}/{KERAS_HUB_LAYER[layer]}/{norm_kind if layer.endswith('norm') else kind}"
    return f"{'pooled_dense' if part == 'pooler' else part}/{kind}"


def to_keras_hub(weights: Mapping[str, np.ndarray], num_heads: int) -> dict[str, np.ndarray]:
    """Our weights under `keras_hub`'s paths and in its layout: linear (in, out), attention split into heads."""
    theirs = {}
    for name, value in weights.items():
        *_, layer, tensor = name.split(".")
        if value.ndim == 2 and not name.startswith("embeddings."):
            value = value.T
        if layer in ("query", "key", "value"):
            value = value.reshape(*value.shape[:-1], num_heads, -1)
        elif name.startswith("layers.") and layer == "output" and tensor == "weight":
            value = value.reshape(num_heads, -1, value.shape[-1])
        theirs[keras_hub_name(name)] = value
    return theirs


def from_keras_hub(tensors: Mapping[str, np.ndarray], arch: Architecture) -> dict[str, np.ndarray]:
    """`{path: array}` of a `keras_hub` BertBackbone under our names and in our layout; what it lacks is left out."""
    ours = {}
    for name, shape in parameter_shapes(arch).items():
        value = tensors.get(keras_hub_name(name))
        if value is not None:
            linear = len(shape) == 2 and not name.startswith("embeddings.")
            flat = value.reshape(shape[::-1]) if linear and value.size == np.prod(shape) else value
            ours[name] = flat.T if linear else flat.reshape(shape) if flat.size == np.prod(shape) else flat
    return ours
