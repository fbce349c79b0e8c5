"""Recurrent layers that read rows of steps in both directions. Mirror: `tf_impl/recurrent.py`.

The gates and the two bias vectors are PyTorch's, which are cuDNN's: input, forget, cell, output of an LSTM; reset,
update, new of a GRU. The second direction reads each row's steps from its last one on: the steps are put in that order,
read, and put back, so that padding stays behind them and is never read by a step. So both directions are calls of one
kernel of the library's (oneDNN's or PyTorch's own on CPU, cuDNN's on GPUs); packed sequences, which read a step of
fewer and fewer rows, are several times slower on CPU (`python -m tests.recurrent_speed` times the ways).

Legend: N rows, T steps, D features of a step, H of a direction, G gates (4 of an LSTM, 3 of a GRU).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.layers import Weights


class Direction(nn.Module):
    """The tensors of one direction: `weight_ih` (GH, D), `weight_hh` (GH, H), `bias_ih` and `bias_hh` (GH)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.tensor(weights[f"{name}.weight_ih"]))
        self.weight_hh = nn.Parameter(torch.tensor(weights[f"{name}.weight_hh"]))
        self.bias_ih = nn.Parameter(torch.tensor(weights[f"{name}.bias_ih"]))
        self.bias_hh = nn.Parameter(torch.tensor(weights[f"{name}.bias_hh"]))

    def tensors(self, dtype: torch.dtype, recurrent: Tensor | None = None) -> list[Tensor]:
        """The four tensors in a precision.

        Args:
            recurrent: in place of `weight_hh`.
        """
        matrix = self.weight_hh if recurrent is None else recurrent
        return [each.to(dtype) for each in (self.weight_ih, matrix, self.bias_ih, self.bias_hh)]


class Bidirectional(nn.Module):
    """Two directions over the steps of padded rows."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        # not as attributes: `forward` is the name of a module's method
        for direction in ("forward", "backward"):
            self._modules[direction] = Direction(weights, f"{name}.{direction}")

    def direction(self, name: str) -> Direction:
        """The tensors of "forward" or of "backward"."""
        found = self._modules[name]
        assert isinstance(found, Direction)
        return found

    def forward(self, x: Tensor, lengths: Tensor, forward_recurrent: Tensor | None = None) -> Tensor:
        """Steps (N, T, D) to the states after each (N, T, 2H: forward, backward), zeros at padding.

        Args:
            lengths: (N), steps before the padding, at least 1.
            forward_recurrent: (GH, H), in place of the forward direction's `weight_hh`.
        """
        ahead = self.states(x, self.direction("forward").tensors(x.dtype, forward_recurrent))
        back = self.states(reordered(x, lengths), self.direction("backward").tensors(x.dtype))
        both = torch.cat([ahead, reordered(back, lengths)], -1)
        return both * (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[..., None].to(x.dtype)

    def states(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        """Steps (N, T, D) to the states after each (N, T, H), from a state of zeros."""
        raise NotImplementedError


class BidirectionalLstm(Bidirectional):
    """Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997; with forget gates."""

    def states(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        zeros = x.new_zeros(1, len(x), tensors[1].shape[1])
        return torch._VF.lstm(x, (zeros, zeros), tensors, True, 1, 0.0, self.training, False, True)[0]  # type: ignore[attr-defined]


class BidirectionalGru(Bidirectional):
    """Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; the reset gate is applied
    after the product with the recurrent matrix, as cuDNN does."""

    def states(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        zeros = x.new_zeros(1, len(x), tensors[1].shape[1])
        return torch._VF.gru(x, zeros, tensors, True, 1, 0.0, self.training, False, True)[0]  # type: ignore[attr-defined]


def reordered(x: Tensor, lengths: Tensor) -> Tensor:
    """The steps (N, T, F) of each row from its last one on, padding where it was."""
    step, count = torch.arange(x.shape[1], device=x.device), lengths[:, None]
    order = torch.where(step < count, count - 1 - step, step)
    rows = order + x.shape[1] * torch.arange(len(x), device=x.device)[:, None]
    return F.embedding(rows, x.flatten(0, 1))
