"""Networks by workload and arm, and their tensors by canonical name. Mirror: `pt_impl/networks.py`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from shared.convert import from_hwio
from shared.networks import architecture_of, parameter_shapes
from shared.spec import TextWorkload, Workload
from tf_impl.bert import Bert
from tf_impl.efficientnet import EfficientNet
from tf_impl.layers import Weights

Network = EfficientNet | Bert


def build(workload: Workload, weights: Weights) -> Network:
    """The matched network of a workload."""
    arch, model = architecture_of(workload), workload.model
    if isinstance(workload, TextWorkload):
        return Bert(arch, weights)
    return EfficientNet(arch, weights, model.norm_momentum, model.norm_epsilon)


def canonical_name(variable: tf.Variable) -> str:
    """The name that a variable was given."""
    return variable.name.removesuffix(":0")


def named_tensors(network: Network) -> dict[str, tf.Variable]:
    """Every tensor by canonical name, statistics included, in canonical order."""
    by_name = {canonical_name(variable): variable for variable in network.variables}
    return {name: by_name[name] for name in parameter_shapes(network.arch)}


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """A copy of every tensor, canonical name and layout."""
    return {name: np.ascontiguousarray(from_hwio(name, v.numpy())) for name, v in named_tensors(network).items()}


def num_trained(network: tf.Module) -> int:
    """Number of trained scalars."""
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
