from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.derive import resized, synthetic_store
from shared.errors import UserError


def test_synthetic_store_is_made_once(tmp_path: Path) -> None:
    first = synthetic_store(tmp_path / "s", pages=48, size=32, seed=5)
    created = (tmp_path / "s" / "manifest.json").stat().st_mtime_ns
    again = synthetic_store(tmp_path / "s", pages=48, size=32, seed=5)
    assert first.digest == again.digest
    assert (tmp_path / "s" / "manifest.json").stat().st_mtime_ns == created
    assert first.name == "synthetic"
    assert len(first.classes) == 16
    other = synthetic_store(tmp_path / "t", pages=48, size=32, seed=6, classes=4, workers=1)
    assert other.digest != first.digest
    assert np.bincount(other.labels).tolist() == [12] * 4


def test_resized_is_the_mean_of_areas(tmp_path: Path) -> None:
    store = synthetic_store(tmp_path / "s", pages=32, size=64, workers=1)
    small = resized(store, 16, tmp_path / "small", workers=1)
    means = store.pixels.reshape(32, 16, 4, 16, 4).mean(axis=(2, 4))
    assert np.abs(small.pixels - means).max() <= 1  # Pillow rounds twice, after rows and after columns
    np.testing.assert_array_equal(small.labels, store.labels)
    np.testing.assert_array_equal(small.split_codes, store.split_codes)
    assert (small.name, small.classes) == (store.name, store.classes)
    assert small.digest == resized(store, 16, tmp_path / "parallel", workers=2).digest
    assert resized(store, 16, tmp_path / "small").manifest == small.manifest


def test_enlarging_is_a_user_error(tmp_path: Path) -> None:
    store = synthetic_store(tmp_path / "s", pages=32, size=32, workers=1)
    with pytest.raises(UserError, match="prepare the data again with --size 64"):
        resized(store, 64, tmp_path / "large")


def test_a_derived_store_is_not_taken_for_that_of_other_pages(tmp_path: Path) -> None:
    resized(synthetic_store(tmp_path / "a", pages=32, size=32, workers=1), 16, tmp_path / "small", workers=1)
    other = synthetic_store(tmp_path / "b", pages=32, size=32, seed=1, workers=1)
    with pytest.raises(UserError, match="other arguments or inputs"):
        resized(other, 16, tmp_path / "small", workers=1)
