"""Bidirectional recurrent layers by several ways.

`python -m tests.recurrent_speed [results/reference/recurrent.md]`

Forward and backward, with gradients to the weights and the inputs, over padded rows of varying lengths; LSTM_reg's
layer at its published size, and HAN's over the words of sentences. The ways take turns; medians. Each way's states are
held against the first one's before it is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bench.host import machine
from bench.host.files import write_for_user
from pt_impl import recurrent as pt_recurrent
from tests.speed import TURNS, Ways, milliseconds, table
from tf_impl import recurrent as tf_recurrent

# name, cell, rows, steps, features of a step, features of a direction
CASES = (
    ("LSTM, 32 texts of 128 words, H 512", "Lstm", 32, 128, 300, 512),
    ("GRU, 512 sentences of 64 words, H 50", "Gru", 512, 64, 300, 50),
)
GATES = {"Lstm": 4, "Gru": 3}
DIRECTIONS = (("forward", ""), ("backward", "_reverse"))
TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
CLOSE = 1e-4  # what float32 leaves of states after so many steps

Arrays = Mapping[str, np.ndarray]


def torch_ways(cell: str, x: np.ndarray, lengths: np.ndarray, weights: Arrays) -> tuple[Ways, dict[str, Any]]:
    """The ways, and the states that those which mask padding find."""
    ours = getattr(pt_recurrent, f"Bidirectional{cell}")(weights, "layer")
    hidden = weights["layer.forward.weight_hh"].shape[1]
    library = getattr(torch.nn, cell.upper())(x.shape[2], hidden, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for way, end in DIRECTIONS:
            for name in TENSORS:
                getattr(library, f"{name}_l0{end}").copy_(torch.from_numpy(weights[f"layer.{way}.{name}"]))
    steps, ends = torch.from_numpy(x).requires_grad_(), torch.from_numpy(lengths)

    def packed() -> torch.Tensor:
        rows = pack_padded_sequence(steps, ends, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(library(rows)[0], batch_first=True, total_length=x.shape[1])[0]

    forwards: dict[str, Callable[[], torch.Tensor]] = {
        "PyTorch: two calls, steps put in order (ours)": lambda: ours(steps, ends),
        "PyTorch: packed": packed,
        "PyTorch: padding read (another result)": lambda: library(steps)[0],
    }

    def both_passes(forward: Callable[[], torch.Tensor]) -> Callable[[], object]:
        return lambda: forward().square().sum().backward()

    states = {name: forward().detach().numpy() for name, forward in forwards.items() if "another" not in name}
    return {name: both_passes(forward) for name, forward in forwards.items()}, states


def plain_loop(cell: str, x: tf.Tensor, tensors: Any) -> tf.Tensor:
    """The steps as a loop whose gradient is TensorFlow's own: x (T, N, D) to (T, N, H)."""
    weight_ih, weight_hh, bias_ih, bias_hh = tensors
    zeros = tf.zeros([x.shape[1], weight_hh.shape[0]], x.dtype)
    given = tf.linalg.matmul(x, weight_ih) + bias_ih

    def body(at: Any, handed: Any, left: Any) -> Any:
        recurrent = tf.matmul(handed[0], weight_hh) + bias_hh
        if cell == "Lstm":
            taken, kept, new, shown = tf.split(given[at] + recurrent, 4, 1)
            memory = tf.sigmoid(kept) * handed[1] + tf.sigmoid(taken) * tf.tanh(new)
            handed = [tf.sigmoid(shown) * tf.tanh(memory), memory]
        else:
            reset, update, new = tf.split(given[at], 3, 1)
            reset_by, update_by, new_by = tf.split(recurrent, 3, 1)
            update = tf.sigmoid(update + update_by)
            fresh = tf.tanh(new + tf.sigmoid(reset + reset_by) * new_by)
            handed = [(1 - update) * fresh + update * handed[0], handed[1]]
        return at + 1, handed, left.write(at, handed[0])

    start = (tf.constant(0), [zeros, zeros], tf.TensorArray(x.dtype, x.shape[0]))
    # XLA asks how many steps there are at most
    return tf.while_loop(lambda at, *_: at < x.shape[0], body, start, maximum_iterations=x.shape[0])[2].stack()


def block(x: tf.Tensor, tensors: Any) -> tf.Tensor:
    """TensorFlow's fused LSTM of float32 and float16 alone."""
    weight_ih, weight_hh, bias_ih, bias_hh = tensors
    zeros, none = tf.zeros([x.shape[1], weight_hh.shape[0]]), tf.zeros([weight_hh.shape[0]])
    return tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(x.shape[0], tf.int64),
        x=x,
        cs_prev=zeros,
        h_prev=zeros,
        w=tf.concat([weight_ih, weight_hh], 0),
        wci=none,
        wcf=none,
        wco=none,
        b=bias_ih + bias_hh,
        cell_clip=0,
    ).h


def tensorflow_ways(cell: str, x: np.ndarray, lengths: np.ndarray, weights: Arrays) -> tuple[Ways, dict[str, Any]]:
    """The ways, and the states that they find."""
    import keras

    kind = getattr(tf_recurrent, f"Bidirectional{cell}")
    ours = kind(weights, "layer")
    steps, ends, mask = tf.constant(x), tf.constant(lengths), tf.sequence_mask(lengths, x.shape[1])
    hidden = weights["layer.forward.weight_hh"].shape[1]
    one = getattr(keras.layers, cell.upper())(hidden, return_sequences=True, zero_output_for_mask=True)
    library = keras.layers.Bidirectional(one)
    library.build((None, *x.shape[1:]))
    own = [ours.direction(way).tensors(tf.float32) for way, _ in DIRECTIONS]
    library.set_weights([each.numpy() for tensors in own for each in keras_tensors(cell, *tensors)])

    def other(states: Callable[[tf.Tensor, Any], tf.Tensor]) -> Any:
        layer = kind(weights, "layer")
        layer.states = states
        return layer

    loop = other(lambda x, tensors: plain_loop(cell, x, tensors))
    layers: dict[str, Any] = {
        "TensorFlow: a loop with a gradient of its own (ours)": ours,
        "TensorFlow: a loop, TensorFlow's gradient": loop,
    }
    if cell == "Lstm":
        layers["TensorFlow: BlockLSTMV2"] = other(block)
    ways: dict[str, Callable[[], Any]] = {}
    states = {}

    def add(name: str, call: Callable[[tf.Tensor], tf.Tensor], variables: Any, by_xla: bool = False) -> None:
        @tf.function(autograph=False, jit_compile=by_xla)
        def both_passes(x: tf.Tensor) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([x, *variables])
                total = tf.reduce_sum(tf.square(call(x)))
            return tape.gradient(total, [x, *variables])

        states[name] = tf.function(call, autograph=False)(steps).numpy()
        ways[name] = lambda: [tf.convert_to_tensor(gradient).numpy() for gradient in both_passes(steps)]

    for name, layer in layers.items():
        add(name, partial(layer, lengths=ends), layer.trainable_variables)
    add(
        "TensorFlow: the same loop, all of it by XLA",
        partial(loop, lengths=ends),
        loop.trainable_variables,
        by_xla=True,
    )
    add("TensorFlow: Keras, masked", lambda x: library(x, mask=mask), [v.value for v in library.trainable_variables])
    return ways, states


def keras_tensors(cell: str, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> list[tf.Tensor]:
    """A direction's tensors as Keras has them: an LSTM's biases summed up, a GRU's update gate before its reset."""
    if cell == "Lstm":
        return [weight_ih, weight_hh, bias_ih + bias_hh]

    def moved(gates: tf.Tensor) -> tf.Tensor:
        reset, update, new = tf.split(gates, 3, -1)
        return tf.concat([update, reset, new], -1)

    return [moved(weight_ih), moved(weight_hh), tf.stack([moved(bias_ih), moved(bias_hh)])]


def case(cell: str, rows: int, steps: int, features: int, hidden: int) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """Steps (rows x steps x features), lengths from half the steps on, and the tensors of both directions."""
    random, gates = np.random.default_rng(0), GATES[cell] * hidden
    shapes = {"weight_ih": (gates, features), "weight_hh": (gates, hidden), "bias_ih": (gates,), "bias_hh": (gates,)}
    weights = {
        f"layer.{way}.{name}": random.uniform(-1, 1, shapes[name]).astype(np.float32) / np.sqrt(np.float32(hidden))
        for way, _ in DIRECTIONS
        for name in TENSORS
    }
    lengths = random.integers(steps // 2, steps + 1, rows).astype(np.int32)
    return random.normal(size=(rows, steps, features)).astype(np.float32), lengths, weights


def main() -> None:
    """Print the table, and write it where the command line says."""
    torch.set_num_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    columns = {}
    for title, cell, rows, steps, features, hidden in CASES:
        x, lengths, weights = case(cell, rows, steps, features, hidden)
        of_torch, torch_states = torch_ways(cell, x, lengths, weights)
        of_tensorflow, tensorflow_states = tensorflow_ways(cell, x, lengths, weights)
        first, *others = [*torch_states.items(), *tensorflow_states.items()]
        for name, states in others:
            apart = float(np.abs(states - first[1]).max())
            assert apart < CLOSE, f"{name}: states are {apart:.1e} from those of {first[0]}"
        columns[title] = milliseconds({**of_torch, **of_tensorflow})
    lines = [
        "# Recurrent layers, by way",
        "",
        f"`python -m tests.recurrent_speed`, torch {torch.__version__}, tensorflow {tf.__version__}, "
        f"{machine.summary()}, one thread. Milliseconds of both directions, forward and backward, medians of {TURNS} "
        "turns.",
        "",
        table(columns),
    ]
    text = "\n".join(lines)
    print(text)
    if sys.argv[1:]:
        write_for_user(Path(sys.argv[1]), text + "\n")


if __name__ == "__main__":
    main()
