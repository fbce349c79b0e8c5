"""Rung 2 for text: how many of a corpus's texts each wing's tokeniser gives other ids."""

from __future__ import annotations

import numpy as np

from bench.verify.checks import Check, within

RUNG = 2


def rows_that_differ(ids: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Which rows of two arrays of ids (int32, N x T) are not equal; all of them where the shapes differ."""
    if ids.shape != reference.shape:
        return np.arange(max(len(ids), len(reference), 1))
    return np.flatnonzero((ids != reference).any(axis=1))


def token_checks(fast: np.ndarray, exact: np.ndarray, reference: np.ndarray, name: str = "tokens") -> list[Check]:
    """Compare the tokenisers of the wings.

    Args:
        fast: ids (int32, N x T) of `tensorflow_text` as shipped, which the native arm trains on. For information: this
            check always holds.
        exact: ids of `tensorflow_text` in the mode that must give the reference's.
        reference: ids of the PyTorch wing, or the store's own.
        name: of the task.
    """
    count = len(reference)
    unequal, shipped = rows_that_differ(exact, reference), rows_that_differ(fast, reference)
    first = f", first: text {unequal[0]} of those compared" if len(unequal) else ""
    share = f"{len(shipped) / max(count, 1):.2%} of {count:,} texts, for information: the native arm's own"
    most = max(count, len(shipped))
    return [
        within(RUNG, name, "texts with other ids, exact mode", len(unequal), 0, f"of {count:,} texts{first}"),
        within(RUNG, name, "texts with other ids, tensorflow_text as shipped", len(shipped), most, share),
    ]
