"""Inference: its requests, and figures of a wing that takes known milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import inference, session
from shared.errors import UserError
from shared.events import Done, EventWriter, Failure, FirstStep, Latency, Phase, of_kind, read_events
from shared.inference import FEWEST_CALLS, MOST_CALLS, Requests, num_calls, requests_of
from shared.preparation import decoded, encoded
from shared.protocol import Cell
from shared.store import Store
from tests import tiny
from tests.shared.fake_wing import Clock, FakeWing

MS = 1e-3


class Sleeper(FakeWing):
    """Answers after known times: `seconds` are those of its calls, again and again."""

    def __init__(self, seconds: list[float], sleep: Callable[[float], None], first: float = 0.0) -> None:
        super().__init__(Clock())
        self.seconds, self.sleep, self.first = seconds, sleep, first
        self.num_answered = 0
        self.limit = 1 << 30  # samples that fit into its memory

    def requests(self, batches: Requests) -> Callable[[int], Any]:
        return lambda index: batches.batch(index, 0)

    def reads_texts(self, batches: Requests) -> bool:
        return False

    def infer(self, host: Any) -> Any:
        if len(host.labels) > self.limit:
            raise MemoryError("no room")
        self.sleep(self.seconds[self.num_answered % len(self.seconds)] if self.num_answered else self.first)
        self.num_answered += 1
        return host

    def answers(self, logits: Any) -> list[np.ndarray]:
        return [np.zeros((len(logits.labels), 16), np.float32)]

    def synchronize(self) -> None:
        pass


def cell_of(directory: Path, store: Store, **changes: Any) -> Cell:
    cell = tiny.make_cell(directory, store.path, epochs=0)
    return replace(cell, mode="infer", batches=(1, 4), calls=100, **changes)


def run(cell: Cell, wing: Sleeper, store: Store) -> list[Any]:
    writer = EventWriter(cell.events_path(0), 0)
    session.run_cell(cell, wing, store, writer, time.perf_counter())  # type: ignore[arg-type]
    return read_events(cell.events_path(0))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(inference, "time", clock)
    monkeypatch.setattr(session, "time", clock)
    return clock


def test_known_latencies_give_known_percentiles(tmp_path: Path, noise: Store, slept: Clock) -> None:
    known = [10 * MS] * 90 + [20 * MS] * 8 + [50 * MS] * 2  # per 100 calls
    wing = Sleeper(known, slept.advance, first=3.0)
    events = run(cell_of(tmp_path, noise), wing, noise)
    one, four = of_kind(events, Latency)
    assert (one.batch, four.batch, len(one.seconds), len(four.seconds)) == (1, 4, 100, 100)
    for each in (one, four):
        assert np.percentile(each.seconds, 50) == pytest.approx(10 * MS)
        assert np.percentile(each.seconds, 95) == pytest.approx(20 * MS)
        assert np.percentile(each.seconds, 99) == pytest.approx(50 * MS, rel=0.01)
        assert each.back_to_back == pytest.approx(sum(known))
        assert len(each.prepare) == len(each.whole) == 100
        assert (each.widths, each.failure) == ([0], None)
    assert one.first == pytest.approx([3.0]), "the first call is timed apart"
    assert max(four.first) < 0.1
    assert isinstance(events[-1], Done)


def test_a_real_clock_tells_the_same_within_a_tenth(tmp_path: Path, noise: Store) -> None:
    wing = Sleeper([5 * MS] * 9 + [15 * MS], time.sleep)
    [found] = of_kind(run(replace(cell_of(tmp_path, noise), batches=(2,), calls=40), wing, noise), Latency)
    assert np.percentile(found.seconds, 50) == pytest.approx(5 * MS, rel=0.3)
    assert np.percentile(found.seconds, 99) == pytest.approx(15 * MS, rel=0.3)
    assert min(w - p for w, p in zip(found.whole, found.prepare, strict=True)) >= 4.9 * MS
    assert min(found.prepare) > 0


def test_a_batch_that_is_too_large_ends_the_larger_ones_alone(tmp_path: Path, noise: Store, slept: Clock) -> None:
    wing = Sleeper([MS], slept.advance)
    wing.limit = 4
    events = run(replace(cell_of(tmp_path, noise), batches=(1, 4, 8, 16)), wing, noise)
    assert [(each.batch, each.failure) for each in of_kind(events, Latency)] == [
        (1, None), (4, None), (8, "out of memory: no room"),
    ]  # fmt: skip
    assert isinstance(events[-1], Done)
    wing.limit = 0
    with pytest.raises(MemoryError):  # not even the smallest: the cell is out of memory
        run(cell_of(tmp_path, noise), wing, noise)


def test_phases_and_the_first_answer(tmp_path: Path, noise: Store, slept: Clock) -> None:
    events = run(cell_of(tmp_path, noise), Sleeper([MS], slept.advance), noise)
    assert [each.name for each in of_kind(events, Phase)] == ["warmup", "measure", "end"]
    assert len(of_kind(events, FirstStep)) == 1
    assert not of_kind(events, Failure)


def test_requests_go_round_the_split_in_its_order(noise: Store, tmp_path: Path) -> None:
    cell = replace(cell_of(tmp_path, noise), replicas=2)
    requests = requests_of(cell, noise, 2)
    own = noise.indices("test")  # three documents
    assert len(own) == 3
    asked = [requests.samples(index, replica).tolist() for index in range(2) for replica in range(2)]
    assert asked == [[own[0], own[1]], [own[2], own[0]], [own[1], own[2]], [own[0], own[1]]]
    assert requests.num_distinct == 1
    assert requests_of(replace(cell, replicas=1), noise, 1).num_distinct == 3
    assert requests.batch(0, 1).labels.tolist() == noise.labels[[own[2], own[0]]].tolist()


def test_a_store_without_test_documents_is_refused(noise: Store, tmp_path: Path) -> None:
    empty = noise.with_splits(np.zeros_like(noise.split_codes))
    with pytest.raises(UserError, match="its test split is empty"):
        requests_of(cell_of(tmp_path, noise), empty, 1)


def test_the_number_of_calls(noise: Store, tmp_path: Path) -> None:
    cell = replace(cell_of(tmp_path, noise), calls=0)
    assert [num_calls(cell, pace) for pace in (1e-4, 0.1, 9.0)] == [MOST_CALLS, 50, FEWEST_CALLS]
    assert num_calls(replace(cell, calls=7), 9.0) == 7


def test_a_page_survives_its_encoding(noise: Store) -> None:
    assert noise.pixels is not None
    assert (decoded(encoded(noise.pixels[0]), tiny.SIZE) == noise.pixels[0]).all()
    assert decoded(encoded(noise.pixels[0]), 32).shape == (32, 32)


def test_words_as_stores_have_them() -> None:
    from shared.word_tokens import ids_of

    ids = {"it": 2, "rose": 3}
    assert ids_of("It rose, it", ids, 4).tolist() == [2, 1, 2, 0]
    assert ids_of("It rose. Why? It", ids, 2, 3).tolist() == [2, 3, 1, 2, 0, 0]
    assert ids_of("", ids, 2).tolist() == [1, 0]
