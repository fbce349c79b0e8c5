"""Recurrent layers that read rows of steps in both directions. Mirror: `pt_impl/recurrent.py`.

The gates and the two bias vectors are PyTorch's, which are cuDNN's: input, forget, cell, output of an LSTM; reset,
update, new of a GRU. Keras has one bias vector in an LSTM, which under Adam moves half as far. The second direction
reads each row's steps from its last one on: the steps are put in that order, read, and put back, so that padding stays
behind them and is never read by a step.

On GPUs the steps are cuDNN's. On CPU they are a loop with a gradient of its own: what does not wait for the step before
it (the products with the inputs, and all gradients of weights) is one product over all steps, and what is elementwise
in a step is one kernel. TensorFlow's own gradient of a loop adds up a matrix at every step (`python -m
tests.recurrent_speed` times the ways).

Legend: N rows, T steps, D features of a step, H of a direction, G gates (4 of an LSTM, 3 of a GRU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_impl.kernels import on_gpu, one_kernel
from tf_impl.layers import Weights, trained

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]
Tensors = Sequence[tf.Tensor]  # of a direction: weight_ih (D, GH), weight_hh (H, GH), bias_ih, bias_hh (GH)


class Direction(tf.Module):
    """The variables of one direction: `weight_ih` (D, GH), `weight_hh` (H, GH), `bias_ih` and `bias_hh` (GH)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight_ih = trained(weights, f"{name}.weight_ih")
        self.weight_hh = trained(weights, f"{name}.weight_hh")
        self.bias_ih = trained(weights, f"{name}.bias_ih")
        self.bias_hh = trained(weights, f"{name}.bias_hh")

    def tensors(self, dtype: tf.DType, recurrent: tf.Tensor | None = None) -> list[tf.Tensor]:
        """The four tensors in a precision.

        Args:
            recurrent: in place of `weight_hh`.
        """
        matrix = self.weight_hh if recurrent is None else recurrent
        return [tf.cast(each, dtype) for each in (self.weight_ih, matrix, self.bias_ih, self.bias_hh)]


class Bidirectional(tf.Module):
    """Two directions over the steps of padded rows."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.directions = {
            direction: Direction(weights, f"{name}.{direction}") for direction in ("forward", "backward")
        }

    def direction(self, name: str) -> Direction:
        """The variables of "forward" or of "backward"."""
        found: Direction = self.directions[name]
        return found

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor, forward_recurrent: tf.Tensor | None = None) -> tf.Tensor:
        """Steps (N, T, D) to the states after each (N, T, 2H: forward, backward), zeros at padding.

        Args:
            lengths: (N), steps before the padding, at least 1.
            forward_recurrent: (H, GH), in place of the forward direction's `weight_hh`.
        """
        x = tf.transpose(x, [1, 0, 2])
        ahead = self.states(x, self.direction("forward").tensors(x.dtype, forward_recurrent))
        back = self.states(reordered(x, lengths), self.direction("backward").tensors(x.dtype))
        both = tf.transpose(tf.concat([ahead, reordered(back, lengths)], -1), [1, 0, 2])
        return both * tf.sequence_mask(lengths, x.shape[0], x.dtype)[..., None]

    def states(self, x: tf.Tensor, tensors: Tensors) -> tf.Tensor:
        """Steps (T, N, D) to the states after each (T, N, H), from a state of zeros."""
        raise NotImplementedError


class BidirectionalLstm(Bidirectional):
    """Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997; with forget gates."""

    def states(self, x: tf.Tensor, tensors: Tensors) -> tf.Tensor:
        return _cudnn_states(x, tensors) if on_gpu() else _lstm_states(x, *tensors)


class BidirectionalGru(Bidirectional):
    """Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; the reset gate is applied
    after the product with the recurrent matrix, as cuDNN does."""

    def states(self, x: tf.Tensor, tensors: Tensors) -> tf.Tensor:
        return _cudnn_states(x, tensors, input_c=0, rnn_mode="gru") if on_gpu() else _gru_states(x, *tensors)


def reordered(x: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """The steps (T, N, F) of each row from its last one on, padding where it was."""
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


def _cudnn_states(x: tf.Tensor, tensors: Tensors, **others: Any) -> tf.Tensor:
    """`Bidirectional.states` by cuDNN, on GPUs: of an LSTM, if nothing else is said."""
    weight_ih, weight_hh, bias_ih, bias_hh = tensors
    weight_ih, weight_hh, bias_ih, bias_hh = tensors
    zeros = tf.zeros([1, x.shape[1], weight_hh.shape[0]], x.dtype)
    flat = [tf.reshape(tf.transpose(each), [-1]) for each in (weight_ih, weight_hh)]
    params = tf.concat([*flat, bias_ih, bias_hh], 0)
    given = {"input": x, "input_h": zeros, "input_c": zeros, "params": params, "is_training": True} | others
    found = tf.raw_ops.CudnnRNNV2(**given)
    return found.output


@tf.custom_gradient
def _lstm_states(
    x: tf.Tensor, weight_ih: tf.Tensor, weight_hh: tf.Tensor, bias_ih: tf.Tensor, bias_hh: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    """The states of an LSTM and their gradient: x (T, N, D) to (T, N, H)."""
    zeros = tf.zeros([x.shape[1], weight_hh.shape[0]], x.dtype)
    given = _products(x, weight_ih, bias_ih + bias_hh)

    def step(at: tf.Tensor, state: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state, cell, gates = _lstm(given[at] + tf.matmul(state, weight_hh), cell)
        return (state, cell), (state, cell, gates)

    states, cells, gates = _loop(step, (zeros, zeros), x.shape[0], 3)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        before = _shifted(cells)

        def back(at: tf.Tensor, of_state: tf.Tensor, of_cell: tf.Tensor) -> tuple[tf.Tensor, ...]:
            of_cell, of_gates = _lstm_gradient(upstream[at] + of_state, of_cell, gates[at], cells[at], before[at])
            return (tf.matmul(of_gates, weight_hh, transpose_b=True), of_cell), (of_gates,)

        (of_gates,) = _loop(back, (zeros, zeros), x.shape[0], 1, last_first=True)
        of_x, of_weight_ih, of_bias = _product_gradients(of_gates, x, weight_ih)
        _, of_weight_hh, _ = _product_gradients(of_gates, _shifted(states), None)
        return of_x, of_weight_ih, of_weight_hh, of_bias, of_bias

    return states, gradient


@one_kernel
def _lstm(gates: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """State and cell after a step (N, H each), and the gates' activations (N, 4H) from what they are made of."""
    size = cell.shape[-1]
    taken, kept, shown = (tf.sigmoid(gates[:, gate * size : (gate + 1) * size]) for gate in (0, 1, 3))
    new = tf.tanh(gates[:, 2 * size : 3 * size])
    cell = kept * cell + taken * new
    return shown * tf.tanh(cell), cell, tf.concat([taken, kept, new, shown], 1)


@one_kernel
def _lstm_gradient(
    of_state: tf.Tensor, of_cell: tf.Tensor, gates: tf.Tensor, cell: tf.Tensor, before: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Gradients of the cell before a step (N, H) and of what its gates are made of (N, 4H).

    Args:
        of_state, of_cell: of state and cell after it. gates, cell: as `_lstm` returned them. before: the cell before.
    """
    taken, kept, new, shown = tf.split(gates, 4, 1)
    squashed = tf.tanh(cell)
    of_cell = of_cell + of_state * shown * (1 - squashed * squashed)
    of_gates = [
        of_cell * new * taken * (1 - taken),
        of_cell * before * kept * (1 - kept),
        of_cell * taken * (1 - new * new),
        of_state * squashed * shown * (1 - shown),
    ]
    return of_cell * kept, tf.concat(of_gates, 1)


@tf.custom_gradient
def _gru_states(
    x: tf.Tensor, weight_ih: tf.Tensor, weight_hh: tf.Tensor, bias_ih: tf.Tensor, bias_hh: tf.Tensor
) -> tuple[tf.Tensor, Gradient]:
    """The states of a GRU and their gradient: x (T, N, D) to (T, N, H)."""
    zeros = tf.zeros([x.shape[1], weight_hh.shape[0]], x.dtype)
    given = _products(x, weight_ih, bias_ih)

    def step(at: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state, gates = _gru(given[at], tf.nn.bias_add(tf.matmul(state, weight_hh), bias_hh), state)
        return (state,), (state, gates)

    states, gates = _loop(step, (zeros,), x.shape[0], 2)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        before = _shifted(states)

        def back(at: tf.Tensor, of_state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            of_state, of_given, of_recurrent = _gru_gradient(upstream[at] + of_state, gates[at], before[at])
            of_state += tf.matmul(of_recurrent, weight_hh, transpose_b=True)
            return (of_state,), (of_given, of_recurrent)

        of_given, of_recurrent = _loop(back, (zeros,), x.shape[0], 2, last_first=True)
        of_x, of_weight_ih, of_bias_ih = _product_gradients(of_given, x, weight_ih)
        _, of_weight_hh, of_bias_hh = _product_gradients(of_recurrent, before, None)
        return of_x, of_weight_ih, of_weight_hh, of_bias_ih, of_bias_hh

    return states, gradient


@one_kernel
def _gru(given: tf.Tensor, recurrent: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The state after a step (N, H), and what its gradient reads (N, 4H): the activations of reset, update and new, and
    what the reset gate is applied to.

    Args:
        given, recurrent: (N, 3H), what the gates are made of by the inputs and by the state.
    """
    size = state.shape[-1]
    reset, update = (tf.sigmoid((given + recurrent)[:, gate * size : (gate + 1) * size]) for gate in (0, 1))
    remembered = recurrent[:, 2 * size :]
    new = tf.tanh(given[:, 2 * size :] + reset * remembered)
    return (1 - update) * new + update * state, tf.concat([reset, update, new, remembered], 1)


@one_kernel
def _gru_gradient(of_state: tf.Tensor, gates: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Gradients of the state before a step (N, H) but for its product's, and of `_gru`'s given and recurrent (N, 3H).

    Args:
        of_state: of the state after it. gates: as `_gru` returned them. before: the state before it.
    """
    reset, update, new, remembered = tf.split(gates, 4, 1)
    of_new = of_state * (1 - update) * (1 - new * new)
    of_update = of_state * (before - new) * update * (1 - update)
    of_reset = of_new * remembered * reset * (1 - reset)
    of_given = tf.concat([of_reset, of_update, of_new], 1)
    return of_state * update, of_given, tf.concat([of_reset, of_update, of_new * reset], 1)


def _loop(
    step: Callable[..., Any], start: Sequence[tf.Tensor], num_steps: int, num_left: int, last_first: bool = False
) -> tuple[tf.Tensor, ...]:
    """What a loop over steps leaves of each (T, N, F).

    Args:
        step: a step's number and what is handed from step to step (N, F each) to what is handed on and what is left.
        start: what is handed to the first. num_left: tensors that a step leaves. last_first: begin with the last step.
    """
    left = [tf.TensorArray(start[0].dtype, num_steps, infer_shape=True) for _ in range(num_left)]

    def body(done: tf.Tensor, handed: list[tf.Tensor], left: list[tf.TensorArray]) -> tuple[Any, ...]:
        at = num_steps - 1 - done if last_first else done
        handed, found = step(at, *handed)
        return done + 1, list(handed), [array.write(at, each) for array, each in zip(left, found, strict=True)]

    steps = (tf.constant(0), list(start), left)
    _, _, left = tf.while_loop(lambda done, *_: done < num_steps, body, steps, parallel_iterations=1)
    return tuple(array.stack() for array in left)


def _shifted(x: tf.Tensor) -> tf.Tensor:
    """What was before each step: (T, N, F), zeros before the first."""
    return tf.concat([tf.zeros_like(x[:1]), x[:-1]], 0)


def _products(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """x W + b over all steps as one product: (T, N, D) to (T, N, F)."""
    rows = tf.nn.bias_add(tf.matmul(tf.reshape(x, [-1, x.shape[2]]), weight), bias)
    return tf.reshape(rows, [*x.shape[:2], weight.shape[1]])


def _product_gradients(
    upstream: tf.Tensor, x: tf.Tensor, weight: tf.Tensor | None
) -> tuple[tf.Tensor | None, tf.Tensor, tf.Tensor]:
    """Gradients of x, W and b of `_products`; x's is left out where there is no weight."""
    rows = tf.reshape(upstream, [-1, upstream.shape[2]])
    of_weight = tf.matmul(tf.reshape(x, [-1, x.shape[2]]), rows, transpose_a=True)
    of_x = None if weight is None else tf.reshape(tf.matmul(rows, weight, transpose_b=True), x.shape)
    return of_x, of_weight, tf.reduce_sum(rows, 0)
