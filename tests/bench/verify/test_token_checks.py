from __future__ import annotations

import json

import numpy as np

from bench.verify.tokens import token_checks

REFERENCE = np.array([[2, 5, 3], [2, 6, 3], [2, 7, 3], [2, 3, 0]], np.int32)


def changed(*rows: int) -> np.ndarray:
    ids = REFERENCE.copy()
    ids[list(rows), 1] = 1
    return ids


def test_equal_ids_hold_and_the_shipped_ones_are_counted() -> None:
    exact, fast = token_checks(changed(1, 3), REFERENCE, REFERENCE)
    assert (exact.rung, exact.passed, exact.figure, exact.tolerance) == (2, True, 0, 0)
    assert (fast.rung, fast.passed, fast.figure) == (2, True, 2)
    assert "50.00% of 4 texts" in fast.line()
    json.dumps(fast.as_dict(), allow_nan=False)


def test_one_other_id_breaks_the_rung() -> None:
    exact, fast = token_checks(REFERENCE, changed(2), REFERENCE, name="tokens-x")
    assert not exact.passed
    assert exact.figure == 1
    assert "first: text 2" in exact.line()
    assert fast.passed
    assert {exact.name, fast.name} == {"tokens-x"}


def test_other_shapes_break_the_rung() -> None:
    for ids in (REFERENCE[:3], REFERENCE[:, :2], REFERENCE[:0]):
        exact, fast = token_checks(ids, ids, REFERENCE)
        assert not exact.passed
        assert fast.passed
