"""`python -m pt_impl.convert VARIANT OUT.safetensors`: Hugging Face checkpoints. Mirror: `tf_impl/convert.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pt_impl.convert_bert import convert_bert
from shared.checkpoint_config import check_settings
from shared.convert import from_transformers
from shared.converter import TEXT_WORKLOADS, converter_main
from shared.efficientnet import Architecture, architecture
from shared.errors import UserError
from shared.weights import fitted, load_weights, save_weights


def convert(variant: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write a checkpoint's tensors under canonical names.

    Args:
        variant: of EfficientNet, or a text workload, whose encoder is then written (`convert_bert`).
        weights: a folder with a `transformers` checkpoint, a .safetensors file, or the name of a checkpoint on the
            Hugging Face hub (the only case that needs a network); None is the published one of the variant.
        num_classes: of the checkpoint.

    Raises:
        UserError: nothing there, no network, a pickle, or tensors that do not fit.
    """
    if variant in TEXT_WORKLOADS:
        convert_bert(variant, weights, out)
        return
    origin = weights or f"google/efficientnet-{variant}"
    arch, path = architecture(variant, num_classes), Path(origin)
    on_the_hub = not path.exists() and not path.suffix and origin.count("/") == 1 and not origin.startswith((".", "/"))
    if path.is_dir() or on_the_hub:
        converted = fitted(from_transformers(_library_tensors(origin, arch), arch), arch, None, origin)
    else:
        converted = load_weights(path, arch, seed=None)
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
    check_settings(network.config.to_dict(), arch, origin)
    return {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}


def main() -> int:
    """Convert what the command line names."""
    return converter_main(
        "pt_impl.convert",
        convert,
        "a `transformers` folder, a .safetensors file or a hub name (google/efficientnet-VARIANT, over the network)",
    )


if __name__ == "__main__":
    sys.exit(main())
