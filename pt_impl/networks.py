"""Networks by workload and arm, and their tensors by canonical name. Mirror: `tf_impl/networks.py`."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from pt_impl.bert import Bert
from pt_impl.efficientnet import EfficientNet
from pt_impl.layers import Weights
from shared.networks import architecture_of, parameter_shapes
from shared.spec import TextWorkload, Workload

Network = EfficientNet | Bert


def build(workload: Workload, weights: Weights) -> Network:
    """The matched network of a workload."""
    arch, model = architecture_of(workload), workload.model
    if isinstance(workload, TextWorkload):
        return Bert(arch, weights)
    return EfficientNet(arch, weights, model.norm_momentum, model.norm_epsilon)


def named_tensors(network: Network) -> dict[str, Tensor]:
    """Every tensor by canonical name, statistics included, in canonical order."""
    state = network.state_dict(keep_vars=True)
    return {name: state[name] for name in parameter_shapes(network.arch)}


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """A copy of every tensor, canonical name and layout."""
    return {name: np.array(t.detach().cpu().numpy(), order="C") for name, t in named_tensors(network).items()}


def num_trained(network: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(parameter.numel() for parameter in network.parameters())
