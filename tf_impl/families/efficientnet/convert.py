"""Keras checkpoints of EfficientNet. Mirror: `pt_impl/families/efficientnet/convert.py`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from shared.errors import UserError
from shared.families.efficientnet import FAMILY
from shared.families.efficientnet.architecture import architecture
from shared.families.efficientnet.convert import from_keras
from shared.weights import fitted, save_weights

IMAGENET = "imagenet"


def convert(variant: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write a checkpoint's tensors under canonical names.

    The normalisation in front of Keras's network is not among them: ours is set in the workload's `[input]`.

    Args:
        variant: "b0" to "b7".
        weights: a `keras.applications` weights file (.weights.h5, .h5 or .keras), or "imagenet", the published ones
            (the only case that needs a network); None is "imagenet".
        num_classes: of the checkpoint.

    Raises:
        UserError: nothing there, no network, or tensors that do not fit.
    """
    arch, origin = architecture(variant, num_classes), weights or IMAGENET
    if origin != IMAGENET and not Path(origin).is_file():
        raise UserError(f"{origin}: no such file; give a .weights.h5 file of keras.applications, or {IMAGENET!r}")
    tensors = from_keras(_library_tensors(variant, origin, num_classes), variant, arch)
    save_weights(out, fitted(tensors, FAMILY, arch, None, origin))


def _library_tensors(variant: str, origin: str, num_classes: int) -> dict[str, np.ndarray]:
    """The variables, by path, of a `keras.applications` network with the weights of a file or the published ones."""
    import keras

    build = getattr(keras.applications, f"EfficientNet{variant.upper()}")
    try:
        with warnings.catch_warnings():
            # a layer that is not in the file would be left as it was initialised, with no more than a warning
            warnings.filterwarnings("error", message="Skipping")
            network = build(weights=origin, classes=num_classes)
    except (
        OSError,
        ValueError,
        KeyError,
        UserWarning,
    ) as error:  # h5py raises KeyError where a name is not in the file
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{origin}: no weights of EfficientNet-{variant.upper()} to be loaded: {reason}") from None
    return {variable.path: variable.numpy() for variable in network.variables}
