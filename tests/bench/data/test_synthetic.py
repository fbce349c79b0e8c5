from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from bench.data.sources import RVL_CDIP_CLASSES
from bench.data.synthetic import CLASSES, render, source
from bench.data.vocabulary import OWN
from shared.errors import UserError


def test_the_classes_are_those_of_rvl_cdip_and_have_words() -> None:
    assert CLASSES == RVL_CDIP_CLASSES
    assert set(OWN) == set(CLASSES)


@pytest.mark.parametrize("size", [32, 64, 100, 384])
def test_a_page_is_a_function_of_seed_and_number(size: int) -> None:
    for number in range(16):
        page = render(number, size, 7, 16)
        assert page.shape == (size, size)
        assert page.dtype == np.uint8
        np.testing.assert_array_equal(page, render(number, size, 7, 16))
        assert (page != render(number, size, 8, 16)).any()
        assert (page != render(number + 16, size, 7, 16)).any()
        assert page.std() > 5


def test_balanced_and_split() -> None:
    pages = source(480, seed=3).pages
    assert set(Counter(page.label for page in pages).values()) == {30}
    assert Counter(page.split for page in pages) == {"train": 384, "val": 48, "test": 48}
    assert min(Counter((page.label, page.split) for page in pages).values()) >= 2


@pytest.mark.parametrize(("pages", "classes"), [(100, 1), (100, 17), (100, 0), (3, 4)])
def test_impossible_requests(pages: int, classes: int) -> None:
    with pytest.raises(UserError):
        source(pages, num_classes=classes)


def sheared_features(numbers: range, seed: int) -> np.ndarray:
    """16 x 16 means of 64-pixel pages sheared by up to 5 degrees, one row a page."""
    angles = np.random.default_rng(seed).uniform(-5, 5, len(numbers))
    rows = []
    for number, angle in zip(numbers, angles, strict=True):
        shear = np.tan(np.radians(angle))
        page = Image.fromarray(render(number, 64, 0, 16)).transform(
            (64, 64), Image.Transform.AFFINE, (1, shear, -32 * shear, 0, 1, 0), fillcolor=255
        )
        rows.append(np.asarray(page.resize((16, 16), Image.Resampling.BOX), dtype=np.float64).ravel())
    return np.array(rows)


def test_a_nearest_mean_tells_the_classes_apart_at_64_pixels() -> None:
    train, test = sheared_features(range(320), 0), sheared_features(range(320, 640), 1)
    means = np.array([train[label::16].mean(0) for label in range(16)])
    nearest = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == np.arange(320) % 16).mean() > 0.95
