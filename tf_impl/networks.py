"""Networks by workload, and their tensors by canonical name. Mirror: `pt_impl/networks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from shared.families import family_of
from shared.family import Weights
from shared.layouts import from_hwio
from shared.spec import Workload
from tf_impl.family import family
from tf_impl.layers import canonical_name


def build(workload: Workload, weights: Weights) -> Any:
    """The matched network of a workload."""
    return family(workload.model.family).network(workload, weights)


def named_tensors(network: tf.Module, workload: Workload) -> dict[str, tf.Variable]:
    """Every tensor by canonical name, statistics included, in canonical order."""
    by_name = {canonical_name(variable): variable for variable in network.variables}
    of_family = family_of(workload)
    return {name: by_name[name] for name in of_family.parameter_shapes(of_family.architecture(workload))}


def weights_of(network: tf.Module, workload: Workload) -> dict[str, np.ndarray]:
    """A copy of every tensor, canonical name and layout."""
    tensors = named_tensors(network, workload)
    return {name: np.ascontiguousarray(from_hwio(name, tensor.numpy())) for name, tensor in tensors.items()}


def num_trained(network: tf.Module) -> int:
    """Number of trained scalars."""
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
