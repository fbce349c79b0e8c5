"""Hugging Face checkpoints of EfficientNet. Mirror: `tf_impl/families/efficientnet/convert.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shared.checkpoint_config import check_settings
from shared.errors import UserError
from shared.families.efficientnet import FAMILY
from shared.families.efficientnet.architecture import Architecture, architecture
from shared.families.efficientnet.convert import from_transformers
from shared.weights import fitted, read_weights, save_weights


def convert(variant: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write a checkpoint's tensors under canonical names.

    Args:
        variant: "b0" to "b7".
        weights: a folder with a `transformers` checkpoint, a .safetensors file, or the name of a checkpoint on the
            Hugging Face hub (the only case that needs a network); None is the published one of the variant.
        num_classes: of the checkpoint.

    Raises:
        UserError: nothing there, no network, a pickle, or tensors that do not fit.
    """
    origin = weights or f"google/efficientnet-{variant}"
    arch, path = architecture(variant, num_classes), Path(origin)
    on_the_hub = not path.exists() and not path.suffix and origin.count("/") == 1 and not origin.startswith((".", "/"))
    if path.is_dir() or on_the_hub:
        converted = fitted(from_transformers(_library_tensors(origin, arch), arch), FAMILY, arch, None, origin)
    else:
        converted = read_weights(path, FAMILY, arch, seed=None)
    save_weights(out, converted)


def _library_tensors(origin: str, arch: Architecture) -> dict[str, np.ndarray]:
    """The state dict, as float32 arrays, of a checkpoint in a folder or on the hub."""
    from transformers import EfficientNetForImageClassification

    try:
        network, info = EfficientNetForImageClassification.from_pretrained(
            origin, use_safetensors=True, local_files_only=Path(origin).is_dir(), output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{origin}: no EfficientNet in safetensors that can be loaded: {reason}") from None
    lacking = sorted(name for name in info["missing_keys"] if not name.endswith("num_batches_tracked"))
    if lacking:  # the library would fill them with random numbers
        raise UserError(f"{origin}: lacks {lacking[0]} ({len(lacking)} tensors): another network's checkpoint?")
    check_settings(network.config.to_dict(), FAMILY.transformers_config(arch), origin)
    return {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}
