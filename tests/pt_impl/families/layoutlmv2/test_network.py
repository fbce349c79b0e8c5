"""The wing's LayoutLMv2 against `transformers`' own, with a stand-in for detectron2: logits and every gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import tiny_layout, tiny_text

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from pt_impl.families.layoutlmv2.native import HEADS, library_settings, stand_in  # noqa: E402
from pt_impl.networks import build, num_trained, weights_of  # noqa: E402
from pt_impl.step import Step  # noqa: E402
from shared.dropout import kept, scale  # noqa: E402
from shared.families import layoutlmv2  # noqa: E402
from shared.families.layoutlmv2.architecture import is_statistic, is_trained, layer_place, shape_at  # noqa: E402
from shared.families.layoutlmv2.batch import LayoutBatch  # noqa: E402
from shared.families.layoutlmv2.convert import (  # noqa: E402
    IGNORED,
    from_transformers,
    leftovers,
    to_transformers,
)
from shared.families.layoutlmv2.settings import LayoutWorkload  # noqa: E402
from shared.store import Store  # noqa: E402

NUMPY = {"fp64": np.float64}
FLOAT = torch.Tensor.float


@pytest.fixture
def store(scrawl: Store) -> Store:
    return scrawl


@pytest.fixture(autouse=True)
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library computes its softmax and its masks in float32 whatever its weights are: not here."""
    softmax = nn.functional.softmax
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self if self.dtype == torch.float64 else FLOAT(self))
    monkeypatch.setattr(nn.functional, "softmax", lambda x, dim=None, _stacklevel=3, dtype=None: softmax(x, dim=dim))
    yield


def make_step(settings: LayoutWorkload, precision: str = "fp64") -> Step:
    weights = tiny_layout.weights(tiny_layout.architecture(settings), NUMPY.get(precision, np.float32))
    return Step(build(settings, weights), settings, precision, 1)


def on_device(batch: LayoutBatch) -> LayoutBatch:
    return LayoutBatch(*(torch.from_numpy(array) for array in batch))


def library(settings: LayoutWorkload, **arguments: Any) -> nn.Module:
    """`transformers`' LayoutLMv2 with the same weights and the head of the task, in float64.

    Args:
        arguments: of the library's network.
    """
    arch = tiny_layout.architecture(settings)
    head = HEADS[arch.head]
    stand_in(arch.backbone)
    from transformers.models.layoutlmv2 import modeling_layoutlmv2 as library

    # the stand-in builds the backbone that it was told of last; the library may have been imported for another one
    library.META_ARCH_REGISTRY = __import__("detectron2.modeling", fromlist=["x"]).META_ARCH_REGISTRY
    config = transformers.LayoutLMv2Config(**library_settings(settings))
    network = getattr(library, head.network)(config, **arguments).double()
    tensors = to_transformers(tiny_layout.weights(arch, np.float64))
    tensors = {name if name.startswith("layoutlmv2.") else head.name(name): value for name, value in tensors.items()}
    state = network.state_dict()
    assert {name for name in state if name not in tensors and not IGNORED.match(name)} == set()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=False)
    visual = network.layoutlmv2.visual
    mean, std = settings.input.mean, settings.input.std
    visual.pixel_mean, visual.pixel_std = (
        torch.tensor(each, dtype=torch.float64)[:, None, None] for each in (mean, std)
    )
    return network


def library_output(network: nn.Module, batch: LayoutBatch, **arguments: torch.Tensor) -> Any:
    mask = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
    images = batch.pixels[:, None].expand(-1, 3, -1, -1).double()
    arguments |= {"input_ids": batch.tokens.long(), "bbox": batch.boxes.long()}
    return network(**arguments, image=images, attention_mask=mask.long())


def library_logits(network: nn.Module, batch: LayoutBatch) -> torch.Tensor:
    logits: torch.Tensor = library_output(network, batch).logits
    return logits


def gradients_of_both(step: Step, network: nn.Module) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Ours and theirs by our names, of what both train: they freeze the biases by distance."""
    ours = {name: parameter.grad.numpy() for name, parameter in step.network.canonical_parameters().items()}
    theirs = {name: value.grad for name, value in network.named_parameters()}
    head = HEADS[tiny_layout.architecture(step.workload).head]
    common = {name for name in ours if theirs.get(head.name(name)) is not None}
    assert ours.keys() - common <= {f"attention_bias.{each}.weight" for each in ("distance", "x", "y")}
    of_theirs = {name: theirs[head.name(name)].numpy().reshape(ours[name].shape) for name in common}
    return {name: ours[name] for name in common}, of_theirs


VARIANTS = (
    {},
    {"model__fused_projections": False},
    {"model__spatial_attention": False},
    {"model__pool": 2},
    {"model__backbone_blocks": (2, 1, 1, 2)},
    {"model__backbone_frozen": 2},
)


@pytest.mark.parametrize("changes", VARIANTS)
def test_loss_and_every_gradient_are_the_librarys(store: Store, changes: dict[str, Any]) -> None:
    settings = tiny_layout.calm(**changes)
    step, network = make_step(settings), library(settings)
    batch = on_device(tiny_layout.train_batch(store, settings))
    assert len(set(batch.lengths.tolist())) > 1, "nothing is padded"
    loss, _ = step.loss_and_gradients(batch)
    expected = nn.functional.cross_entropy(library_logits(network, batch), batch.labels.long())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*gradients_of_both(step, network), 1e-9)


def test_biases_by_distance_are_trained(store: Store) -> None:
    """As the authors' code has it; `transformers` froze them in 2024."""
    settings = tiny_layout.calm()
    step = make_step(settings)
    step.loss_and_gradients(on_device(tiny_layout.train_batch(store, settings)))
    for table in ("distance", "x", "y"):
        gradient = step.network.canonical_parameters()[f"attention_bias.{table}.weight"].grad
        assert gradient is not None
        assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize(("frozen", "parts"), [(1, {"stem"}), (2, {"stem", "stages.0"}), (5, {"stem", "stages"})])
def test_frozen_parts_of_the_backbone_stay_as_they_are(store: Store, frozen: int, parts: set[str]) -> None:
    settings = tiny_layout.workload(model__backbone_frozen=frozen)
    step, arch = make_step(settings, "fp32"), tiny_layout.architecture(settings)
    before = weights_of(step.network, settings)
    for index in range(3):
        step.train(on_device(tiny_layout.train_batch(store, settings, index)), 1e-2)
    after = weights_of(step.network, settings)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    prefixes = tuple(f"visual.backbone.{part}." for part in parts)
    assert {name for name in same if not is_statistic(name)} == {
        name for name in before if name.startswith(prefixes) and not is_statistic(name)
    }
    assert same == {name for name in before if not is_trained(arch, name)}
    assert num_trained(step.network) == layoutlmv2.FAMILY.num_trained(arch)


class Dropped(nn.Module):
    """In place of the library's dropout: given factors, those of the text first."""

    def __init__(self, *factors: torch.Tensor) -> None:
        super().__init__()
        self.waiting = list(factors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fitting = next(each for each in self.waiting if each.shape[1:] == x.shape[1:])
        return x * fitting


def test_dropout_stands_where_the_library_has_it(store: Store) -> None:
    settings = tiny_layout.workload(model__hidden_dropout=0.2, model__classifier_dropout=0.4)
    arch = tiny_layout.architecture(settings)
    step, network = make_step(settings), library(settings)
    batch = on_device(tiny_layout.train_batch(store, settings))

    def factors(place: int) -> torch.Tensor:
        rate, shape = arch.drop_rates[place], shape_at(arch, place, tiny_layout.TOKENS_WIDE)
        return torch.from_numpy(kept(batch.drop_keys[:, place].numpy(), *shape, rate)).double() * scale(rate)

    def of_readers(place: int) -> torch.Tensor:
        """[CLS] and the visual tokens; what the others get in the last layer, nobody reads."""
        found = factors(place)
        rest = torch.ones(len(found), tiny_layout.TOKENS_WIDE - 1, found.shape[2], dtype=torch.float64)
        return torch.cat([found[:, :1], rest, found[:, 1:]], 1)

    body = network.layoutlmv2
    body.embeddings.dropout, body.visual_dropout = Dropped(factors(0)), Dropped(factors(1))
    body.dropout = Dropped(factors(0), factors(1))  # where one module serves both
    first, last = body.encoder.layer
    first.attention.output.dropout = Dropped(factors(layer_place(0, 0)))
    first.output.dropout = Dropped(factors(layer_place(0, 1)))
    last.attention.output.dropout = Dropped(of_readers(layer_place(1, 0)))
    last.output.dropout = Dropped(of_readers(layer_place(1, 1)))
    network.dropout = Dropped(factors(arch.classifier_place)[:, 0])
    network.eval()  # of what is left, attention's, nothing is dropped
    loss, _ = step.loss_and_gradients(batch)
    expected = nn.functional.cross_entropy(library_logits(network, batch), batch.labels.long())
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*gradients_of_both(step, network), 1e-9)


def test_without_an_image_and_without_biases_it_reads_text_and_places_alone(store: Store) -> None:
    settings = tiny_layout.calm(model__visual=False, model__spatial_attention=False)
    step = make_step(settings)
    batch = on_device(tiny_layout.train_batch(store, settings))
    assert batch.pixels.numel() == 0
    loss, _ = step.loss_and_gradients(batch)
    moved = batch._replace(boxes=batch.boxes.flip(1))
    assert float(step.loss(moved)) != float(loss)
    assert not any(name.startswith(("visual", "attention_bias")) for name in step.network.canonical_parameters())


def test_what_stands_in_the_padding_does_not_matter(store: Store) -> None:
    settings = tiny_layout.workload()
    step = make_step(settings)
    batch = on_device(tiny_layout.train_batch(store, settings))
    padding = torch.arange(tiny_layout.TOKENS_WIDE) >= batch.lengths[:, None]
    spoilt = batch._replace(
        tokens=torch.where(padding, torch.tensor(7, dtype=torch.int32), batch.tokens),
        boxes=torch.where(padding[..., None], torch.tensor(9, dtype=torch.int32), batch.boxes),
    )
    assert torch.equal(step.loss(batch), step.loss(spoilt))


def test_counts_and_names(store: Store) -> None:
    settings = tiny_layout.workload()
    step, arch = make_step(settings, "fp32"), tiny_layout.architecture(settings)
    assert num_trained(step.network) == layoutlmv2.FAMILY.num_trained(arch)
    expected = tiny_layout.weights(arch)
    found = weights_of(step.network, settings)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_checkpoint_goes_there_and_back(store: Store) -> None:
    arch = tiny_layout.architecture(tiny_layout.workload())
    ours = tiny_layout.weights(arch)
    theirs = to_transformers(ours)
    assert leftovers(theirs, arch) == []
    back = from_transformers(theirs, arch)
    assert list(back) == list(ours)
    assert all(np.array_equal(back[name], ours[name]) for name in ours)
    assert leftovers({**theirs, "layoutlmv2.visual_segment_embedding": 0}, arch) == [
        "layoutlmv2.visual_segment_embedding"
    ]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_is_finite(store: Store, precision: str) -> None:
    settings = tiny_layout.workload()
    step = make_step(settings, precision)
    losses = [float(step.train(on_device(tiny_layout.train_batch(store, settings)), 1e-3)) for _ in range(3)]
    assert np.isfinite(losses).all()
