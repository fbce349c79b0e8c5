"""What a workload of convolutions over words may say."""

from __future__ import annotations

import pytest

from shared import spec
from shared.errors import UserError
from tests import tiny_words


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("kim-cnn", {"model__num_windows": 8}, "num_windows is of variant 'xml'; variant 'kim' has one maximum"),
        ("kim-cnn", {"model__bottleneck_size": 8}, "bottleneck_size is of variant 'xml'"),
        ("xml-cnn", {"model__num_windows": None}, "variant 'xml' needs num_windows"),
        ("xml-cnn", {"model__bottleneck_size": None}, "variant 'xml' needs bottleneck_size"),
        ("kim-cnn", {"model__kernel_sizes": (3, 3)}, r"kernel_sizes \(3, 3\): one stands there twice"),
        ("kim-cnn", {"model__kernel_sizes": ()}, "model.kernel_sizes: .*at least 1 item"),
        ("kim-cnn", {"input__buckets": (32,)}, r"buckets \(32,\): each must be below max_words, 32"),
        ("kim-cnn", {"input__padding": "zero"}, "input.padding: .*'masked' or 'read'"),
        ("kim-cnn", {"model__vocabulary_size": 2}, "model.vocabulary_size: .*greater than or equal to 4"),
        ("kim-cnn", {"model__dropout": 1.0}, "model.dropout: .*less than or equal to 0.9"),
        ("kim-cnn", {"task": "tags"}, "task: one of classification, labels.* expected of cnn, got 'tags'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        tiny_words.workload(name, **changes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "kernel_sizes"), [("kim-cnn", (3, 4, 5)), ("xml-cnn", (2, 4, 8))])
def test_the_settings_of_the_released_code(name: str, kernel_sizes: tuple[int, ...]) -> None:
    full = spec.load(name)
    assert (full.model.kernel_sizes, full.model.num_filters, full.model.dropout) == (kernel_sizes, 100, 0.5)
    assert (full.model.vector_size, full.model.static_vectors) == (300, True)
    assert (full.optimizer.name, full.optimizer.weight_decay, full.schedule.peak_rate) == ("adam", 0.0, 0.01)
    assert (full.train.batch_per_replica, full.train.epochs) == (32, 30)
    released = spec.load(name, "released")
    assert (full.input.padding, released.input.padding) == ("masked", "read")
    assert released.computation_hash != full.computation_hash
