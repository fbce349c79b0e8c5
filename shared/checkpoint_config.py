"""A checkpoint's `config.json` against the network that is to take its tensors.

Names and shapes of tensors do not tell a network of 8 heads from one of 12, ReLU from GELU, or relative positions from
absolute ones. `transformers` writes such settings beside the weights, those that have their defaults not always.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import UserError
from shared.outside import read_json

CONFIG = "config.json"
SAME = {"gelu_python": "gelu", "silu": "swish"}  # names of one function in `transformers`
Expected = Mapping[str, tuple[Any, Any]]  # setting to the network's value, and to its default where it may be left out
NEVER = ("quantization_config", "is_decoder", "add_cross_attention", "is_encoder_decoder")


def check_config(weights: Path, expected: Expected) -> None:
    """Hold the `config.json` beside a file of weights, where there is one, against the network.

    Raises:
        UserError: it is no JSON object, or what `check_settings` raises.
    """
    path = weights.parent / CONFIG
    if path.is_file():
        config = read_json(path)
        if not isinstance(config, Mapping):
            raise UserError(f"{path}: not a JSON object; give the folder as `transformers` wrote it")
        check_settings(config, expected, str(path))


def check_settings(config: Mapping[str, Any], expected: Expected, origin: str) -> None:
    """Hold the settings of a checkpoint against the network.

    Raises:
        UserError: they are another network's; the first that differs, with both values.
    """
    for setting in NEVER:
        if config.get(setting):
            raise UserError(f"{origin}: has {setting}, which no network here has; save a plain float32 encoder")
    for setting, (ours, default) in expected.items():
        given = config.get(setting, default)
        if (SAME.get(given, given) if isinstance(given, str) else given) != ours:
            raise UserError(
                f"{origin}: {setting} is {given!r}, this workload's network has {ours!r}; "
                "give a checkpoint of the same network"
            )
