"""The wing's AdamW against the rule of shared.adamw, under changing rates."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny_text

tf = pytest.importorskip("tensorflow")

from shared.adamw import adamw_step  # noqa: E402
from shared.families import bert  # noqa: E402
from shared.family import ParameterGroup  # noqa: E402
from shared.schedule import warmup_linear  # noqa: E402
from shared.sections import AdamW as Settings  # noqa: E402
from tf_impl.layers import canonical_name  # noqa: E402
from tf_impl.networks import build  # noqa: E402
from tf_impl.optimizer import AdamW, make_optimizer  # noqa: E402

RATES = warmup_linear(10, 0.05, 0.3)
SETTINGS = tiny_text.workload(optimizer__weight_decay=0.1).optimizer
GROUPS = {
    "layers.0.up.weight": ParameterGroup(0.5, 0.1),
    "layers.1.up.weight": ParameterGroup(1.0, 0.1),
    "pooler.bias": ParameterGroup(1.0, 0.0),
    "classifier.weight": ParameterGroup(7.0, 0.0),
}
DECAYING = ParameterGroup(1.0, 0.1)
Steps = list[dict[str, np.ndarray]]


def gradients_of(shapes: dict[str, tuple[int, ...]], dtype: type) -> Steps:
    """Of very different sizes, so that epsilon and the bias correction show."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-8, 2, len(RATES))
    return [{n: (size * rng.standard_normal(s)).astype(dtype) for n, s in shapes.items()} for size in sizes]


def reference(
    start: dict[str, np.ndarray], steps: Steps, groups: dict[str, ParameterGroup], settings: Settings
) -> dict[str, np.ndarray]:
    """What shared.adamw says, in float64."""
    state = {n: (w.astype(np.float64), np.zeros(w.shape), np.zeros(w.shape)) for n, w in start.items()}
    for number, (rate, gradients) in enumerate(zip(RATES, steps, strict=True), 1):
        for name, gradient in gradients.items():
            factor, decay = groups[name]
            own = float(rate) * factor
            state[name] = adamw_step(*state[name], gradient.astype(np.float64), number, own, decay, settings)
    return {name: weight for name, (weight, *_) in state.items()}


def apply(optimizer: AdamW, gradients: list[np.ndarray], rate: float, finite: bool | None = None) -> None:
    """One step, as the wing takes it: within a replica of a strategy."""
    tensors = [tf.constant(gradient) for gradient in gradients]
    verdict = None if finite is None else tf.constant(finite)
    tf.distribute.get_strategy().run(optimizer.apply, args=(tensors, tf.constant(rate, tf.float64), verdict))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_ten_steps_follow_the_shared_rule(dtype: type, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    start = {name: rng.standard_normal((4, 3)).astype(dtype) for name in GROUPS}
    steps = gradients_of(dict.fromkeys(GROUPS, (4, 3)), dtype)
    parameters = {name: tf.Variable(value) for name, value in start.items()}
    optimizer = AdamW(parameters, GROUPS, SETTINGS)
    for rate, gradients in zip(RATES, steps, strict=True):
        apply(optimizer, [gradients[name] for name in parameters], float(rate))
    expected = reference(start, steps, GROUPS, SETTINGS)
    for name, parameter in parameters.items():
        assert parameter.dtype == dtype
        assert tiny_text.closeness(parameter, expected[name]) < tolerance, name


def test_the_whole_network_follows_the_shared_rule_in_a_graph() -> None:
    """Every tensor with its own factor and decay, as the wing itself puts them together; traced once."""
    settings = tiny_text.workload(optimizer__weight_decay=0.1)
    arch = tiny_text.architecture(settings)
    network = build(settings, tiny_text.weights(arch, np.float64))
    groups = bert.FAMILY.parameter_groups(arch, settings)
    optimizer = make_optimizer(network.canonical_parameters(), groups, settings.optimizer)
    start = {canonical_name(variable): variable.numpy() for variable in optimizer.parameters}
    steps = gradients_of({name: value.shape for name, value in start.items()}, np.float64)

    @tf.function
    def step(gradients: list[tf.Tensor], rate: tf.Tensor) -> None:
        tf.distribute.get_strategy().run(optimizer.apply, args=(gradients, rate, None))

    for rate, gradients in zip(RATES, steps, strict=True):
        step([tf.constant(gradients[name]) for name in start], tf.constant(float(rate), tf.float64))
    assert step.experimental_get_tracing_count() == 1
    expected = reference(start, steps, groups, settings.optimizer)
    for variable in optimizer.parameters:
        name = canonical_name(variable)
        assert tiny_text.closeness(variable, expected[name]) < 1e-12, name


@pytest.mark.parametrize("beta2", [0.999, 0.99999])
def test_single_precision_does_not_round_the_bias_correction(beta2: float) -> None:
    """float32's 1 - 0.999 has lost five digits; neither the correction nor what it corrects may show that."""
    settings = tiny_text.workload(optimizer__beta2=beta2).optimizer
    name, gradient = "pooler.bias", np.full(3, 1e-3, np.float32)
    parameter = tf.Variable(np.zeros(3, np.float32))
    optimizer = AdamW({name: parameter}, {name: ParameterGroup(1.0, 0.0)}, settings)
    state = (np.zeros(3), np.zeros(3), np.zeros(3))
    for step in range(1, 4):
        apply(optimizer, [gradient], 0.5)
        state = adamw_step(*state, gradient.astype(np.float64), step, 0.5, 0.0, settings)
        assert tiny_text.closeness(parameter, state[0]) < 1e-6


def test_rows_of_an_embedding_that_occur_twice_are_summed_before_they_are_squared() -> None:
    table = tf.Variable(np.ones((4, 2)))
    upstream = tf.constant([[1.0, 2.0], [3.0, -1.0], [5.0, 1e-9]], tf.float64)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table, [1, 3, 1]) * upstream)
    sparse = tape.gradient(loss, table)
    assert isinstance(sparse, tf.IndexedSlices), "the test is about the rows that come so"
    name = "embeddings.token.weight"
    apply(AdamW({name: table}, {name: DECAYING}, SETTINGS), [tf.convert_to_tensor(sparse).numpy()], 0.1)
    summed = np.array([[0, 0], [6.0, 2.0 + 1e-9], [0, 0], [3.0, -1.0]])
    expected, *_ = adamw_step(np.ones((4, 2)), np.zeros((4, 2)), np.zeros((4, 2)), summed, 1, 0.1, 0.1, SETTINGS)
    assert tiny_text.closeness(table, expected) < 1e-14


@pytest.mark.parametrize("in_a_graph", [False, True])
def test_a_step_whose_gradient_is_not_finite_is_skipped(in_a_graph: bool) -> None:
    """Weights, moments and the count of steps stay; the next step is as if it had not been."""
    name = "layers.0.up.weight"
    parameter = tf.Variable(np.ones(3))
    optimizer = AdamW({name: parameter}, {name: DECAYING}, SETTINGS)

    def step(gradient: tf.Tensor) -> None:
        finite = tf.reduce_all(tf.math.is_finite(gradient))
        arguments = ([gradient], tf.constant(0.1, tf.float64), finite)
        tf.distribute.get_strategy().run(optimizer.apply, args=arguments)

    take = tf.function(step) if in_a_graph else step
    state = (np.ones(3), np.zeros(3), np.zeros(3))
    for taken, gradient in enumerate(([1.0, -2.0, 3.0], [0.5, 0.5, -0.5]), 1):
        take(tf.constant(gradient, tf.float64))
        state = adamw_step(*state, np.array(gradient), taken, 0.1, DECAYING.decay, SETTINGS)
        assert tiny_text.closeness(parameter, state[0]) < 1e-14
        for bad in (np.inf, np.nan):
            take(tf.constant([1.0, bad, 1.0], tf.float64))
        assert tiny_text.closeness(parameter, state[0]) < 1e-14
        assert int(optimizer.steps) == taken
