"""PyTorch's hierarchical attention against plain layers of `torch.nn`, a sentence at a time, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from shared.batches import TrainBatches
from shared.families import family_of
from shared.store import Store
from tests import tiny_text, tiny_words

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from pt_impl import networks  # noqa: E402
from pt_impl.families.han.inputs import network_inputs  # noqa: E402
from pt_impl.families.han.network import Han  # noqa: E402

DIRECTIONS = {"forward": "_l0", "backward": "_l0_reverse"}


class PlainLevel(nn.Module):
    """One level as the released code has it: nothing masked."""

    def __init__(self, num_inputs: int, hidden: int, attention_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(num_inputs, hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * hidden, attention_size)
        self.context = nn.Parameter(torch.zeros(attention_size))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x)
        weights = torch.softmax(torch.tanh(self.attention(states)) @ self.context, 1)
        return (weights[..., None] * states).sum(1)


class Plain(nn.Module):
    """The network as the released code has it, with plain layers."""

    def __init__(self, network: Han) -> None:
        super().__init__()
        arch = network.arch
        self.embedding = nn.Embedding(arch.vocabulary_size, arch.vector_size)
        (_, inputs, hidden), (_, above, hidden_above) = arch.level_sizes
        self.words = PlainLevel(inputs, hidden, arch.attention_size)
        self.sentences = PlainLevel(above, hidden_above, arch.attention_size)
        self.classifier = nn.Linear(arch.num_features, arch.num_classes)
        self.double().load_state_dict({plain_name(name): value for name, value in network.state_dict().items()})

    def forward(self, tokens: Tensor) -> Tensor:
        """Whole texts (N, S, T), padding read."""
        texts, sentences, words = tokens.shape
        found = self.words(self.embedding(tokens.reshape(texts * sentences, words)))
        return self.classifier(self.sentences(found.view(texts, sentences, -1)))

    def of_text(self, sentences: list[Tensor]) -> Tensor:
        """One text, its sentences without padding."""
        found = torch.cat([self.words(self.embedding(sentence[None])) for sentence in sentences])
        return self.classifier(self.sentences(found[None]))


def plain_name(name: str) -> str:
    """words.gru.backward.bias_ih: words.gru.bias_ih_l0_reverse."""
    for direction, suffix in DIRECTIONS.items():
        if f".gru.{direction}." in name:
            return name.replace(f".gru.{direction}.", ".gru.") + suffix
    return name


@pytest.fixture(scope="module")
def network() -> Han:
    settings = tiny_words.workload("han")
    found: Han = networks.build(settings, tiny_words.weights(settings, np.float64))
    return found


def test_logits_and_gradients_are_those_of_plain_layers_for_each_sentence_alone(chatter: Store, network: Han) -> None:
    settings = tiny_words.workload("han", train__batch_per_replica=24)
    plain = Plain(network)
    batch = TrainBatches(chatter, settings, 0, 1).batch(0)
    tensors = type(batch)(*(torch.from_numpy(array) for array in batch))
    assert (tensors.lengths.min(), tensors.lengths.max()) == (1, 5)
    logits = network(network_inputs(tensors, torch.float64), None, training=True)
    expected = torch.cat([plain.of_text([s[s != 0] for s in text if s.any()]) for text in tensors.tokens])
    assert tiny_text.closeness(logits.detach(), expected.detach()) < 1e-12
    for each in (logits, expected):
        F.cross_entropy(each, tensors.labels.long()).backward()
    ours = {plain_name(each): value.grad.numpy() for each, value in network.named_parameters()}
    theirs = {each: value.grad.numpy() for each, value in plain.named_parameters()}
    tiny_text.assert_close(ours, theirs, 1e-12)


def test_where_padding_is_read_a_batch_is_that_of_the_released_code(chatter: Store, network: Han) -> None:
    settings = tiny_words.workload("han", input__padding="read")
    batch = TrainBatches(chatter, settings, 0, 1).batch(0)
    tensors = type(batch)(*(torch.from_numpy(array) for array in batch))
    assert (tensors.tokens == 1).any()
    assert not (tensors.tokens == 0).any()
    logits = network(network_inputs(tensors, torch.float64), None, training=False)
    assert tiny_text.closeness(logits.detach(), Plain(network)(tensors.tokens).detach()) < 1e-12


def test_the_parameters_are_those_of_the_layers(network: Han) -> None:
    """By hand: vectors, gates, attention and contexts of both levels, the classifier."""
    family = family_of(tiny_words.workload("han"))
    words, sentences = (2 * 3 * 24 * (inputs + 24 + 2) for inputs in (16, 48))
    attention = 2 * (48 * (48 + 1) + 48)
    assert networks.num_trained(network) == 64 * 16 + words + sentences + attention + 4 * (48 + 1)
    assert networks.num_trained(network) == family.num_trained(network.arch)
