"""What is read of a store for a batch: pages, tokens, strings; rows that only fill it up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.modalities import bucket, longest_text, page_pixels, text_strings, text_tokens
from shared.store import Store
from tests.text_stores import text_store

SAMPLES = np.array([4, 1])
NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize(("longest", "width"), [(1, 16), (16, 16), (17, 24), (24, 24), (25, 32), (32, 32), (33, 32)])
def test_a_bucket_is_the_first_that_holds_the_longest(longest: int, width: int) -> None:
    assert bucket(longest, 32, (24, 16)) == width


def test_pages_are_filled_up_with_black_ones(noise: Store) -> None:
    assert noise.pixels is not None
    pixels = page_pixels(noise, SAMPLES, 3)
    assert (pixels.shape, pixels.dtype) == ((3, 64, 64), np.uint8)
    assert np.array_equal(pixels[:2], noise.pixels[SAMPLES])
    assert not pixels[2].any()


def test_texts_are_filled_up_with_texts_of_one_token(babble: Store) -> None:
    assert babble.tokens is not None
    assert babble.lengths is not None
    tokens, lengths = text_tokens(babble, SAMPLES, 3, 16)
    assert (tokens.shape, tokens.dtype, lengths.dtype) == ((3, 16), np.int32, np.int32)
    assert np.array_equal(tokens[:2], babble.tokens[SAMPLES, :16])
    assert not tokens[2].any()
    assert lengths.tolist() == [*babble.lengths[SAMPLES].tolist(), 1]


def test_the_longest_text_of_none_has_one_token(babble: Store) -> None:
    assert babble.lengths is not None
    assert longest_text(babble, NONE) == 1
    assert longest_text(babble, SAMPLES) == babble.lengths[SAMPLES].max()


def test_strings_are_bytes_of_utf_8(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["first", "zweitens: ä", ""])
    assert text_strings(store, np.array([1, 2]), 3).tolist() == ["zweitens: ä".encode(), b"", b""]


def test_what_a_store_does_not_have_is_not_read(noise: Store, babble: Store) -> None:
    for read in (
        lambda: page_pixels(babble, SAMPLES, 2),
        lambda: text_tokens(noise, SAMPLES, 2, 16),
        lambda: text_strings(noise, SAMPLES, 2),
    ):
        with pytest.raises(AssertionError, match="the plan gives a store what its workload reads"):
            read()
