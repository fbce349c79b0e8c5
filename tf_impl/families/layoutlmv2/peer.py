"""There is no peer in TensorFlow. Mirror: `pt_impl/families/layoutlmv2/peer.py`."""

from __future__ import annotations

from shared.protocol import Cell
from tf_impl.families.layoutlmv2.native import NativeNetwork
from tf_impl.family import Train


def peer_step(cell: Cell) -> Train:
    """As the native arm: no library has the network.

    Raises:
        UserError: always.
    """
    raise AssertionError(f"{NativeNetwork(cell)} was built, though no library has it")
