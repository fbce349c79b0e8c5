"""The protocol: its published numbers, and how documents are dealt out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from click import Choice

from bench.accuracy.protocol import (
    PROTOCOLS,
    TEST,
    TRAIN,
    VAL,
    check_counts,
    check_documents,
    load_protocol,
    protocol_names,
    split_codes,
)
from bench.accuracy.request import AccuracyRequest, scaled_protocol
from bench.cli.accuracy import command
from shared.draws import order
from shared.errors import UserError
from tests.bench.accuracy.fakes import make_documents

# documents of each class of Tobacco3482, as its folders hold them
TOBACCO = (230, 599, 431, 567, 620, 188, 201, 265, 120, 261)


def tobacco_labels() -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(10), TOBACCO))


def test_the_published_protocol_has_the_published_numbers() -> None:
    protocol, labels = load_protocol("small-tobacco"), tobacco_labels()
    assert len(labels) == 3482
    assert (protocol.num_splits, protocol.mean_splits) == (10, 3)
    for index in range(protocol.num_splits):
        codes = split_codes(labels, protocol, index, seed=0)
        assert [int((codes == code).sum()) for code in (TRAIN, VAL, TEST)] == [800, 200, 2482]
        assert np.bincount(labels[codes == TRAIN]).tolist() == [80] * 10
        assert np.bincount(labels[codes == VAL]).tolist() == [20] * 10


def test_a_split_depends_on_seed_and_index_alone() -> None:
    protocol, labels = load_protocol("small-tobacco"), tobacco_labels()
    first = split_codes(labels, protocol, 0, 0)
    assert np.array_equal(first, split_codes(labels, protocol, 0, 0))
    assert first.dtype == np.int8
    others = [split_codes(labels, protocol, 1, 0), split_codes(labels, protocol, 0, 1)]
    # of two independent splits about 800 * 800 / 3482 training documents are common, never most
    assert all(150 < ((first == TRAIN) & (other == TRAIN)).sum() < 280 for other in others)


def test_splits_are_not_dealt_in_the_order_of_a_training() -> None:
    protocol, labels = load_protocol("small-tobacco"), np.zeros(1000, np.int32)
    codes = split_codes(labels, protocol, 0, 0)
    assert set(np.flatnonzero(codes != TEST)) != set(order(0, 0, 1000)[:100])


def test_every_document_is_as_likely_to_train() -> None:
    protocol, labels = load_protocol("small-tobacco", per_class=10, num_splits=400), np.repeat([0, 1], 20)
    trained = sum((split_codes(labels, protocol, index, 3) == TRAIN).astype(int) for index in range(400))
    assert abs(trained / 400 - 0.4).max() < 0.1  # 8 of 20, standard deviation 0.0245


@pytest.mark.parametrize(
    ("per_class", "share", "expected"), [(100, 0.2, (80, 20)), (5, 0.2, (4, 1)), (2, 0.2, (1, 1)), (3, 0.9, (1, 2))]
)
def test_small_protocols_train_and_validate_on_at_least_one(
    per_class: int, share: float, expected: tuple[int, int]
) -> None:
    protocol = load_protocol("small-tobacco", per_class, share)
    assert (protocol.train_per_class, protocol.val_per_class) == expected


def test_a_class_that_is_too_small_is_named_with_its_count() -> None:
    protocol = load_protocol("small-tobacco")
    with pytest.raises(UserError, match=r"class 'memo' has 100 documents, the protocol needs 101 .* --per-class 99"):
        check_counts(np.array([101, 100]), ["letter", "memo"], protocol, "store")
    check_counts(np.array([101, 101]), ["letter", "memo"], protocol, "store")
    with pytest.raises(UserError, match=r"has 0 documents.*too small for any"):
        check_counts(np.array([101, 0]), ["letter", "memo"], protocol, "store")


def test_documents_with_several_labels_are_refused(tmp_path: Path) -> None:
    store = make_documents(tmp_path / "store")
    several = type(store)(store.path, store.manifest, np.ones((36, 3), np.uint8), store.split_codes)
    with pytest.raises(UserError, match="several labels"):
        check_documents(several, load_protocol("small-tobacco"))


def test_only_stand_in_documents_shrink_the_protocol_by_themselves(tmp_path: Path) -> None:
    store = make_documents(tmp_path / "store")
    protocol, notes = scaled_protocol(AccuracyRequest(), store)
    assert protocol.per_class == 8
    assert "8 a class" in notes[0]
    assert scaled_protocol(AccuracyRequest(data="x"), store)[0].per_class == 100
    assert scaled_protocol(AccuracyRequest(per_class=3), store)[0].per_class == 3


def test_every_setting_has_its_source_and_every_protocol_its_choice() -> None:
    (option,) = [each for each in command.params if each.name == "protocol"]
    assert isinstance(option.type, Choice)
    assert list(option.type.choices) == protocol_names()
    for name in protocol_names():
        content = tomllib.loads((PROTOCOLS / f"{name}.toml").read_text())
        assert content.pop("sources").keys() == content.keys()
