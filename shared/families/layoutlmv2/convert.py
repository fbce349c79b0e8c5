"""The names of the public LayoutLMv2 checkpoints, mapped 1:1 to ours. Arrays in, arrays out; layouts are the same."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

import numpy as np

from shared.families.layoutlmv2.architecture import Architecture, parameter_shapes

PREFIX = "layoutlmv2."  # of a model with a head; the bare encoder's names have none
EMBEDDINGS = {
    "token": "word_embeddings",
    "position": "position_embeddings",
    "segment": "token_type_embeddings",
    "x": "x_position_embeddings",
    "y": "y_position_embeddings",
    "height": "h_position_embeddings",
    "width": "w_position_embeddings",
    "norm": "LayerNorm",
}
BIASES = {"distance": "rel_pos_bias", "x": "rel_pos_x_bias", "y": "rel_pos_y_bias"}
PROJECTIONS = {"weight": "qkv_linear.weight", "query_bias": "q_bias", "value_bias": "v_bias"}
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
CONVOLUTIONS = {"shortcut": "shortcut", "reduce": "conv1", "grouped": "conv2", "expand": "conv3"}
FIRST_STAGE = 2  # detectron2 counts them from there: res2 to res5
# What our networks have no place for, and need none: positions counted out, the pixels' mean and deviation (settings of
# a workload), counters of norms that are frozen, the pyramid's other levels and the pooler (no head reads them), heads
# of other tasks.
IGNORED = re.compile(
    r"(layoutlmv2\.)?(embeddings\.position_ids|visual\.pixel_(mean|std)|visual\.backbone\..*\.num_batches_tracked"
    r"|visual\.backbone\.fpn_output[345]\.(weight|bias)|pooler\.dense\.(weight|bias))$|(qa_outputs|cls)\."
)


def transformers_name(name: str) -> str:
    """Our name of a tensor to that of `transformers.LayoutLMv2ForSequenceClassification`.

    >>> transformers_name("visual.backbone.stages.2.0.grouped.norm.bias")
    'layoutlmv2.visual.backbone.bottom_up.res4.0.conv2.norm.bias'
    """
    part, _, rest = name.partition(".")
    if part == "classifier":
        return name
    if part == "embeddings":
        table, _, tensor = rest.partition(".")
        return f"{PREFIX}embeddings.{EMBEDDINGS[table]}.{tensor}"
    if part == "attention_bias":
        table, _, tensor = rest.partition(".")
        return f"{PREFIX}encoder.{BIASES[table]}.{tensor}"
    if part == "visual":
        return PREFIX + _visual_name(rest)
    index, layer, tensor = rest.split(".")
    inner = f"attention.self.{PROJECTIONS[tensor]}" if layer == "projections" else f"{LAYER[layer]}.{tensor}"
    return f"{PREFIX}encoder.layer.{index}.{inner}"


def _visual_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part != "backbone":
        return f"{'visual_proj' if part == 'projection' else 'visual_LayerNorm'}.{rest}"
    part, _, rest = rest.partition(".")
    if part == "stem":
        return f"visual.backbone.bottom_up.stem.conv1.{rest}"
    if part == "stages":
        stage, index, convolution, tensor = rest.split(".", 3)
        place = f"res{int(stage) + FIRST_STAGE}.{index}"
        return f"visual.backbone.bottom_up.{place}.{CONVOLUTIONS[convolution]}.{tensor}"
    if part == "laterals":
        stage, tensor = rest.split(".")
        return f"visual.backbone.fpn_lateral{int(stage) + FIRST_STAGE}.{tensor}"
    return f"visual.backbone.fpn_output{FIRST_STAGE}.{rest}"


def from_transformers(tensors: Mapping[str, np.ndarray], arch: Architecture) -> dict[str, np.ndarray]:
    """A `transformers` state dict (arrays) under our names, of a model with a head or of the bare encoder; what it
    lacks is left out for the caller to report."""
    ours = {}
    for name, theirs in _taken(tensors, arch).items():
        value = tensors[theirs]
        ours[name] = value.reshape(-1) if name.endswith(("query_bias", "value_bias")) else value  # theirs: 1 x 1 x H
    return ours


def leftovers(tensors: Iterable[str], arch: Architecture) -> list[str]:
    """The tensors of a `transformers` state dict that `from_transformers` neither takes nor may pass over."""
    names = set(tensors)
    unused = names - set(_taken(names, arch).values())
    return sorted(name for name in unused if not IGNORED.match(name))


def _taken(tensors: Container[str], arch: Architecture) -> dict[str, str]:
    """Our name of a tensor to the name that it has among some of `transformers`'."""
    ours = {}
    for name in parameter_shapes(arch):
        theirs = transformers_name(name)
        for candidate in (theirs, theirs.removeprefix(PREFIX)):
            if candidate in tensors:
                ours[name] = candidate
                break
    return ours


def to_transformers(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our weights under `transformers`' names and in its layout."""
    return {
        transformers_name(name): value[None, None] if name.endswith(("query_bias", "value_bias")) else value
        for name, value in weights.items()
    }
