"""The protocol: how many documents of each class train, validate and test, in how many random splits."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from shared.draws import order
from shared.errors import UserError
from shared.sections import Section
from shared.store import SPLITS, Store
from shared.tasks import task_of_store

PROTOCOLS = Path(__file__).parent
LARGEST_INDEX = 10_000  # of a split
# `shared.draws.order` also gives the order of a training's epochs, which are far fewer: behind them no split of
# documents shares its words with an epoch of the same seed
FIRST_EPOCH = 1_000_000
TRAIN, VAL, TEST = range(len(SPLITS))


class Protocol(Section):
    """The settings of an evaluation over random splits."""

    name: str
    per_class: Annotated[int, Field(ge=2)]  # documents a class that train or validate; the rest tests
    val_share: Annotated[float, Field(gt=0, lt=1)]  # of them
    num_splits: Annotated[int, Field(ge=1, le=LARGEST_INDEX)]
    mean_splits: Annotated[int, Field(ge=1)]  # the first so many give the published mean
    data_name: str  # the store's name for which there are published values
    dataset: str  # what `results/papers` calls it

    @property
    def val_per_class(self) -> int:
        """Documents a class that validate; at least one, and at least one is left to train on."""
        return min(max(1, round(self.per_class * self.val_share)), self.per_class - 1)

    @property
    def train_per_class(self) -> int:
        """Documents per class to train on."""
        return self.per_class - self.val_per_class

    @property
    def shape(self) -> tuple[int, float, int]:
        """What decides whether an accuracy may stand beside a published one."""
        return self.per_class, self.val_share, self.num_splits


def protocol_names() -> list[str]:
    """The protocols that come with the suite."""
    return sorted(path.stem for path in PROTOCOLS.glob("*.toml"))


def load_protocol(
    name: str, per_class: int | None = None, val_share: float | None = None, num_splits: int | None = None
) -> Protocol:
    """Read a protocol and scale it to smaller data.

    Args:
        name: one of `protocol_names`.
        per_class: replaces the protocol's where given; so do `val_share` and `num_splits`.
    """
    content = tomllib.loads((PROTOCOLS / f"{name}.toml").read_text(encoding="utf-8"))
    del content["sources"]
    changes = {"per_class": per_class, "val_share": val_share, "num_splits": num_splits}
    given = {key: value for key, value in changes.items() if value is not None}
    return Protocol.model_validate({**content, "name": name, **given})


def smallest_class(labels: np.ndarray, num_classes: int) -> int:
    """Documents of the class that has the fewest."""
    return int(np.bincount(labels, minlength=num_classes).min())


def check_documents(store: Store, protocol: Protocol) -> None:
    """Whether every class has enough documents for the protocol.

    Raises:
        UserError: documents with several labels, or a class that is too small.
    """
    if not task_of_store(store).single:
        raise UserError(
            f"{store.path}: its documents have {task_of_store(store).labelled}; --protocol {protocol.name} needs one "
            "label each"
        )
    check_counts(np.bincount(store.labels, minlength=len(store.classes)), store.classes, protocol, str(store.path))


def check_counts(counts: np.ndarray, classes: Sequence[str], protocol: Protocol, origin: str) -> None:
    """As `check_documents`, from the number of documents of each class (int, K)."""
    fewest = int(np.argmin(counts))
    count, need = int(counts[fewest]), protocol.per_class + 1
    if count < need:
        enough = f"use --per-class {count - 1}" if count > 2 else "it is too small for any --per-class"
        raise UserError(
            f"{origin}: class {classes[fewest]!r} has {count} documents, the protocol needs {need} "
            f"({protocol.per_class} to train and validate, 1 to test): {enough}"
        )


def split_codes(labels: np.ndarray, protocol: Protocol, index: int, seed: int) -> np.ndarray:
    """Deal the documents out: of each class the same number trains and validates, the rest tests.

    The documents are taken in the order `shared.draws.order(seed, FIRST_EPOCH + index, N)`, a permutation from a
    counter-based generator: of each class the first `train_per_class` train, the next `val_per_class` validate. A split
    depends on the labels, the seed and its index alone, so both frameworks and every machine see the same ones.

    Args:
        labels: int, N.
        index: of the split, from 0.
        seed: of the whole evaluation.

    Returns:
        int8, N: indices into SPLITS.
    """
    assert 0 <= index <= LARGEST_INDEX
    permutation = order(seed, FIRST_EPOCH + index, len(labels))
    codes = np.full(len(labels), TEST, np.int8)
    for label in np.unique(labels):
        own = permutation[labels[permutation] == label]
        codes[own[: protocol.train_per_class]] = TRAIN
        codes[own[protocol.train_per_class : protocol.per_class]] = VAL
    return codes
