"""The streams of random words, orders and numbers: pinned, unrelated, of the right distribution."""

from __future__ import annotations

import numpy as np
import pytest

from shared.draws import Purpose, normal, order, uniform, words

KNOWN_WORDS = ["0xf267ace05adbbc77", "0xf7159f50f8d6747c", "0x9f98c884cc5e945c"]
KNOWN_ORDER = [3, 4, 2, 5, 0, 7, 6, 1]
KNOWN_NORMAL = [0.20793400252071872, -1.2109323813094646, 1.401526176950764, 0.22102560083121664]


def test_known_values() -> None:
    """Another value here means that every published run of the suite trained on other batches: do not change it."""
    assert [hex(word) for word in words(7, Purpose.SAMPLE, 2, 5, 3).tolist()] == KNOWN_WORDS
    assert order(7, 2, 8).tolist() == KNOWN_ORDER
    assert normal(7, 3, 4).tolist() == pytest.approx(KNOWN_NORMAL, rel=1e-12)


def test_streams_of_different_purposes_differ() -> None:
    first = [int(words(1, purpose, 0, 0, 1)[0]) for purpose in Purpose]
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("count", [1, 2, 17, 1000])
def test_an_order_is_a_permutation(count: int) -> None:
    assert sorted(order(3, 1, count).tolist()) == list(range(count))


def test_orders_differ_by_epoch_and_seed_and_repeat_themselves() -> None:
    first = order(3, 1, 100).tolist()
    assert order(3, 1, 100).tolist() == first
    assert order(3, 2, 100).tolist() != first
    assert order(4, 1, 100).tolist() != first
    with pytest.raises(ValueError, match="read-only"):
        order(3, 1, 100)[0] = 1


def test_uniform_numbers_stay_below_one() -> None:
    ends = uniform(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert ends.tolist() == [0.0, 1.0 - 2.0**-53]


def test_normal_numbers_are_normal() -> None:
    numbers = normal(0, 0, 20_001)
    assert len(numbers) == 20_001
    assert abs(numbers.mean()) < 0.03
    assert numbers.std() == pytest.approx(1.0, abs=0.02)
    assert (np.abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.015)


@pytest.mark.parametrize(("seed", "epoch", "item"), [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_negative_keys_are_refused(seed: int, epoch: int, item: int) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        words(seed, Purpose.ORDER, epoch, item, 1)
