"""Keras's mixed precision, for the libraries' networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from shared.protocol import Cell

POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


def in_precision_of(build: Callable[[Any, Cell], None]) -> Callable[[Any, Cell], None]:
    """A constructor whose Keras layers compute in the cell's precision; their weights stay in float32."""

    @wraps(build)
    def built(self: Any, cell: Cell) -> None:
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(POLICIES[cell.precision])  # layers keep that which they are built under
        try:
            build(self, cell)
        finally:
            keras.config.set_dtype_policy(before)

    return built
