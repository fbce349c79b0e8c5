"""What a pair's value is made of, and what is read of a side's record."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.gate.measure import log_ratios
from bench.gate.revisions import Revision
from bench.gate.running import Benchmark, Measured, MeasurementError, Running, steps_of_turns
from bench.gate.sides import Side
from bench.host.guardian import Guarded
from bench.records.usage import Usage
from tests.bench.compare.records import make_record

NEW_SINCE_SCHEMA_3 = (
    "folded_from", "kind", "task", "headline", "network", "sample", "unit", "cost", "scores", "mode", "runtime",
    "inference",
)  # fmt: skip


def measured(seconds: tuple[float, ...], steps: tuple[int, ...], throughput: float = 1.0) -> Measured:
    return Measured(
        throughput=throughput, turn_seconds=seconds, turn_steps=steps, spec_hash="", data_digest="", device="cpu",
        versions={},
    )  # fmt: skip


def test_the_whole_is_of_all_seconds_and_the_typical_step_of_the_middle_turn() -> None:
    base = measured((1.0, 1.0, 1.0, 1.0), (3, 3, 3, 1))
    head = measured((1.1, 1.1, 5.0, 1.1), (3, 3, 3, 1))
    whole, typical = log_ratios(base, head)
    assert whole == pytest.approx(math.log(10 / (3.3 + 3.3 + 15.0 + 1.1)))
    assert typical == pytest.approx(-math.log(1.1))


def test_equally_many_steps_of_both_are_compared() -> None:
    """A base whose window has fewer steps: what the head took after them does not count."""
    base, head = measured((1.0, 1.0), (2, 1)), measured((1.0, 2.0, 9.0), (2, 2, 2))
    assert log_ratios(base, head) == (0.0, 0.0)
    assert log_ratios(head, base) == (0.0, 0.0)


def test_without_turns_there_is_the_whole_alone() -> None:
    assert log_ratios(measured((), (), 2.0), measured((), (), 1.0)) == (pytest.approx(-math.log(2)), None)
    assert log_ratios(measured((1.0,), (2,), 2.0), measured((), (), 1.0))[1] is None


def test_the_last_turn_ends_with_the_window() -> None:
    assert steps_of_turns([3, 3, 3], 8) == (3, 3, 2)
    assert steps_of_turns([3, 3, 3], 9) == (3, 3, 3)
    assert steps_of_turns([2], 2) == (2,)
    assert steps_of_turns([], 8) == ()
    assert steps_of_turns([3, 3], 2) == (3, 1)  # no window ends before its last turn: a record that says so is odd


@pytest.fixture
def running(tmp_path: Path) -> Running:
    """A side whose `bench run` has ended; its record is the test's to write."""
    side = Side(
        name="head", revision=Revision("main", "a" * 40), tree=tmp_path, python="true", named=None, workers={},
        options=frozenset(), results=tmp_path,
    )  # fmt: skip
    out = tmp_path / "out"
    (out / "records").mkdir(parents=True)
    with Guarded(os.environ) as guarded:
        return Running(side, Benchmark("pt", "bert-6l", 1, "device"), out, {}, guarded)


def test_a_record_says_what_disturbed_its_side(running: Running, tmp_path: Path) -> None:
    record = make_record(
        usage=Usage(seconds=9.0, stolen_cores=0.5), throughput=5.0, turn_seconds=[0.1, 0.2], measured_steps=5
    )
    path = running.out / "records" / "cell.json"
    path.write_text(record.model_dump_json())
    found = running.result(tmp_path, [3, 3])
    assert found.disturbances == ("the hypervisor gave 0.5 of its cores to others",)
    assert (found.turn_seconds, found.turn_steps) == ((0.1, 0.2), (3, 2))
    # of an older version, as a base's may be: what it knows is understood
    older = {name: value for name, value in record.model_dump(mode="json").items() if name not in NEW_SINCE_SCHEMA_3}
    path.write_text(json.dumps(older | {"schema_version": 3, "image_size": 64, "accuracy": {"test": 0.5}}))
    assert running.result(tmp_path, [3, 3]).disturbances == found.disturbances
    # of another version: the figure counts, what else it knows is not understood
    path.write_text(json.dumps(json.loads(record.model_dump_json()) | {"schema_version": 9, "new": 1}))
    assert running.result(tmp_path, [3, 3]).disturbances == ()


def test_a_training_that_diverged_is_no_figure(running: Running, tmp_path: Path) -> None:
    content = {"status": "diverged", "reason": "diverged: loss is NaN at step 3", "throughput": 5.0}
    (running.out / "records" / "cell.json").write_text(json.dumps(content))
    with pytest.raises(MeasurementError, match="loss is NaN at step 3"):
        running.result(tmp_path / "failed")


@pytest.mark.parametrize(
    "odd",
    [{"throughput": "fast"}, {"throughput": float("nan")}, {"turn_seconds": [0.1, 0.0]}, {"turn_seconds": 3},
     {"settings": []}, {"measured_steps": "many"}],
)  # fmt: skip
def test_an_odd_record_is_a_failure_and_no_figure(running: Running, tmp_path: Path, odd: dict[str, object]) -> None:
    content = {"status": "ok", "throughput": 5.0, "turn_seconds": [0.1, 0.1]} | odd
    (running.out / "records" / "cell.json").write_text(json.dumps(content))
    with pytest.raises(MeasurementError, match="its record cannot be read"):
        running.result(tmp_path / "failed", [3, 3])


def test_a_log_outside_of_the_run_is_not_copied(running: Running, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    content = {"status": "crash", "reason": "it broke", "log": "../secret"}
    (running.out / "records" / "cell.json").write_text(json.dumps(content))
    with pytest.raises(MeasurementError, match="it broke"):
        running.result(tmp_path / "failed")
    assert (tmp_path / "failed" / "out.log").read_text() == ""


def inferred(medians: tuple[float, ...], p50: float) -> Measured:
    return replace(measured(medians, (2,) * len(medians), throughput=8 / p50), of_medians=True)


def test_of_an_inference_the_medians_of_turns_side_by_side_decide() -> None:
    base = inferred((0.010, 0.010, 0.013, 0.013), 0.011)
    head = inferred((0.011, 0.011, 0.0143, 0.0143), 0.0143)  # a tenth longer in every turn, whatever the machine did
    whole, typical = log_ratios(base, head)
    assert math.exp(whole) == pytest.approx(1 / 1.1)
    assert typical is None
    assert math.exp(log_ratios(inferred((), 0.01), inferred((), 0.02))[0]) == pytest.approx(0.5)


def test_a_gate_of_latency_asks_for_an_inference_at_one_batch_size() -> None:
    benchmark = Benchmark(framework="pt", workload="bert-6l", replicas=1, input_mode="memory", steps=60, batch=8)
    assert benchmark.name == "bert-6l-pt-r1-memory-infer-b8"
    words = benchmark.options()
    assert words[words.index("--mode") + 1] == "infer"
    assert words[words.index("--batches") + 1] == "8"
    assert "--epochs" not in words
    assert "--mode" not in replace(benchmark, batch=None).options(), "an older revision has no such option"
