"""A network that its framework exported, answered for by ONNX Runtime: the further column of an inference.

What is exported is the wing's own network, with the weights that the framework's column has. Before anything is timed,
the logits of the first request of every batch size are compared with the wing's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import UserError
from shared.events import EventWriter
from shared.protocol import Cell
from shared.wing import Wing

NAME = "model.onnx"  # in the cell's folder, until the network is loaded from it
MOST_DIFFERENCE = 1e-4  # of the logits, as a share of the largest: float32 sums in another order
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntime:
    """Answers requests as `shared.wing.Wing` does: `infer`, then `answers`. A call is waited for in either."""

    def __init__(self, path: Path, fields: tuple[str, ...], cell: Cell) -> None:
        """
        Args:
            fields: of a batch, in the order of the file's inputs.

        Raises:
            UserError: ONNX Runtime is not installed, or has nothing for the cell's device.
        """
        try:
            import onnxruntime
        except ImportError:
            raise UserError("--runtime onnx needs onnxruntime: pip install 'twinbench[onnx]'") from None
        provider = PROVIDERS[cell.device]
        if provider not in onnxruntime.get_available_providers():
            raise UserError(f"onnxruntime {onnxruntime.__version__} has no {provider}: pip install onnxruntime-gpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = cell.threads_per_replica, 1
        options.log_severity_level = 3  # errors alone
        self.session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        names = [each.name for each in self.session.get_inputs()]
        self.inputs = [(name, fields.index(name.partition(":")[0])) for name in names]
        self.settings = {"version.onnxruntime": onnxruntime.__version__, "onnx.provider": provider}

    def infer(self, host: Any) -> list[np.ndarray]:
        """Logits of a request (float32, N x K, a list of one)."""
        share = host[0] if isinstance(host, list) else host
        found: np.ndarray = self.session.run(None, {name: np.asarray(share[place]) for name, place in self.inputs})[0]
        return [found]

    def answers(self, logits: list[np.ndarray]) -> list[np.ndarray]:
        """The logits: they are on the host already."""
        return logits


def exported(cell: Cell, wing: Wing, examples: Sequence[Any], emit: EventWriter) -> OnnxRuntime:
    """Export a wing's network, load it, and see that it gives the same logits.

    Args:
        examples: requests of every shape, in the host's memory; the first and the last differ in all that may differ.

    Raises:
        UserError: an export that fails, or logits that differ by more than MOST_DIFFERENCE: the figure is named.
    """
    path = Path(cell.directory) / NAME
    try:
        fields = wing.exported((examples[-1], examples[0]), str(path))
        runtime = OnnxRuntime(path, fields, cell)
    finally:
        for file in path.parent.glob(f"{NAME}*"):  # weights of a large network lie beside it
            file.unlink()
    worst = max(difference(runtime.infer(host), wing.answers(wing.infer(host))) for host in examples)
    if not worst <= MOST_DIFFERENCE:
        raise UserError(
            f"ONNX Runtime's logits differ from the framework's by {worst:.1e} of the largest, {MOST_DIFFERENCE:g} is "
            "allowed: nothing was timed"
        )
    emit("settings", values={**runtime.settings, "onnx.logits_difference": worst})
    return runtime


def difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference of two networks' logits, over the largest of the second's; NaN is infinite."""
    largest = max(float(np.abs(each).max()) for each in expected)
    gap = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    return gap / largest if np.isfinite(gap) and largest > 0 else float("inf")
