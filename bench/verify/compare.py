"""How far two wings' answers are apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]


def norm(array: np.ndarray) -> float:
    """Euclidean norm in float64."""
    return float(np.linalg.norm(array.astype(np.float64).ravel()))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean norm of the difference; infinite where shapes differ or a value is not finite."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return norm(a.astype(np.float64) - b.astype(np.float64))


def scale(name: str, arrays: Arrays) -> float:
    """The size that an error in a tensor is measured against.

    Its own norm; but a bias (`query_bias` too) also counts in units of its layer's weight, and a running mean in units
    of the layer's deviation. Several of those are zero in exact arithmetic (the gradient of a bias that the next batch
    norm removes, the mean of a convolution of centred values), where the wings' rounding errors are all there is.
    """
    own = norm(arrays[name])
    layer, _, kind = name.rpartition(".")
    if kind == "bias" or (kind.endswith("_bias") and f"{layer}.weight" in arrays):
        return max(own, norm(arrays[f"{layer}.weight"]))
    if kind == "running_mean":
        return max(own, norm(np.sqrt(np.abs(arrays[f"{layer}.running_var"]))))
    return own


def worst(a: Arrays, b: Arrays) -> tuple[float, str]:
    """The largest relative error over all tensors and the tensor it is in; infinite where the names differ."""
    if odd := set(a) ^ set(b):
        return float("inf"), f"only one wing has {min(odd)}"
    errors = {}
    for name in a:
        size = max(scale(name, b), 1e-300)
        errors[name] = distance(a[name], b[name]) / size
    name = max(errors, key=lambda key: errors[key])
    return errors[name], name


def logit_error(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of two sets of logits, as a share of the largest logit."""
    if a.shape != b.shape:
        return float("inf")
    size = max(float(np.abs(b).max()), 1e-300)
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()) / size
