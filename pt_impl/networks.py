"""Networks by workload, and their tensors by canonical name. Mirror: `tf_impl/networks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from pt_impl.family import family
from shared.families import family_of
from shared.family import Weights
from shared.spec import Workload


def build(workload: Workload, weights: Weights) -> Any:
    """The matched network of a workload."""
    return family(workload.model.family).network(workload, weights)


def named_tensors(network: nn.Module, workload: Workload) -> dict[str, Tensor]:
    """Every tensor by canonical name, statistics included, in canonical order."""
    state, of_family = network.state_dict(keep_vars=True), family_of(workload)
    return {name: state[name] for name in of_family.parameter_shapes(of_family.architecture(workload))}


def weights_of(network: nn.Module, workload: Workload) -> dict[str, np.ndarray]:
    """A copy of every tensor, canonical name and layout."""
    tensors = named_tensors(network, workload)
    return {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in tensors.items()}


def num_trained(network: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(parameter.numel() for parameter in network.parameters())
