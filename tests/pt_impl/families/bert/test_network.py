"""The wing's BERT against `transformers`' own: logits and every gradient, padding, dropout, losses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_text

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from pt_impl.families.bert.inputs import network_inputs  # noqa: E402
from pt_impl.networks import build, named_tensors, num_trained, weights_of  # noqa: E402
from pt_impl.step import Step  # noqa: E402
from shared.batches import EvalBatches  # noqa: E402
from shared.dropout import kept, scale  # noqa: E402
from shared.families import bert  # noqa: E402
from shared.families.bert.batch import TextBatch  # noqa: E402
from shared.families.bert.convert import from_transformers, to_transformers  # noqa: E402
from shared.families.bert.settings import BertWorkload  # noqa: E402
from shared.store import Store  # noqa: E402

NUMPY = {"fp64": np.float64}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "several", multi_label=True)


def make_step(settings: BertWorkload, precision: str = "fp64") -> Step:
    weights = tiny_text.weights(tiny_text.architecture(settings), NUMPY.get(precision, np.float32))
    return Step(build(settings, weights), settings, precision, 1)


def on_device(batch: TextBatch) -> TextBatch:
    return TextBatch(*(torch.from_numpy(array) for array in batch))


def library(settings: BertWorkload, attention: str) -> nn.Module:
    """`transformers.BertForSequenceClassification` with the same weights, in float64."""
    model = settings.model
    config = transformers.BertConfig(
        vocab_size=model.vocabulary_size,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        max_position_embeddings=model.max_positions,
        layer_norm_eps=model.norm_epsilon,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=model.num_classes,
        attn_implementation=attention,
    )
    network = transformers.BertForSequenceClassification(config).double()
    tensors = to_transformers(tiny_text.weights(tiny_text.architecture(settings), np.float64))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return network


def library_logits(network: nn.Module, batch: TextBatch) -> torch.Tensor:
    mask = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
    return network(input_ids=batch.tokens, attention_mask=mask.long()).logits


def library_gradients(network: nn.Module, settings: BertWorkload) -> dict[str, np.ndarray]:
    gradients = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    return from_transformers(gradients, tiny_text.architecture(settings))


def our_gradients(step: Step) -> dict[str, np.ndarray]:
    return {name: tensor.grad.numpy() for name, tensor in named_tensors(step.network, step.workload).items()}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("buckets", [(), (24,)])
def test_loss_and_every_gradient_are_the_librarys(store: Store, attention: str, buckets: tuple[int, ...]) -> None:
    settings = tiny_text.calm(input__buckets=buckets)
    step, network = make_step(settings), library(settings, attention)
    batch = on_device(tiny_text.train_batch(store, settings))
    assert len(set(batch.lengths.tolist())) > 1, "nothing is padded"
    loss, _ = step.loss_and_gradients(batch)
    logits = library_logits(network, batch)
    expected = nn.functional.cross_entropy(logits, batch.labels.long())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(our_gradients(step), library_gradients(network, settings), 1e-9)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_evaluation_is_the_librarys(store: Store, attention: str) -> None:
    """With dropout in the workload, which evaluation must not see; rows that only fill up have finite logits."""
    settings = tiny_text.workload()
    step, network = make_step(settings), library(settings, attention)
    evaluation = EvalBatches(store, settings, "val", 1)
    batch = on_device(evaluation.batch(1, 0))
    assert (len(evaluation.samples(1, 0)), len(batch.tokens)) == (3, 4)
    with torch.no_grad():
        ours = step.network(step.inputs(batch, training=False))
        expected = library_logits(network.eval(), batch)
    assert tiny_text.closeness(ours, expected) < 1e-12
    assert torch.equal(step.predict(batch), ours.float())


def test_losses_of_several_labels(several: Store) -> None:
    settings = tiny_text.calm(task="labels")
    step, network = make_step(settings), library(settings, "eager")
    batch = on_device(tiny_text.train_batch(several, settings))
    loss, _ = step.loss_and_gradients(batch)
    expected = nn.BCEWithLogitsLoss()(library_logits(network, batch), batch.labels.double())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(our_gradients(step), library_gradients(network, settings), 1e-9)


class Dropped(nn.Module):
    """In place of the library's dropout: given factors (N, T, H)."""

    def __init__(self, factors: torch.Tensor) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factors


def test_dropout_stands_where_the_library_has_it(store: Store) -> None:
    settings = tiny_text.workload(model__hidden_dropout=0.2, model__classifier_dropout=0.4)
    step, network = make_step(settings), library(settings, "eager")
    batch = on_device(tiny_text.train_batch(store, settings))

    def factors(place: int, num_tokens: int, rate: float) -> Dropped:
        stays = torch.from_numpy(kept(batch.drop_keys[:, place].numpy(), num_tokens, 32, rate))
        return Dropped(stays.double() * scale(rate))

    network.bert.embeddings.dropout = factors(0, 32, 0.2)
    first, last = network.bert.encoder.layer
    first.attention.output.dropout, first.output.dropout = factors(1, 32, 0.2), factors(2, 32, 0.2)
    # [CLS] is the first token; what the others get in the last layer, nobody reads
    last.attention.output.dropout, last.output.dropout = factors(3, 1, 0.2), factors(4, 1, 0.2)
    network.dropout = factors(5, 1, 0.4)
    network.dropout.factors = network.dropout.factors[:, 0]
    loss, _ = step.loss_and_gradients(batch)
    expected = nn.functional.cross_entropy(library_logits(network, batch), batch.labels.long())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(our_gradients(step), library_gradients(network, settings), 1e-9)


def test_what_stands_in_the_padding_does_not_matter(store: Store) -> None:
    settings = tiny_text.workload()
    step = make_step(settings)
    batch = on_device(tiny_text.train_batch(store, settings))
    padding = torch.arange(32) >= batch.lengths[:, None]
    spoilt = batch._replace(tokens=torch.where(padding, torch.tensor(7, dtype=torch.int32), batch.tokens))
    assert torch.equal(step.loss(batch), step.loss(spoilt))


def test_a_wider_batch_gives_the_same_logits(store: Store) -> None:
    narrow, wide = tiny_text.workload(input__buckets=(16, 24)), tiny_text.workload()
    step = make_step(wide)
    widths = set()
    for index in range(6):
        few, many = (on_device(tiny_text.train_batch(store, settings, index)) for settings in (narrow, wide))
        widths.add(few.tokens.shape[1])
        assert step.loss(few).item() == pytest.approx(step.loss(many).item(), rel=1e-12)
    assert min(widths) < 32


def test_attention_sees_every_token_but_padding(store: Store) -> None:
    settings = tiny_text.calm()
    batch = on_device(tiny_text.train_batch(store, settings))
    tokens, bias = network_inputs(batch, torch.float64)
    assert tokens is batch.tokens
    assert bias.shape == (4, 1, 1, 32)
    assert torch.equal(torch.isneginf(bias[:, 0, 0]).sum(1), 32 - batch.lengths)
    assert bias[~torch.isneginf(bias)].eq(0).all()


def test_counts_and_names(store: Store) -> None:
    settings = tiny_text.workload()
    step = make_step(settings, "fp32")
    arch = tiny_text.architecture(settings)
    assert num_trained(step.network) == bert.FAMILY.num_trained(arch)
    expected = tiny_text.weights(arch)
    found = weights_of(step.network, settings)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_reduced_precisions_stay_near_the_exact_step(store: Store, precision: str) -> None:
    settings = tiny_text.workload()
    batch = on_device(tiny_text.train_batch(store, settings))
    exact, step = make_step(settings), make_step(settings, precision)
    (expected, _), (loss, _) = exact.loss_and_gradients(batch), step.loss_and_gradients(batch)
    tolerance = 1e-5 if precision == "fp32" else 0.05
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(expected), rel=tolerance)
    for name, gradient in our_gradients(step).items():
        assert gradient.dtype == np.float32, "weights and gradients stay in single precision"
        reference = our_gradients(exact)[name]
        gap, size = np.linalg.norm(gradient - reference), np.linalg.norm(reference)
        assert gap <= 10 * tolerance * max(size, 0.01), (name, gap, size)


def test_every_linear_layer_is_a_product_of_two_axes(store: Store) -> None:
    """Forwards and backwards, also of the one token that the last layer reads; attention is a kernel of its own."""

    class Products(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.axes: list[tuple[str, int]] = []

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = function.overloadpacket.__name__
            if name in ("mm", "addmm", "bmm", "baddbmm", "matmul"):
                self.axes.append((name, args[-1].dim()))
            return function(*args, **(kwargs or {}))

    settings = tiny_text.calm()
    step, num_linear = make_step(settings, "fp32"), 6 * tiny_text.architecture(settings).num_layers + 2
    with Products() as products:
        step.loss_and_gradients(on_device(tiny_text.train_batch(store, settings)))
    assert {axes for _, axes in products.axes} == {2}
    names = Counter(name for name, _ in products.axes)
    # of one token apart from the others the bias is a pass of its own
    assert names == {"addmm": num_linear - 1, "mm": 2 * num_linear + 1}


def test_training_learns_the_texts_by_heart(store: Store) -> None:
    settings = tiny_text.workload()
    step = make_step(settings, "fp32")
    batch = on_device(tiny_text.train_batch(store, settings))
    losses = [float(step.train(batch, 3e-3)) for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]


def test_a_folder_of_the_library_gives_its_logits(tmp_path: Path, store: Store) -> None:
    """What the library saves, the wing loads: the same logits."""
    from shared.weights import load_weights

    settings = tiny_text.workload()
    network = library(settings, "eager").eval().float()
    network.save_pretrained(tmp_path)
    weights = load_weights(tmp_path, settings)
    step = Step(build(settings, weights), settings, "fp32", 1)
    batch = on_device(EvalBatches(store, settings, "test", 1).batch(0, 0))
    with torch.no_grad():
        assert tiny_text.closeness(step.predict(batch), library_logits(network, batch)) < 1e-5
