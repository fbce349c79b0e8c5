"""The network as an ONNX file. Mirror: `tf_impl/export.py`."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pt_impl.step import Step
from shared.errors import UserError
from shared.family import Batch

LONGEST_REASON = 300  # characters of what an exporter says: it goes on for pages


class _Served(nn.Module):
    """What answers a request: the fields of a batch to logits (float32)."""

    def __init__(self, step: Step, kind: type[Batch]) -> None:
        super().__init__()
        self.network = step.network
        self._step, self._kind = step, kind

    def forward(self, *fields: Tensor) -> Tensor:
        return self._step.logits(self._step.inputs(self._kind(*fields), training=False)).float()


def export(step: Step, examples: Sequence[Any], path: str) -> tuple[str, ...]:
    """Leave a network in evaluation mode where `path` says, by `torch.onnx.export(dynamo=True)`.

    Args:
        examples: two batches; axes in whose length they differ may have any.

    Returns:
        the fields of a batch that the file's inputs are, in their order.

    Raises:
        UserError: what it needs is not installed, or the exporter fails.
    """
    first, second = examples
    any_length = tuple(
        {
            axis: torch.export.Dim.AUTO if a != b else None
            for axis, (a, b) in enumerate(zip(of_first.shape, of_second.shape, strict=True))
        }
        for of_first, of_second in zip(first, second, strict=True)
    )
    device = next(step.network.parameters()).device
    for example in examples:  # what a network keeps from its first call must not be the exporter's stand-ins
        step.predict(type(example)(*(field.to(device) for field in example)))
    served = _Served(step, type(first)).eval()
    inputs = tuple(field.to(device) for field in first)
    try:
        # it prints its progress, and warns of what only it can mend
        with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                served,
                inputs,
                dynamo=True,
                dynamic_shapes=(any_length,),
                verbose=False,
                input_names=list(first._fields),
            )
            program.save(path)
    except ImportError as error:
        raise UserError(f"the export to ONNX needs {error.name}: pip install 'twinbench[onnx]'") from None
    except Exception as error:  # whatever of the network it cannot express
        raise UserError(f"the export to ONNX failed: {_reason(error)}") from error
    return tuple(first._fields)


def _reason(error: BaseException) -> str:
    """The first cause of an exporter's error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:LONGEST_REASON]}"
