"""Hugging Face checkpoints of BERT. Mirror: `tf_impl/families/bert/convert.py`."""

from __future__ import annotations

from pathlib import Path

from shared.checkpoint_config import check_settings
from shared.errors import UserError
from shared.families.bert import FAMILY
from shared.families.bert.checkpoints import encoder_architecture, save_encoder
from shared.families.bert.convert import from_transformers

PUBLISHED = {
    "bert-6l": "google-bert/bert-base-uncased",
    "bert-base": "google-bert/bert-base-uncased",
    "bert-large": "google-bert/bert-large-uncased",
}


def convert(workload: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write the encoder of a checkpoint under canonical names; of more layers than ours the first ones.

    Args:
        weights: a folder with a `transformers` checkpoint in safetensors, or the name of one on the Hugging Face hub
            (the only case that needs a network); None is the published one.
        num_classes: not asked for: every task starts the classifier anew.

    Raises:
        UserError: nothing there, no network, a pickle, or tensors that do not fit.
    """
    from transformers import BertModel

    origin = weights or PUBLISHED[workload]
    if Path(origin).is_file():
        raise UserError(
            f"{origin}: give the checkpoint's folder (a .safetensors file is read by `bench run --weights`)"
        )
    try:
        network, info = BertModel.from_pretrained(
            origin, use_safetensors=True, local_files_only=Path(origin).is_dir(), output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{origin}: no BERT in safetensors that can be loaded: {reason}") from None
    if lacking := sorted(info["missing_keys"]):  # the library would fill them with random numbers
        raise UserError(f"{origin}: lacks {lacking[0]} ({len(lacking)} tensors): another network's checkpoint?")
    tensors = {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}
    arch = encoder_architecture(workload)
    check_settings(network.config.to_dict(), FAMILY.transformers_config(arch), origin)
    save_encoder(out, from_transformers(tensors, arch), arch, origin)
