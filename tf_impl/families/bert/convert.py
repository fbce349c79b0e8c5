"""Keras checkpoints of BERT. Mirror: `pt_impl/families/bert/convert.py`."""

from __future__ import annotations

from pathlib import Path

from shared.checkpoint_config import check_settings
from shared.errors import UserError
from shared.families.bert import FAMILY
from shared.families.bert.checkpoints import encoder_architecture, save_encoder
from shared.families.bert.convert import from_keras_hub

PUBLISHED = {
    "bert-6l": "bert_base_en_uncased",
    "bert-base": "bert_base_en_uncased",
    "bert-large": "bert_large_en_uncased",
}


def convert(workload: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write the encoder of a checkpoint under canonical names; of more layers than ours the first ones.

    Args:
        weights: a `keras_hub` preset: a folder, or a name on its hub (the only case that needs a network); None is the
            published one.
        num_classes: not asked for: every task starts the classifier anew.

    Raises:
        UserError: nothing there, no network, or tensors that do not fit.
    """
    import keras_hub

    origin = weights or PUBLISHED[workload]
    try:
        network = keras_hub.models.BertBackbone.from_preset(origin)
    except Exception as error:  # the hub's client raises nearly anything where there is no network
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{origin}: no BERT preset of keras_hub that can be loaded: {reason}") from None
    tensors = {variable.path: variable.numpy() for variable in network.variables}
    arch = encoder_architecture(workload)
    check_settings({"num_attention_heads": network.num_heads}, FAMILY.transformers_config(arch), origin)
    save_encoder(out, from_keras_hub(tensors, arch), arch, origin)
