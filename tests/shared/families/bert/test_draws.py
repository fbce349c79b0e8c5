"""What is dropped of a text: the same whatever the width, the batch and the replicas; in the right share."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from shared.draws import noise_threshold
from shared.families.bert.batch import TextDraws, text_draws
from tests import tiny_text

ARCH = tiny_text.architecture(tiny_text.workload())
SAMPLES = np.array([5, 0, 17])


def drawn(samples: np.ndarray = SAMPLES, width: int = 16, seed: int = 3, epoch: int = 1, **changes: float) -> TextDraws:
    return text_draws(seed, epoch, samples, replace(ARCH, **changes), width)


def same(left: TextDraws, right: TextDraws) -> bool:
    fields = ("noise", "noise_last", "keep_unit")
    return all(np.array_equal(getattr(left, field), getattr(right, field)) for field in fields)


def test_shapes_and_types() -> None:
    found = drawn()
    assert (found.noise.shape, found.noise.dtype) == ((3, 3, 16, 32), np.uint8)
    assert (found.noise_last.shape, found.noise_last.dtype) == ((3, 2, 32), np.uint8)
    assert (found.keep_unit.shape, found.keep_unit.dtype) == ((3, 32), np.float32)


def test_a_text_draws_the_same_whoever_asks() -> None:
    together = drawn()
    for row, sample in enumerate(SAMPLES):
        alone = drawn(np.array([sample]))
        assert np.array_equal(alone.noise[0], together.noise[row])
        assert np.array_equal(alone.noise_last[0], together.noise_last[row])
        assert np.array_equal(alone.keep_unit[0], together.keep_unit[row])


@pytest.mark.parametrize("width", [17, 24, 40])
def test_a_wider_text_draws_the_same_for_the_tokens_it_had(width: int) -> None:
    narrow, wide = drawn(), drawn(width=width)
    assert np.array_equal(wide.noise[:, :, :16], narrow.noise)
    assert np.array_equal(wide.noise_last, narrow.noise_last)
    assert np.array_equal(wide.keep_unit, narrow.keep_unit)


def test_draws_repeat() -> None:
    assert same(drawn(), drawn())


@pytest.mark.parametrize("changed", [{"seed": 4}, {"epoch": 2}, {"samples": SAMPLES + 1}])
def test_another_seed_epoch_or_text_draws_anew(changed: dict[str, int]) -> None:
    first, other = drawn(), drawn(**changed)
    for field in ("noise", "noise_last"):
        equal = np.mean(getattr(first, field) == getattr(other, field))
        assert equal < 0.05, "bytes that are equal by chance are one in 256"
    assert not np.array_equal(first.keep_unit, other.keep_unit)


def test_no_two_places_share_their_noise() -> None:
    noise = drawn(np.array([5]), width=32).noise[0]
    last = drawn(np.array([5])).noise_last[0]
    rows = [*noise.reshape(-1, 32), *last]
    assert len({row.tobytes() for row in rows}) == len(rows)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_the_share_of_dropped_features_is_the_rate(rate: float) -> None:
    found = drawn(np.arange(40), width=32, hidden_dropout=rate, classifier_dropout=rate)
    quantised = noise_threshold(rate) / 256
    for dropped in (
        found.noise < noise_threshold(rate),
        found.noise_last < noise_threshold(rate),
        found.keep_unit == 0,
    ):
        spread = math.sqrt(quantised * (1 - quantised) / dropped.size)
        assert abs(dropped.mean() - quantised) < 4.5 * spread + abs(rate - quantised)
    kept = found.keep_unit[found.keep_unit > 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-4)


def test_without_hidden_dropout_no_noise_is_drawn() -> None:
    found = drawn(hidden_dropout=0.0)
    assert found.noise.shape == (3, 0, 16, 32)
    assert (found.noise_last == 255).all(), "no rate drops the highest byte"
    assert (found.keep_unit == 0).any()
    assert np.array_equal(found.keep_unit, drawn().keep_unit), "one rate does not move the other's draws"


def test_without_classifier_dropout_every_feature_stays() -> None:
    found = drawn(classifier_dropout=0.0)
    assert (found.keep_unit == 1).all()
    assert np.array_equal(found.noise, drawn().noise)
    assert np.array_equal(found.noise_last, drawn().noise_last)


def test_a_width_that_is_no_multiple_of_a_word() -> None:
    arch = replace(ARCH, hidden_size=12)
    narrow, wide = (text_draws(0, 0, SAMPLES, arch, width) for width in (5, 9))
    assert narrow.noise.shape == (3, 3, 5, 12)
    assert np.array_equal(wide.noise[:, :, :5], narrow.noise)
