"""Encoders of public checkpoints, as both wings' converters write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shared import spec
from shared.errors import UserError
from shared.families.bert.architecture import Architecture, parameter_shapes
from shared.family import Weights
from shared.weights import save_weights


def encoder_architecture(workload: str) -> Architecture:
    """The network of a text workload as published."""
    from shared.families.bert import FAMILY

    loaded = spec.load(workload)
    assert isinstance(loaded, FAMILY.workload), workload
    return FAMILY.architecture(loaded)


def save_encoder(out: Path, weights: Weights, arch: Architecture, origin: str) -> None:
    """Write a BERT without its classifier, which every task starts anew.

    Args:
        weights: under canonical names; what the network has no place for is left out.

    Raises:
        UserError: a tensor is missing or has another shape.
    """
    shapes = parameter_shapes(arch)
    encoder = {name: shape for name, shape in shapes.items() if not name.startswith("classifier.")}
    missing = [name for name in encoder if name not in weights]
    if missing:
        raise UserError(f"{origin}: lacks {missing[0]} ({len(missing)} tensors): another network's checkpoint?")
    other = [name for name, shape in encoder.items() if weights[name].shape != shape]
    if other:
        name = other[0]
        raise UserError(
            f"{origin}: {name} is {weights[name].shape}, wanted {encoder[name]} ({len(other)} tensors of other shapes)"
        )
    save_weights(out, {name: np.asarray(weights[name], np.float32) for name in encoder})
