from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.source import Page
from bench.data.splits import assign_splits, parse_split, take, whole_shares
from shared.errors import UserError

SHARES = (0.8, 0.1, 0.1)


@pytest.mark.parametrize("text", ["", "0.8", "0.8,0.1", "a,b,c", "0.5,0.1,0.1", "0,0.5,0.5", "1.2,-0.1,-0.1"])
def test_bad_shares_are_user_errors(text: str) -> None:
    with pytest.raises(UserError, match="--split"):
        parse_split(text)


def test_good_shares() -> None:
    assert parse_split("0.7,0.2,0.1") == (0.7, 0.2, 0.1)
    assert parse_split("1,0,0") == (1, 0, 0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 5))
def test_shares_hold_for_the_whole_and_every_class_trains(labels: list[int], seed: int) -> None:
    names = [f"p{i}" for i in range(len(labels))]
    splits = assign_splits(names, labels, SHARES, seed)
    counts = Counter(splits)
    for split, share in zip(("train", "val", "test"), SHARES, strict=True):
        assert abs(counts[split] - share * len(labels)) <= len(set(labels)) + 1
    assert {label for label, split in zip(labels, splits, strict=True) if split == "train"} == set(labels)


def test_split_depends_on_names_and_seed_not_on_order() -> None:
    names, labels = [f"p{i}" for i in range(60)], [i % 3 for i in range(60)]
    by_name = dict(zip(names, assign_splits(names, labels, SHARES, 1), strict=True))
    backwards = assign_splits(names[::-1], labels[::-1], SHARES, 1)
    assert by_name == dict(zip(names[::-1], backwards, strict=True))
    assert list(by_name.values()) != assign_splits(names, labels, SHARES, 2)
    assert Counter(by_name.values()) == {"train": 48, "val": 6, "test": 6}


def test_whole_shares() -> None:
    assert whole_shares(10, [118, 32, 32]) == [6, 2, 2]
    assert sum(whole_shares(7, [1, 1, 1])) == 7


@given(st.integers(4, 60))
def test_a_limit_takes_from_all_classes_evenly(limit: int) -> None:
    pages = [Page(i, i % 4, "train" if i < 48 else "test", f"p{i}") for i in range(60)]
    taken = take(pages, limit, seed=0)
    assert len(taken) == limit
    assert taken == sorted(taken, key=lambda page: int(page.key))
    counts = Counter(page.label for page in taken)
    assert len(counts) == 4
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_limit_below_the_number_of_classes_is_a_user_error() -> None:
    with pytest.raises(UserError, match="--limit 3: there are 4 classes"):
        take([Page(i, i % 4, "", f"p{i}") for i in range(60)], 3, seed=0)
