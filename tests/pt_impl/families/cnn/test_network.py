"""PyTorch's convolutions over words against plain layers of `torch.nn`, a text at a time, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from shared.batches import TrainBatches
from shared.families import family_of
from shared.families.cnn.architecture import longest_window
from shared.store import Store
from tests import tiny_text, tiny_words

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from pt_impl import networks, words  # noqa: E402
from pt_impl.families.cnn import convolution  # noqa: E402
from pt_impl.families.cnn.network import Cnn  # noqa: E402

NAMES = ("kim-cnn", "xml-cnn")


class Plain(nn.Module):
    """The network as the released code has it, with plain layers: a batch as wide as it is, nothing masked."""

    def __init__(self, network: Cnn) -> None:
        super().__init__()
        arch = network.arch
        own = network.state_dict()
        self.embedding = nn.Embedding(arch.vocabulary_size, arch.vector_size)
        self.convolutions = nn.ModuleDict(
            {
                str(size): nn.Conv1d(arch.vector_size, arch.num_filters, size, padding=size - 1)
                for size in arch.kernel_sizes
            }
        )
        self.pool = nn.AdaptiveMaxPool1d(arch.num_windows)
        if arch.bottleneck_size:
            self.bottleneck = nn.Linear(arch.num_maxima, arch.bottleneck_size)
        self.classifier = nn.Linear(arch.num_features, arch.num_classes)
        self.double().load_state_dict(own)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        features = torch.cat([self.pool(F.relu(each(x))) for each in self.convolutions.values()], 1).flatten(1)
        if hasattr(self, "bottleneck"):
            features = F.relu(self.bottleneck(features))
        return self.classifier(features)


def network_of(name: str, **changes: object) -> tuple[Cnn, object]:
    settings = tiny_words.workload(name, **changes)
    return networks.build(settings, tiny_words.weights(settings, np.float64)), settings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Texts of one word and more."""
    return tiny_text.make_store(tmp_path_factory.mktemp("words") / "store", lengths=(1, 32), long_ones=2)


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_plain_layers_for_each_text_alone(store: Store, name: str) -> None:
    network, settings = network_of(name)
    plain = Plain(network)
    batch = TrainBatches(store, settings.overridden({"train.batch_per_replica": 24}, "test"), 0, 1).batch(0)
    tensors = type(batch)(*(torch.from_numpy(array) for array in batch))
    assert tensors.lengths.min() < 4 < tensors.lengths.max()
    logits = network(words.network_inputs(tensors, torch.float64), None, training=True)
    alone = [plain(row[None, :length]) for row, length in zip(tensors.tokens, tensors.lengths, strict=True)]
    expected = torch.cat(alone)
    assert tiny_text.closeness(logits.detach(), expected.detach()) < 1e-12
    for each in (logits, expected):
        F.cross_entropy(each, tensors.labels.long()).backward()
    ours = {each: value.grad.numpy() for each, value in network.named_parameters()}
    theirs = {each: value.grad.numpy() for each, value in plain.named_parameters()}
    tiny_text.assert_close(ours, theirs, 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_where_padding_is_read_a_batch_is_that_of_the_released_code(store: Store, name: str) -> None:
    network, settings = network_of(name, input__padding="read")
    batch = TrainBatches(store, settings, 0, 1).batch(0)
    tensors = type(batch)(*(torch.from_numpy(array) for array in batch))
    assert (tensors.tokens == 1).any()
    assert not (tensors.tokens == 0).any()
    logits = network(words.network_inputs(tensors, torch.float64), None, training=False)
    assert tiny_text.closeness(logits.detach(), Plain(network)(tensors.tokens).detach()) < 1e-12


@pytest.mark.parametrize("num_windows", [2, 3, 8])
def test_windows_are_those_of_adaptive_pooling(num_windows: int) -> None:
    """Of every number of places, fewer than windows too; all windows of a text, whatever the widest has."""
    widest = 29
    x = torch.randn(widest, widest, 5, dtype=torch.float64)
    places = torch.arange(1, widest + 1)
    found = convolution.maxima(x, *convolution.window_bounds(places, num_windows))
    for row, count in enumerate(places.tolist()):
        expected = F.adaptive_max_pool1d(x[row, :count].T, num_windows).T
        assert torch.equal(found[row], expected)
        first, end = convolution.window_bounds(torch.tensor([count]), num_windows)
        assert int((end - first).max()) <= longest_window(widest, num_windows)


def test_the_parameters_are_those_of_the_layers() -> None:
    """By hand: vectors, filters, the bottleneck, the classifier."""
    for name, filters in (("kim-cnn", (3, 4, 5)), ("xml-cnn", (2, 4, 8))):
        settings = tiny_words.workload(name)
        arch = family_of(settings).architecture(settings)
        counted = 64 * 16 + sum((16 * size + 1) * 32 for size in filters)
        counted += 0 if name == "kim-cnn" else (96 * 8 + 1) * 128
        counted += (arch.num_features + 1) * 4
        assert family_of(settings).num_trained(arch) == counted == networks.num_trained(network_of(name)[0])
