"""Whether two revisions' numbers are the same, to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.host.locations import PROJECT_ROOT
from bench.studies import same_numbers
from shared.errors import UserError

ONE = np.array([1.0, 2.0])


def test_a_last_bit_is_a_difference() -> None:
    other = np.nextafter(ONE, 2.0)
    assert same_numbers.differences({"a": ONE, "b": ONE}, {"a": ONE, "b": other}) == ["b"]
    assert same_numbers.differences({"a": np.array([0.0])}, {"a": np.array([-0.0])}) == ["a"]
    assert same_numbers.differences({"a": ONE}, {"a": ONE.astype(np.float32)}) == ["a"]
    assert same_numbers.differences({"a": ONE}, {"a": ONE[None]}) == ["a"]
    assert same_numbers.differences({"a": np.array([np.nan])}, {"a": np.array([np.nan])}) == []


def test_arrays_of_one_revision_alone_are_told_but_are_no_difference() -> None:
    alike, text = same_numbers.compared({"a": ONE, "old": ONE}, {"a": ONE, "new": ONE})
    assert (alike, text) == ("1", "none; in one alone: new, old")
    alike, text = same_numbers.compared({"a": ONE, "b": ONE}, {"a": ONE + 1, "b": ONE})
    assert (alike, text) == ("1", "1: a")


def test_the_program_computes_with_the_revision_that_it_is_started_in() -> None:
    """It names what the ladder has; a name that is gone would fail only when somebody needs it."""
    program = same_numbers.PROGRAM.split("workload, preset")[0] + "print(make_material.__module__, spec.__file__)"
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bench.verify.samples", str(PROJECT_ROOT / "shared" / "spec.py")]


def test_a_wing_that_gives_no_answer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        same_numbers.answers(PROJECT_ROOT, "absent", tmp_path / "out")
