"""Both wings' recurrent layers against the libraries' own: torch's with packed rows, Keras's with a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from pt_impl import recurrent as ours_pt  # noqa: E402
from tf_impl import recurrent as ours_tf  # noqa: E402

ROWS, STEPS, INPUTS, HIDDEN = 5, 11, 6, 4
LENGTHS = np.array([11, 1, 5, 7, 3], np.int32)
GATES = {"Lstm": 4, "Gru": 3}
DIRECTIONS = (("forward", ""), ("backward", "_reverse"))
TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
every_cell = pytest.mark.parametrize("cell", sorted(GATES))


def weights_of(cell: str, same_bias: bool = False) -> dict[str, np.ndarray]:
    random, gates = np.random.default_rng(1), GATES[cell] * HIDDEN
    shapes = {"weight_ih": (gates, INPUTS), "weight_hh": (gates, HIDDEN), "bias_ih": (gates,), "bias_hh": (gates,)}
    return {f"layer.{way}.{name}": random.normal(size=shapes[name]) for way, _ in DIRECTIONS for name in TENSORS}


def inputs() -> tuple[np.ndarray, np.ndarray]:
    """Steps, and what comes back for the states."""
    random = np.random.default_rng(2)
    return random.normal(size=(ROWS, STEPS, INPUTS)), random.normal(size=(ROWS, STEPS, 2 * HIDDEN))


def packed(cell: str, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """torch's own layer on packed rows: states and gradients, of the steps as "x"."""
    layer = getattr(torch.nn, cell.upper())(INPUTS, HIDDEN, batch_first=True, bidirectional=True).double()
    named = {f"layer.{way}.{name}": getattr(layer, f"{name}_l0{end}") for way, end in DIRECTIONS for name in TENSORS}
    for name, parameter in named.items():
        parameter.data = torch.tensor(weights[name])
    steps, upstream = (torch.tensor(each) for each in inputs())
    steps.requires_grad_()
    rows = torch.nn.utils.rnn.pack_padded_sequence(steps, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(rows)[0], batch_first=True)
    (states * upstream).sum().backward()
    gradients = {name: parameter.grad.numpy() for name, parameter in named.items()}
    return states.detach().numpy(), gradients | {"x": steps.grad.numpy()}


def by_pt(cell: str, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    layer = getattr(ours_pt, f"Bidirectional{cell}")(weights, "layer")
    steps, upstream = (torch.tensor(each) for each in inputs())
    steps.requires_grad_()
    states = layer(steps, torch.tensor(LENGTHS))
    (states * upstream).sum().backward()
    gradients = {f"layer.{name}": parameter.grad.numpy() for name, parameter in layer.named_parameters()}
    return states.detach().numpy(), gradients | {"x": steps.grad.numpy()}


def by_tf(cell: str, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    layer = getattr(ours_tf, f"Bidirectional{cell}")(weights, "layer")
    steps, upstream = (tf.constant(each) for each in inputs())

    @tf.function(autograph=False)
    def compute() -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*layer.trainable_variables, steps])
            states = layer(steps, tf.constant(LENGTHS))
            total = tf.reduce_sum(states * upstream)
        return states, tape.gradient(total, [*layer.trainable_variables, steps])

    states, found = compute()
    names = [variable.name.removesuffix(":0") for variable in layer.trainable_variables]
    gradients = {
        name: gradient.numpy().T if gradient.ndim == 2 else gradient.numpy()
        for name, gradient in zip(names, found, strict=False)
    }
    return states.numpy(), gradients | {"x": found[-1].numpy()}


@every_cell
@pytest.mark.parametrize("wing", [by_pt, by_tf])
def test_states_and_gradients_are_those_of_torchs_packed_rows(wing: Any, cell: str) -> None:
    weights = weights_of(cell)
    states, gradients = wing(cell, weights)
    expected, expected_gradients = packed(cell, weights)
    assert np.abs(states - expected).max() < 1e-12
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():
        assert np.abs(gradients[name] - gradient).max() < 1e-12, name


def test_states_are_those_of_keras_with_a_mask() -> None:
    """Whose one bias vector is the sum of the two."""
    import keras

    weights = weights_of("Lstm")
    one = keras.layers.LSTM(HIDDEN, return_sequences=True, zero_output_for_mask=True, dtype="float64")
    layer = keras.layers.Bidirectional(one, dtype="float64")
    layer.build((None, STEPS, INPUTS))
    own = []
    for way, _ in DIRECTIONS:
        weight_ih, weight_hh, bias_ih, bias_hh = (weights[f"layer.{way}.{name}"] for name in TENSORS)
        own += [weight_ih.T, weight_hh.T, bias_ih + bias_hh]
    layer.set_weights(own)
    steps, _ = inputs()
    expected = layer(tf.constant(steps), mask=tf.sequence_mask(LENGTHS, STEPS)).numpy()
    states, _ = by_tf("Lstm", weights)
    assert np.abs(states - expected).max() < 1e-12


@every_cell
@pytest.mark.parametrize("wing", [by_pt, by_tf])
def test_padding_has_states_of_zeros_and_no_gradient(wing: Any, cell: str) -> None:
    states, gradients = wing(cell, weights_of(cell))
    padding = np.arange(STEPS) >= LENGTHS[:, None]
    assert not states[padding].any() and not gradients["x"][padding].any()


@every_cell
def test_another_forward_matrix_replaces_that_of_one_direction(cell: str) -> None:
    weights, steps = weights_of(cell), inputs()[0]
    other = np.random.default_rng(3).normal(size=weights["layer.forward.weight_hh"].shape)
    expected, _ = packed(cell, weights | {"layer.forward.weight_hh": other})
    of_pt = getattr(ours_pt, f"Bidirectional{cell}")(weights, "layer")
    of_tf = getattr(ours_tf, f"Bidirectional{cell}")(weights, "layer")
    with torch.no_grad():
        by_torch = of_pt(torch.tensor(steps), torch.tensor(LENGTHS), torch.tensor(other)).numpy()
    by_tensorflow = of_tf(tf.constant(steps), tf.constant(LENGTHS), tf.constant(other.T)).numpy()
    assert np.abs(by_torch - expected).max() < 1e-12
    assert np.abs(by_tensorflow - expected).max() < 1e-12
