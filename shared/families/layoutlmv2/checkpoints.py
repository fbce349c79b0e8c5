"""Public checkpoints of LayoutLMv2, as both wings' converters write them."""

from __future__ import annotations

from pathlib import Path

from shared import spec
from shared.errors import UserError
from shared.weights import load_weights, save_weights

FILES = ("model.safetensors", "config.json")  # the only ones that are asked for


def convert_folder(workload: str, origin: str, out: Path) -> None:
    """Write the body of a checkpoint under canonical names, without the classifier, which every task starts anew.

    Args:
        workload: whose network it has to be. origin: a folder of `transformers` with safetensors, or the name of one on
            the Hugging Face hub, from which it is then downloaded.

    Raises:
        UserError: nothing there, no network, a pickle, or tensors that do not fit.
    """
    folder = Path(origin)
    if folder.is_file():
        raise UserError(
            f"{origin}: give the checkpoint's folder (a .safetensors file is read by `bench run --weights`)"
        )
    if not folder.is_dir():
        folder = downloaded(origin)
    found = load_weights(folder, spec.load(workload))
    save_weights(out, {name: value for name, value in found.items() if not name.startswith("classifier.")})


def downloaded(name: str) -> Path:
    """The folder of a checkpoint from the hub.

    Raises:
        UserError: no network, no such checkpoint, or none in safetensors.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(FILES)))
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{name}: no folder, and not to be had from the hub: {reason}") from None
    if not (folder / FILES[0]).is_file():
        raise UserError(f"{name}: the hub has it as a pickle alone, which could run code; save it as safetensors first")
    return folder
