"""The short EfficientNet of `tests.tiny` in a step of this wing."""

from __future__ import annotations

import numpy as np

from pt_impl.families.efficientnet.network import EfficientNet
from pt_impl.step import Step
from shared.families.efficientnet.architecture import parameter_shapes
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Weights
from tests import tiny


def make_step(
    workload: EfficientNetWorkload, precision: str = "fp32", replicas: int = 1, exchange: bool = True
) -> Step:
    """A step of the short network on its varied weights."""
    arch = tiny.short(workload)
    weights = tiny.weights(arch, np.float64 if precision == "fp64" else np.float32)
    return Step(EfficientNet(arch, weights), workload, precision, replicas, exchange)


def weights_of(network: EfficientNet) -> Weights:
    """A copy of every tensor. `pt_impl.networks.weights_of` would look for the blocks that the network lacks."""
    state = network.state_dict()
    return {name: state[name].cpu().numpy().copy(order="C") for name in parameter_shapes(network.arch)}
