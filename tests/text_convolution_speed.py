"""Convolutions over words by several ways.

`python -m tests.text_convolution_speed [results/reference/text-convolutions.md]`

The convolutions of KimCNN (the maximum of each filter over the text) and of XML-CNN (over windows of it), forward and
backward with gradients to the weights, and to the words where their vectors are trained. The ways take turns; medians.
Each way is held against the first before it is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

from bench.host import machine
from bench.host.files import write_for_user
from pt_impl.families.cnn import convolution as pt_convolution
from tests.speed import TURNS, Ways, milliseconds, table
from tf_impl.families.cnn import convolution as tf_convolution

TEXTS, FEATURES, FILTERS = 32, 300, 100
# name, kernel sizes, windows, words of the batch, whether word vectors are trained
CASES = (
    ("KimCNN", (3, 4, 5), 1, 128, False),
    ("KimCNN", (3, 4, 5), 1, 128, True),
    ("KimCNN", (3, 4, 5), 1, 512, False),
    ("XML-CNN", (2, 4, 8), 8, 128, False),
    ("XML-CNN", (2, 4, 8), 8, 512, False),
)
CLOSE = 1e-3  # of the largest value: what float32 leaves of sums in another order

Arrays = Sequence[np.ndarray]


def torch_ways(
    x: np.ndarray, lengths: np.ndarray, weights: Arrays, biases: Arrays, windows: int, trained: bool
) -> Ways:
    """x (N, T, D), weights (C, D, K), biases (C)."""
    words, ends = torch.from_numpy(x).requires_grad_(trained), torch.from_numpy(lengths)
    own = [torch.from_numpy(each).requires_grad_() for each in weights]
    added = [torch.from_numpy(each).requires_grad_() for each in biases]
    wanted = [*own, *added, *([words] if trained else [])]

    def ends_of(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return pt_convolution.window_bounds(ends + weight.shape[2] - 1, windows)

    def both_passes(
        convolve: Callable[[torch.Tensor], Sequence[torch.Tensor]],
        maxima: Callable[..., torch.Tensor] = pt_convolution.maxima,
    ) -> Callable[[], object]:
        def run() -> object:
            found = [maxima(each, *ends_of(weight)) for each, weight in zip(convolve(words), own, strict=True)]
            loss = torch.stack([torch.relu(each).square().sum() for each in found]).sum()
            return torch.autograd.grad(loss, wanted)

        return run

    def conv1d(x: torch.Tensor) -> list[torch.Tensor]:
        first = x.transpose(1, 2)
        return [
            F.conv1d(first, weight, bias, padding=weight.shape[2] - 1).transpose(1, 2)
            for weight, bias in zip(own, added, strict=True)
        ]

    def conv1d_copied(x: torch.Tensor) -> list[torch.Tensor]:
        first = x.transpose(1, 2).contiguous()
        return [
            F.conv1d(first, weight, bias, padding=weight.shape[2] - 1).transpose(1, 2)
            for weight, bias in zip(own, added, strict=True)
        ]

    def last(x: torch.Tensor) -> list[torch.Tensor]:
        maps = x.transpose(1, 2)[:, :, None]  # N x D x 1 x T, channels last as it lies
        found = []
        for weight, bias in zip(own, added, strict=True):
            kernel = weight[:, :, None].contiguous(memory_format=torch.channels_last)
            found.append(F.conv2d(maps, kernel, bias, padding=(0, weight.shape[2] - 1))[:, :, 0].transpose(1, 2))
        return found

    def unfolded(x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for weight, bias in zip(own, added, strict=True):
            seen = F.pad(x, (0, 0, weight.shape[2] - 1, weight.shape[2] - 1)).unfold(1, weight.shape[2], 1)
            found.append(F.linear(seen.flatten(2), weight.flatten(1), bias))
        return found

    def shifted(x: torch.Tensor) -> list[torch.Tensor]:
        """One product for every word of every filter, added where a filter sees them."""
        taps = torch.cat([weight.permute(2, 0, 1).flatten(0, 1) for weight in own])
        products, found, begin = F.linear(x, taps), [], 0
        for weight, bias in zip(own, added, strict=True):
            filters, _, size = weight.shape
            parts = products[..., begin : begin + size * filters].unflatten(-1, (size, filters)).unbind(2)
            begin += size * filters
            total = sum(F.pad(part, (0, 0, size - 1 - tap, tap)) for tap, part in enumerate(parts))
            found.append(total + bias)
        return found

    def first_alone(x: torch.Tensor, first: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The maximum's gradient to one place alone."""
        behind = torch.arange(x.shape[1]) >= end
        return x.masked_fill(behind[..., None], float("-inf")).max(1, keepdim=True).values

    def at_the_maxima() -> object:
        """Where the maxima are is found without gradients; there, the filters are computed again."""
        found = []
        with torch.no_grad():
            maps = conv1d(words)
        for each, weight, bias in zip(maps, own, added, strict=True):
            size = weight.shape[2]
            behind = torch.arange(each.shape[1]) >= ends_of(weight)[1]
            place = each.masked_fill(behind[..., None], float("-inf")).argmax(1)  # N x C
            padded = F.pad(words, (0, 0, size - 1, size - 1))
            row = (place + padded.shape[1] * torch.arange(len(x))[:, None])[..., None] + torch.arange(size)
            seen = F.embedding(row.transpose(0, 1), padded.flatten(0, 1)).flatten(2)  # C x N x (K D)
            value = torch.bmm(seen, weight.transpose(1, 2).flatten(1)[..., None])[..., 0] + bias[:, None]
            found.append(torch.relu(value).square().sum())
        return torch.autograd.grad(torch.stack(found).sum(), wanted)

    ways: dict[str, Callable[[], object]] = {
        "conv1d": both_passes(conv1d),
        "conv1d, of a copy with features first": both_passes(conv1d_copied),
        "conv2d, channels last": both_passes(last),
        "unfold and a product": both_passes(unfolded),
        "one product, shifted and added": both_passes(shifted),
    }
    if windows == 1:
        ways["conv1d, the gradient to one maximum"] = both_passes(conv1d, first_alone)
        ways["conv1d, computed again at the maxima"] = at_the_maxima
    return ways


def tensorflow_ways(
    x: np.ndarray, lengths: np.ndarray, weights: Arrays, biases: Arrays, windows: int, trained: bool
) -> Ways:
    """x (N, T, D), weights (C, D, K), biases (C)."""
    words, ends = tf.constant(x), tf.constant(lengths)
    own = [tf.constant(each.T.copy()) for each in weights]
    added = [tf.constant(each) for each in biases]

    def of(size: int) -> tuple[tf.Tensor, tf.Tensor]:
        return tf_convolution.window_bounds(ends + size - 1, windows)

    def both_passes(
        convolve: Callable[..., Sequence[tf.Tensor]], maxima: Callable[..., tf.Tensor] = tf_convolution.maxima
    ) -> Callable[[], object]:
        @tf.function(autograph=False)
        def gradients(words: tf.Tensor, own: list[tf.Tensor], added: list[tf.Tensor]) -> list[tf.Tensor]:
            wanted = [*own, *added, *([words] if trained else [])]
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                pairs = zip(convolve(words, own, added), own, strict=True)
                found = [maxima(each, *of(weight.shape[0])) for each, weight in pairs]
                loss = tf.add_n([tf.reduce_sum(tf.square(tf.nn.relu(each))) for each in found])
            return [tf.convert_to_tensor(each) for each in tape.gradient(loss, wanted)]

        def run() -> object:
            found = [each.numpy() for each in gradients(words, own, added)]
            return [each.T if each.ndim == 3 and number < len(own) else each for number, each in enumerate(found)]

        return run

    def conv1d(x: tf.Tensor, own: list[tf.Tensor], added: list[tf.Tensor]) -> list[tf.Tensor]:
        return [tf_convolution.convolve(x, weight, bias) for weight, bias in zip(own, added, strict=True)]

    def gathered(x: tf.Tensor, own: list[tf.Tensor], added: list[tf.Tensor]) -> list[tf.Tensor]:
        found = []
        for weight, bias in zip(own, added, strict=True):
            size, features, filters = weight.shape
            padded = tf.pad(x, [[0, 0], [size - 1, size - 1], [0, 0]])
            places = x.shape[1] + size - 1
            seen = tf.concat([padded[:, tap : tap + places] for tap in range(size)], 2)
            rows = tf.matmul(tf.reshape(seen, [-1, size * features]), tf.reshape(weight, [size * features, filters]))
            found.append(tf.reshape(tf.nn.bias_add(rows, bias), [-1, places, filters]))
        return found

    def shifted(x: tf.Tensor, own: list[tf.Tensor], added: list[tf.Tensor]) -> list[tf.Tensor]:
        """One product for every word of every filter, added where a filter sees them."""
        taps = [weight[tap] for weight in own for tap in range(weight.shape[0])]
        rows = tf.matmul(tf.reshape(x, [-1, x.shape[2]]), tf.concat(taps, 1))
        parts = iter(tf.split(tf.reshape(rows, [*x.shape[:2], -1]), [tap.shape[1] for tap in taps], 2))
        found = []
        for weight, bias in zip(own, added, strict=True):
            size = weight.shape[0]
            padded = [tf.pad(next(parts), [[0, 0], [size - 1 - tap, tap], [0, 0]]) for tap in range(size)]
            found.append(tf.nn.bias_add(tf.add_n(padded), bias))
        return found

    def at_the_maxima(words: tf.Tensor, own: list[tf.Tensor], added: list[tf.Tensor]) -> list[tf.Tensor]:
        """Where the maxima are is found without gradients; there, the filters are computed again."""
        found = []
        pairs = zip(conv1d(tf.stop_gradient(words), [tf.stop_gradient(each) for each in own], added), own, strict=True)
        for (each, weight), bias in zip(pairs, added, strict=True):
            size, features, filters = weight.shape
            behind = tf.range(each.shape[1]) >= of(size)[1]
            place = tf.argmax(tf.where(behind[..., None], float("-inf"), each), 1, tf.int32)  # N x C
            padded = tf.pad(words, [[0, 0], [size - 1, size - 1], [0, 0]])
            row = (place + padded.shape[1] * tf.range(len(x))[:, None])[..., None] + tf.range(size)
            seen = tf.gather(tf.reshape(padded, [-1, features]), tf.transpose(row, [1, 0, 2]))  # C x N x K x D
            seen = tf.reshape(seen, [filters, -1, size * features])
            columns = tf.reshape(tf.transpose(weight, [2, 0, 1]), [filters, size * features, 1])
            found.append(tf.transpose(tf.matmul(seen, columns), [1, 2, 0]) + bias)
        return found

    ways: dict[str, Callable[[], object]] = {
        "conv1d": both_passes(conv1d),
        "unfold and a product": both_passes(gathered),
        "one product, shifted and added": both_passes(shifted),
    }
    if windows == 1:
        ways["conv1d, computed again at the maxima"] = both_passes(at_the_maxima, lambda each, first, end: each)
    return ways


def farthest(ways: Ways) -> dict[str, float]:
    """The largest difference between each way's gradients and the first one's, over the largest value of either."""
    values = {name: [np.asarray(each) for each in way()] for name, way in ways.items()}
    first = next(iter(values.values()))
    return {
        name: max(
            float(np.abs(each - expected).max() / np.abs(expected).max())
            for each, expected in zip(found, first, strict=True)
        )
        for name, found in values.items()
    }


def report() -> str:
    """The table.

    Raises:
        AssertionError: a way computes something else.
    """
    columns = {}
    for name, kernel_sizes, windows, num_words, trained in CASES:
        generator = np.random.default_rng(0)
        lengths = generator.integers(num_words // 4, num_words + 1, TEXTS, np.int32)
        x = generator.standard_normal((TEXTS, num_words, FEATURES), np.float32)
        x *= (np.arange(num_words) < lengths[:, None])[..., None]
        weights = [generator.standard_normal((FILTERS, FEATURES, size), np.float32) / 30 for size in kernel_sizes]
        biases = [generator.standard_normal(FILTERS, np.float32) for _ in kernel_sizes]
        for wing, of_wing in (("PyTorch", torch_ways), ("TensorFlow", tensorflow_ways)):
            ways = of_wing(x, lengths, weights, biases, windows, trained)
            errors = farthest(ways)
            assert max(errors.values()) < CLOSE, (wing, name, errors)
            heading = f"{wing}, {name}, {num_words} words{', trained vectors' if trained else ''}"
            columns[heading] = milliseconds(ways)
            print(heading, {what: round(value, 2) for what, value in columns[heading].items()}, flush=True)
    lines = [
        "# Convolutions over words",
        "",
        f"Milliseconds of the convolutions and maxima of a batch of {TEXTS} texts, {FEATURES} features a word, "
        f"{FILTERS} filters of each of three kernel sizes, forward and backward, float32, "
        f"{torch.get_num_threads()} threads: medians of {TURNS} turns. "
        "`python -m tests.text_convolution_speed results/reference/text-convolutions.md`",
        "",
        table(columns),
        "",
        f"Measured on {machine.summary()}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = report()
    print(text)
    if sys.argv[1:]:
        write_for_user(Path(sys.argv[1]), text)
