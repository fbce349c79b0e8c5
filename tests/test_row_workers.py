"""Whole cells of a task whose samples are parts of documents: the same training and scores in both wings, at any R."""

from __future__ import annotations

import numpy as np
import pytest

from shared.events import Epoch, Evaluation, Phase, of_kind, read_events
from shared.protocol import Cell
from shared.store import Store
from shared.task import Counts, added
from tests import head_stores, tiny
from tests.test_workers import ranks, run_all

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

KINDS = (("pt", 1), ("pt", 2), ("tf", 2))
EXACT = ("samples", "words", "relevant")


@pytest.fixture(scope="module")
def cells(of_tasks: dict[str, Store], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Cell]:
    """One training of the same global batch."""
    folder = tmp_path_factory.mktemp("tags")
    made = {}
    for framework, replicas in KINDS:
        workload = head_stores.workload("tags", train__batch_per_replica=4 // replicas)
        made[framework, replicas] = tiny.make_cell(
            folder / f"{framework}-{replicas}", of_tasks["tags"].path, framework, workload=workload,
            replicas=replicas, epochs=2,
        )  # fmt: skip
    run_all({f"{framework} {replicas}": cell for (framework, replicas), cell in made.items()})
    return made


def counts_of(cell: Cell) -> list[Counts]:
    """The counts of each split, over all ranks."""
    of_ranks = [of_kind(read_events(cell.events_path(rank)), Evaluation) for rank in ranks(cell)]
    summed = []
    for events in zip(*of_ranks, strict=True):
        counts = Counts()
        for event in events:
            counts = added(counts, event.counts)
        summed.append(counts)
    return summed


def test_trainings_and_scores_are_the_same(cells: dict[tuple[str, int], Cell]) -> None:
    first = counts_of(cells["pt", 1])
    assert len(first) == 2, "train and val"
    for key, cell in cells.items():
        assert of_kind(read_events(cell.events_path(0)), Phase)[-1].name == "evaluate"
        for ours, theirs in zip(first, counts_of(cell), strict=True):
            assert {name: theirs[name] for name in EXACT} == {name: ours[name] for name in EXACT}, key
            assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4), key


def test_the_mean_over_replicas_is_the_mean_over_what_is_labelled(cells: dict[tuple[str, int], Cell]) -> None:
    """A rank reports its own share of the loss: over ranks their mean is that of one replica."""
    losses = {
        key: np.mean(
            [[event.loss for event in of_kind(read_events(cell.events_path(r)), Epoch)] for r in ranks(cell)], 0
        )
        for key, cell in cells.items()
        if cell.framework == "pt"
    }
    np.testing.assert_allclose(losses["pt", 2], losses["pt", 1], rtol=1e-4)
