"""Hugging Face checkpoints of LayoutLMv2. Mirror: `pt_impl/families/layoutlmv2/convert.py`."""

from __future__ import annotations

from pathlib import Path

from shared.families.layoutlmv2.checkpoints import convert_folder
from shared.families.layoutlmv2.parts import convert_parts as convert_parts

PUBLISHED = {
    "layoutlmv2-base": "microsoft/layoutlmv2-base-uncased",
    "layoutlmv2-large": "microsoft/layoutlmv2-large-uncased",
}


def convert(workload: str, weights: str | None, num_classes: int, out: Path) -> None:
    """Write the body of a checkpoint under canonical names.

    Args:
        weights: a folder with a `transformers` checkpoint in safetensors, or the name of one on the Hugging Face hub
            (the only case that needs a network); None is the published one.
        num_classes: not asked for: every task starts the classifier anew.

    Raises:
        UserError: nothing there, no network, a pickle, or tensors that do not fit.
    """
    convert_folder(workload, weights or PUBLISHED[workload], out)
