"""The names and layouts of the public EfficientNet checkpoints, mapped 1:1 to ours. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from shared.families.efficientnet.architecture import (
    B0_STAGES,
    SCALING,
    Architecture,
    parameter_shapes,
    round_repeats,
)
from shared.layouts import from_hwio, to_hwio

HF_CONV_NORM = {  # our layer to their (convolution, norm) within a block
    "expand": ("expansion.expand_conv", "expansion.expand_bn"),
    "depthwise": ("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm"),
    "project": ("projection.project_conv", "projection.project_bn"),
}
HF_LINEAR = {"squeeze": "squeeze_excite.reduce", "excite": "squeeze_excite.expand"}
KERAS_CONV_NORM = {
    "expand": ("expand_conv", "expand_bn"),
    "depthwise": ("dwconv", "bn"),
    "project": ("project_conv", "project_bn"),
}
KERAS_LINEAR = {"squeeze": "se_reduce", "excite": "se_expand"}
KERAS_TENSORS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def transformers_name(name: str) -> str:
    """Our name of a tensor to that of `transformers.EfficientNetForImageClassification`.

    >>> transformers_name("blocks.3.depthwise.norm.running_mean")
    'efficientnet.encoder.blocks.3.depthwise_conv.depthwise_norm.running_mean'
    """
    if name.startswith("classifier"):
        return name
    if name.startswith("stem"):
        return name.replace("stem.conv", "efficientnet.embeddings.convolution").replace(
            "stem.norm", "efficientnet.embeddings.batchnorm"
        )
    if name.startswith("head"):
        return name.replace("head.conv", "efficientnet.encoder.top_conv").replace(
            "head.norm", "efficientnet.encoder.top_bn"
        )
    _, index, layer, *rest = name.split(".")
    if layer in HF_LINEAR:
        theirs, tensor = HF_LINEAR[layer], rest[0]
    else:
        theirs, tensor = HF_CONV_NORM[layer][rest[0] == "norm"], rest[1]
    return f"efficientnet.encoder.blocks.{index}.{theirs}.{tensor}"


def from_transformers(tensors: Mapping[str, np.ndarray], arch: Architecture) -> dict[str, np.ndarray]:
    """A `transformers` state dict (arrays) under our names; what it lacks is left out for the caller to report."""
    ours = {}
    for name, shape in parameter_shapes(arch).items():
        value = tensors.get(transformers_name(name))
        if value is not None:
            squeezed = value.ndim == 4 and len(shape) == 2  # their squeeze layers are 1 x 1 convolutions
            ours[name] = value[:, :, 0, 0] if squeezed else value
    return ours


def leftovers(tensors: Iterable[str], arch: Architecture) -> list[str]:
    """The tensors of a `transformers` state dict that `from_transformers` does not take, but for batch counters."""
    taken = {transformers_name(name) for name in parameter_shapes(arch)}
    return sorted(name for name in set(tensors) - taken if not name.endswith(".num_batches_tracked"))


def to_transformers(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our weights under `transformers`' names and in its layout."""
    return {
        transformers_name(name): value[:, :, None, None] if ".squeeze.w" in name or ".excite.w" in name else value
        for name, value in weights.items()
    }


def keras_block_names(variant: str) -> list[str]:
    """Keras's names of a variant's blocks, in order: block1a, block2a, block2b, ..."""
    depth = SCALING[variant][1]
    return [
        f"block{stage}{chr(ord('a') + repeat)}"
        for stage, (*_, repeats) in enumerate(B0_STAGES, start=1)
        for repeat in range(round_repeats(repeats, depth))
    ]


def keras_name(name: str, variant: str) -> str:
    """Our name of a tensor to its path in `keras.applications`.

    >>> keras_name("blocks.0.squeeze.weight", "b0"), keras_name("head.norm.bias", "b0")
    ('block1a_se_reduce/kernel', 'top_bn/beta')
    """
    parts = name.split(".")
    if parts[0] == "classifier":
        return f"predictions/{'kernel' if parts[1] == 'weight' else 'bias'}"
    if parts[0] in ("stem", "head"):
        prefix = "stem" if parts[0] == "stem" else "top"
        return f"{prefix}_conv/kernel" if parts[1] == "conv" else f"{prefix}_bn/{KERAS_TENSORS[parts[2]]}"
    block, layer = keras_block_names(variant)[int(parts[1])], parts[2]
    if layer in KERAS_LINEAR:
        return f"{block}_{KERAS_LINEAR[layer]}/{'kernel' if parts[3] == 'weight' else 'bias'}"
    convolution, norm = KERAS_CONV_NORM[layer]
    return f"{block}_{convolution}/kernel" if parts[3] == "conv" else f"{block}_{norm}/{KERAS_TENSORS[parts[4]]}"


def from_keras(tensors: Mapping[str, np.ndarray], variant: str, arch: Architecture) -> dict[str, np.ndarray]:
    """`{path: array}` of a `keras.applications` model under our names; what it lacks is left out."""
    ours = {}
    for name, shape in parameter_shapes(arch).items():
        value = tensors.get(keras_name(name, variant))
        if value is not None:
            squeezed = value.ndim == 4 and len(shape) == 2
            ours[name] = from_hwio(name, value[0, 0] if squeezed else value)
    return ours


def to_keras(weights: Mapping[str, np.ndarray], variant: str) -> dict[str, np.ndarray]:
    """Our weights under `keras.applications`' paths and in its layout."""
    return {
        keras_name(name, variant): to_hwio(name, value)[None, None]
        if ".squeeze.w" in name or ".excite.w" in name
        else to_hwio(name, value)
        for name, value in weights.items()
    }
