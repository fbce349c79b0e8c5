"""What is drawn for a page: pinned, independent of company, of the right distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.families.efficientnet.architecture import architecture
from shared.families.efficientnet.batch import SLOPE_STEPS, draws

ARCH = architecture("b0", 16)
MANY = np.arange(2000)

KNOWN_SLOPES = [320.0, 331.0]
KNOWN_BLOCKS = [9, 10, 13, 14]
KNOWN_UNITS = [7, 15, 19, 33, 45]


def test_known_values() -> None:
    """Another value here means that every published run of the suite trained on other batches: do not change it."""
    drawn = draws(7, 2, np.array([5, 11]), ARCH, 5.0)
    assert (drawn.shear * SLOPE_STEPS).tolist() == KNOWN_SLOPES
    assert np.flatnonzero(drawn.keep_block[0] == 0).tolist() == KNOWN_BLOCKS
    assert np.flatnonzero(drawn.keep_unit[0] == 0)[:5].tolist() == KNOWN_UNITS


@pytest.mark.parametrize("samples", [[3], [3, 1], [7, 3, 3, 900_000], list(range(10))])
def test_a_samples_draw_does_not_depend_on_its_company(samples: list[int]) -> None:
    alone, together = draws(1, 4, np.array([3]), ARCH, 5.0), draws(1, 4, np.array(samples), ARCH, 5.0)
    row = samples.index(3)
    assert together.shear[row] == alone.shear[0]
    assert np.array_equal(together.keep_block[row], alone.keep_block[0])
    assert np.array_equal(together.keep_unit[row], alone.keep_unit[0])


def test_seed_epoch_and_sample_all_matter() -> None:
    base = draws(1, 4, np.array([3]), ARCH, 5.0).keep_unit
    for seed, epoch, sample in [(2, 4, 3), (1, 5, 3), (1, 4, 4)]:
        assert not np.array_equal(draws(seed, epoch, np.array([sample]), ARCH, 5.0).keep_unit, base)


def test_shear_is_uniform_in_the_angle_and_on_the_grid() -> None:
    shear = draws(0, 0, MANY, ARCH, 5.0).shear
    assert np.array_equal(shear * SLOPE_STEPS, np.round(shear * SLOPE_STEPS))
    degrees = np.degrees(np.arctan(shear))
    assert np.abs(degrees).max() <= 5.0 + 0.01  # half a grid step
    assert np.abs(degrees).max() > 4.9
    assert abs(degrees.mean()) < 3 * 5 / math.sqrt(3 * len(MANY))
    assert degrees.std() == pytest.approx(5 / math.sqrt(3), rel=0.05)


def test_no_shear_no_slopes() -> None:
    assert not draws(0, 0, MANY[:5], ARCH, 0.0).shear.any()


def test_blocks_are_dropped_at_their_rates() -> None:
    keep = draws(0, 0, MANY, ARCH, 5.0).keep_block
    for index, block in enumerate(ARCH.blocks):
        kept = 1.0 / (1.0 - block.drop_rate)
        assert set(np.unique(keep[:, index]).tolist()) <= {0.0, np.float32(kept)}
        deviation = math.sqrt(block.drop_rate * (1 - block.drop_rate) / len(MANY))
        assert (keep[:, index] == 0).mean() == pytest.approx(block.drop_rate, abs=4 * deviation + 1e-12)


@pytest.mark.parametrize(("dropout", "rate"), [(0.2, 13107 / 65536), (0.5, 0.5), (0.0, 0.0)])
def test_units_are_dropped_at_the_rate(dropout: float, rate: float) -> None:
    keep = draws(0, 0, MANY[:300], architecture("b0", 16, dropout=dropout), 5.0).keep_unit
    assert set(np.unique(keep).tolist()) == ({0.0, np.float32(1 / (1 - rate))} if rate else {1.0})
    assert (keep == 0).mean() == pytest.approx(rate, abs=4 * math.sqrt(0.25 / keep.size))
    assert keep.mean() == pytest.approx(1.0, abs=0.01)


def test_drops_of_neighbouring_units_and_samples_are_unrelated() -> None:
    dropped = (draws(0, 0, MANY[:500], ARCH, 5.0).keep_unit == 0).astype(float)
    for left, right in [(dropped[:, :-1], dropped[:, 1:]), (dropped[:-1], dropped[1:])]:
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 4 / math.sqrt(left.size)
