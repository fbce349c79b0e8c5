"""Every difference planted in the page wings is caught; a file of its own, as files are shared out among processes."""

from pathlib import Path

import pytest

from bench.verify.mutations import mutations_of, run_mutations
from shared.spec import load

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")


def test_every_mutation_is_caught_by_the_rung_that_owns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINBENCH_RESULTS", str(tmp_path / "results"))
    small = load("effnet-b0", "quick").overridden({"input.image_size": 32}, "test")  # a quarter of the work
    outcomes = list(run_mutations(small, lambda _: None))
    assert [outcome.mutation.name for outcome in outcomes] == [mutation.name for mutation in mutations_of(small)]
    assert [outcome.detail for outcome in outcomes if not outcome.caught] == []
