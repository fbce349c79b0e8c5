"""The wing's BERT against `keras_hub`'s, its traces counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests import tiny_text

tf = pytest.importorskip("tensorflow")

from shared.batches import EvalBatches, TrainBatches  # noqa: E402
from shared.families import bert  # noqa: E402
from shared.families.bert.batch import TextBatch  # noqa: E402
from shared.families.bert.settings import BertWorkload  # noqa: E402
from shared.store import Store  # noqa: E402
from tf_impl import data  # noqa: E402
from tf_impl.families.bert.inputs import network_inputs  # noqa: E402
from tf_impl.layers import canonical_name  # noqa: E402
from tf_impl.networks import build, num_trained, weights_of  # noqa: E402
from tf_impl.replicas import Replicas  # noqa: E402
from tf_impl.step import Step  # noqa: E402

CALM = tiny_text.calm(model__num_heads=2)  # Keras rounds 1 / sqrt(D) to float32: of 16 features it is exact
BUCKETED = tiny_text.workload(input__buckets=(16, 24))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store", lengths=(3, 20), long_ones=3)


def make_step(settings: BertWorkload, precision: str = "fp64") -> Step:
    dtype = np.float64 if precision == "fp64" else np.float32
    return Step(build(settings, tiny_text.weights(tiny_text.architecture(settings), dtype)), settings, precision, 1)


def on_device(batch: TextBatch) -> TextBatch:
    return TextBatch(*(tf.constant(array) for array in batch))


def one_replica() -> Replicas:
    return Replicas(0, 1, tf.distribute.get_strategy())


def exact_gelu(x: tf.Tensor) -> tf.Tensor:
    return x * 0.5 * (1.0 + tf.math.erf(x / tf.sqrt(tf.constant(2.0, x.dtype))))


def library(settings: BertWorkload, dtype: str, activation: Callable[[tf.Tensor], tf.Tensor] | None) -> tf.Module:
    """`keras_hub.models.BertBackbone` with the same weights; an activation in place of its tanh-GELU."""
    keras_hub = pytest.importorskip("keras_hub")
    model = settings.model
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=model.vocabulary_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        intermediate_dim=model.intermediate_size,
        dropout=0.0,
        max_sequence_length=model.max_positions,
        dtype=dtype,
    )
    weights = tiny_text.weights(tiny_text.architecture(settings), np.dtype(dtype).type)
    for variable in backbone.variables:
        value = weights[our_name(variable.path)]
        variable.assign(
            value.T.reshape(variable.shape) if variable.path.endswith("kernel") else value.reshape(variable.shape)
        )
    for layer in backbone.transformer_layers if activation else ():
        layer._feedforward_intermediate_dense.activation = activation
    return backbone


def our_name(path: str) -> str:
    """`keras_hub`'s path of a variable to our name."""
    part, *rest = path.split("/")
    if part.endswith("_embedding"):
        return f"embeddings.{part.removesuffix('_embedding')}.weight"
    kind = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}[rest[-1]]
    if part == "embeddings_layer_norm":
        return f"embeddings.norm.{kind}"
    if part == "pooled_dense":
        return f"pooler.{kind}"
    inner = {
        "query": "query",
        "key": "key",
        "value": "value",
        "attention_output": "output",
        "self_attention_layer_norm": "attention_norm",
        "feedforward_layer_norm": "output_norm",
        "feedforward_intermediate_dense": "up",
        "feedforward_output_dense": "down",
    }[rest[-2]]
    return f"layers.{part.removeprefix('transformer_layer_')}.{inner}.{kind}"


def pooled(backbone: tf.Module, batch: TextBatch) -> tf.Tensor:
    mask = tf.cast(tf.range(batch.tokens.shape[1]) < batch.lengths[:, None], tf.int32)
    inputs = {"token_ids": batch.tokens, "segment_ids": tf.zeros_like(batch.tokens), "padding_mask": mask}
    return backbone(inputs)["pooled_output"]


def our_features(step: Step, batch: TextBatch) -> tf.Tensor:
    return step.network.features(step.inputs(batch, training=False), None, training=False)


@pytest.mark.parametrize(("precision", "dtype", "tolerance"), [("fp32", "float32", 2e-5), ("fp64", "float64", 1e-12)])
def test_features_are_the_librarys(store: Store, precision: str, dtype: str, tolerance: float) -> None:
    step, backbone = make_step(CALM, precision), library(CALM, dtype, exact_gelu)
    batch = on_device(tiny_text.train_batch(store, CALM))
    assert len(set(batch.lengths.numpy().tolist())) > 1, "nothing is padded"
    assert tiny_text.closeness(our_features(step, batch), pooled(backbone, batch)) < tolerance


def test_the_librarys_own_gelu_is_another_one(store: Store) -> None:
    step, backbone = make_step(CALM), library(CALM, "float64", None)
    batch = on_device(tiny_text.train_batch(store, CALM))
    assert 1e-6 < tiny_text.closeness(our_features(step, batch), pooled(backbone, batch)) < 1e-2


def test_every_gradient_is_the_librarys(store: Store) -> None:
    step, backbone = make_step(CALM), library(CALM, "float64", exact_gelu)
    batch = on_device(tiny_text.train_batch(store, CALM))
    classifier = tiny_text.weights(tiny_text.architecture(CALM), np.float64)
    with tf.GradientTape() as tape:
        logits = pooled(backbone, batch) @ classifier["classifier.weight"].T + classifier["classifier.bias"]
        expected_loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch.labels, logits))
    found = tape.gradient(expected_loss, [variable.value for variable in backbone.variables])
    expected = {}
    for variable, gradient in zip(backbone.variables, found, strict=True):
        value, name = tf.convert_to_tensor(gradient).numpy(), our_name(variable.path)
        shape = classifier[name].shape
        expected[name] = value.reshape(shape[::-1]).T if variable.path.endswith("kernel") else value.reshape(shape)
    loss, gradients = step.loss_and_gradients(batch)
    names = [canonical_name(variable) for variable in step.optimizer.parameters]
    assert len(names) == len(classifier)
    # a linear weight is (in, out) here and (out, in) under its canonical name
    ours = {
        name: gradient.numpy() if "embeddings" in name or gradient.ndim == 1 else gradient.numpy().T
        for name, gradient in zip(names, gradients, strict=True)
        if not name.startswith("classifier")
    }
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-12)
    tiny_text.assert_close(ours, expected, 1e-9)


def test_counts_names_and_layout() -> None:
    settings = tiny_text.workload()
    arch = tiny_text.architecture(settings)
    step = make_step(settings, "fp32")
    expected, found = tiny_text.weights(arch), weights_of(step.network, settings)
    assert num_trained(step.network) == bert.FAMILY.num_trained(arch)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert step.network.layers[0].up.weight.shape == (32, 64)
    assert step.network.embeddings.token.weight.shape == (64, 32), "a table is not a matrix to be transposed"


def test_what_stands_in_the_padding_does_not_matter(store: Store) -> None:
    settings = tiny_text.workload()
    step = make_step(settings)
    batch = on_device(tiny_text.train_batch(store, settings))
    padding = tf.range(32) >= batch.lengths[:, None]
    spoilt = batch._replace(tokens=tf.where(padding, 7, batch.tokens))
    assert float(step.loss(batch)) == float(step.loss(spoilt))


def test_a_wider_batch_gives_the_same_loss(store: Store) -> None:
    step, widths = make_step(tiny_text.workload()), set()
    for index in range(6):
        few = on_device(tiny_text.train_batch(store, BUCKETED, index))
        many = on_device(tiny_text.train_batch(store, tiny_text.workload(), index))
        widths.add(few.tokens.shape[1])
        assert float(step.loss(few)) == pytest.approx(float(step.loss(many)), rel=1e-12)
    assert min(widths) < 32


def test_attention_sees_every_token_but_padding(store: Store) -> None:
    batch = on_device(tiny_text.train_batch(store, CALM))
    tokens, bias = network_inputs(batch, tf.float64)
    assert tokens is batch.tokens
    assert bias.shape == (4, 1, 1, 32)
    hidden = np.isneginf(bias.numpy()[:, 0, 0])
    assert np.array_equal(hidden.sum(1), 32 - batch.lengths.numpy())
    assert not bias.numpy()[:, 0, 0][~hidden].any()


def test_rows_that_fill_up_have_finite_logits(store: Store) -> None:
    step = make_step(BUCKETED, "fp32")
    evaluation = EvalBatches(store, BUCKETED, "val", 1)
    batch = on_device(evaluation.batch(1, 0))
    assert (len(evaluation.samples(1, 0)), len(batch.tokens)) == (3, 4)
    (logits,) = step.predict(batch)
    assert np.isfinite(logits.numpy()).all()
    alone = on_device(TextBatch(*(array[:3] for array in evaluation.batch(1, 0))))
    assert tiny_text.closeness(logits[:3], step.predict(alone)[0]) < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_reduced_precisions_stay_near_the_exact_step(store: Store, precision: str) -> None:
    settings = tiny_text.workload()
    batch = on_device(tiny_text.train_batch(store, settings))
    exact, step = make_step(settings), make_step(settings, precision)
    (expected, references), (loss, gradients) = exact.loss_and_gradients(batch), step.loss_and_gradients(batch)
    tolerance = 1e-5 if precision == "fp32" else 0.05
    assert float(loss) == pytest.approx(float(expected), rel=tolerance)
    for variable, gradient, reference in zip(step.optimizer.parameters, gradients, references, strict=True):
        assert gradient.dtype == tf.float32, "weights and gradients stay in single precision"
        gap, size = (
            float(np.linalg.norm(value)) for value in (gradient.numpy() - reference.numpy(), reference.numpy())
        )
        assert gap <= 10 * tolerance * max(size, 0.01), (variable.name, gap, size)


def test_the_stream_delivers_the_batches_with_their_shapes(store: Store) -> None:
    batches = TrainBatches(store, BUCKETED, 1, 1)
    delivered = list(data.stream(batches.batch, 12, 2, one_replica()))
    for step, batch in enumerate(delivered):
        for tensor, array in zip(batch, batches.batch(step), strict=True):
            assert tensor.dtype == array.dtype
            assert tensor.shape == array.shape
            assert np.array_equal(tensor.numpy(), array)
    assert len({batch.tokens.shape[1] for batch in delivered}) > 1


def test_nothing_is_traced_after_the_announced_widths(store: Store) -> None:
    """Three epochs of mixed widths, as the worker runs them."""
    settings = tiny_text.workload(input__buckets=(16,))
    step, batches = make_step(settings, "fp32"), TrainBatches(store, settings, 1, 1)
    step.trace(data.resident(lambda _, __, w=width: batches.filler(w), one_replica()) for width in batches.widths)
    assert step.num_traces() == 2
    untouched, start = weights_of(step.network, settings), tiny_text.weights(step.network.arch)
    assert all(np.array_equal(untouched[name], value) for name, value in start.items())
    widths = set()
    for batch in data.stream(batches.batch, 3 * batches.steps_per_epoch, 1, one_replica()):
        widths.add(batch.tokens.shape[1])
        assert math.isfinite(float(step.train(batch, 1e-3)))
    step.train(data.resident(batches.batch, one_replica()), 1e-3)
    assert widths == {16, 32}
    assert step.num_traces() == 2
    unannounced = TrainBatches(store, tiny_text.workload(input__buckets=(28,)), 1, 1).filler(28)
    step.train(on_device(unannounced), 1e-3)
    assert step.num_traces() == 3


def test_every_linear_layer_is_a_product_of_two_axes(store: Store) -> None:
    """Forwards and backwards; only attention, which has a matrix per text and head, makes batched products."""
    step, arch = make_step(CALM, "fp32"), tiny_text.architecture(CALM)
    step.trace([on_device(tiny_text.train_batch(store, CALM))])
    (traced,) = step._train._list_all_concrete_functions()
    axes: dict[str, list[int]] = {}
    for operation in traced.graph.get_operations():
        if "MatMul" in operation.type or operation.type in ("Einsum", "BiasAdd", "BiasAddGrad"):
            axes.setdefault(operation.type, []).append(operation.inputs[0].shape.rank)
    num_linear, num_norms = 6 * arch.num_layers + 2, 2 * arch.num_layers + 1
    assert axes.pop("BatchMatMulV2") == [4] * 6 * arch.num_layers, "two products of attention, each with two gradients"
    assert axes.pop("BiasAddGrad") == [2] * (num_linear + 2 * num_norms), "the biases', and a norm's scale and offset"
    assert axes == {"MatMul": [2] * 3 * num_linear, "BiasAdd": [2] * num_linear}


@pytest.mark.parametrize("shape", [(5, 32), (2, 3, 32), (2, 3, 1, 32)])
def test_a_linear_layer_keeps_every_axis_but_the_last(shape: tuple[int, ...]) -> None:
    layer = make_step(CALM).network.layers[0].up
    x = np.random.default_rng(0).standard_normal(shape)
    found = layer(tf.constant(x))
    assert found.shape == (*shape[:-1], 64), "known while the graph is made"
    np.testing.assert_allclose(found, x @ layer.weight.numpy() + layer.bias.numpy(), rtol=1e-12)


def test_training_learns_the_texts_by_heart(store: Store) -> None:
    step = make_step(tiny_text.workload(), "fp32")
    batch = on_device(tiny_text.train_batch(store, tiny_text.workload()))
    losses = [float(step.train(batch, 3e-3)) for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]
    assert step.num_traces() == 1
