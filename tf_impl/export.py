"""The network as an ONNX file, which TensorFlow cannot leave. Mirror: `pt_impl/export.py`.

tf2onnx 1.17 was tried: it leaves what XLA compiles (`tf_impl/kernels.py`) as calls that ONNX Runtime does not know
("No Op registered for PartitionedCall"), and the networks need batches of known shapes, one graph a shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors import UserError
from tf_impl.step import Step


def export(step: Step, examples: Sequence[Any], path: str) -> tuple[str, ...]:
    """There is nothing that exports.

    Raises:
        UserError: always.
    """
    raise UserError("the export to ONNX failed: tf2onnx has no operator for what TensorFlow's wing compiles")
