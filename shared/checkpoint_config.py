"""A checkpoint's `config.json` against the network that is to take its tensors.

Names and shapes of tensors do not tell a network of 8 heads from one of 12, ReLU from GELU, or relative positions from
absolute ones. `transformers` writes such settings beside the weights, those that have their defaults not always.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared import bert
from shared.efficientnet import CHANNEL_DIVISOR, RELEASED_EPSILON, SQUEEZE_RATIO
from shared.errors import UserError
from shared.networks import Architecture
from shared.outside import read_json

CONFIG = "config.json"
SAME = {"gelu_python": "gelu", "silu": "swish"}  # names of one function in `transformers`
DEFAULT_HEADS = 12  # of its BertConfig; every other default is what this suite's networks have
NEVER = ("quantization_config", "is_decoder", "add_cross_attention", "is_encoder_decoder")


def expected_settings(arch: Architecture) -> dict[str, Any]:
    """What a `config.json` says of a network."""
    if isinstance(arch, bert.Architecture):
        return {
            "model_type": "bert",
            "num_attention_heads": arch.num_heads,
            "hidden_act": "gelu",
            "position_embedding_type": "absolute",
            "layer_norm_eps": arch.norm_epsilon,
        }
    return {
        "model_type": "efficientnet",
        "hidden_act": "swish",
        "batch_norm_eps": RELEASED_EPSILON,
        "depth_divisor": CHANNEL_DIVISOR,
        "squeeze_expansion_ratio": SQUEEZE_RATIO,
        "pooling_type": "mean",
    }


def check_config(weights: Path, arch: Architecture) -> None:
    """Hold the `config.json` beside a file of weights, where there is one, against the network.

    Raises:
        UserError: it is no JSON object, or what `check_settings` raises.
    """
    path = weights.parent / CONFIG
    if path.is_file():
        config = read_json(path)
        if not isinstance(config, Mapping):
            raise UserError(f"{path}: not a JSON object; give the folder as `transformers` wrote it")
        check_settings(config, arch, str(path))


def check_settings(config: Mapping[str, Any], arch: Architecture, origin: str) -> None:
    """Hold the settings of a checkpoint against the network.

    Raises:
        UserError: they are another network's; the first that differs, with both values.
    """
    for setting in NEVER:
        if config.get(setting):
            raise UserError(f"{origin}: has {setting}, which no network here has; save a plain float32 encoder")
    for setting, expected in expected_settings(arch).items():
        given = config.get(setting, DEFAULT_HEADS if setting == "num_attention_heads" else expected)
        if (SAME.get(given, given) if isinstance(given, str) else given) != expected:
            raise UserError(
                f"{origin}: {setting} is {given!r}, this workload's network has {expected!r}; "
                "give a checkpoint of the same network"
            )
