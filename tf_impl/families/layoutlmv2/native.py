"""The `native` arm's LayoutLMv2, which TensorFlow has not. Mirror: `pt_impl/families/layoutlmv2/native.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.errors import UserError
from shared.protocol import Cell

SETTINGS = {"library": "none"}


class NativeNetwork(tf.Module):
    """No library of TensorFlow or Keras implements LayoutLMv2 (`transformers` has it for PyTorch alone)."""

    def __init__(self, cell: Cell) -> None:
        """
        Raises:
            UserError: always.
        """
        super().__init__()
        raise UserError(
            f"{cell.workload.name}: no library of TensorFlow has this network; leave --arm native to --framework pt"
        )
