"""The split of a step and the gap between two frameworks, against answers worked out by hand."""

from __future__ import annotations

import doctest
import math
from statistics import fmean, median
from types import ModuleType

import pytest

from bench.attribution import estimates
from bench.attribution import figures as figures
from bench.attribution import gap as gap_module
from bench.attribution.gap import Gap, gaps, sentence
from bench.attribution.show import markdown
from bench.attribution.split import PARTS, STEP, attribute, excess, split_repeat, step_seconds
from bench.records.record import Record
from tests import golden
from tests.bench.attribution.records import SPEEDS, TIMES, attribution_records, cell_record, plain_record

SPEED = fmean(SPEEDS)  # of the whole window
KINDS = ("disk", "memory", "device", "alone")


def cells(framework: str, replicas: int, **changes: object) -> dict[str, Record]:
    """One repeat of one column."""
    kinds = KINDS if replicas > 1 else KINDS[:-1]
    return {kind: cell_record(framework, replicas, kind, 0, **changes) for kind in kinds}  # type: ignore[arg-type]


def in_ms(values: dict[str, float]) -> dict[str, float]:
    return {name: round(1e3 * value, 6) for name, value in values.items()}


def test_every_part_of_a_step_at_two_replicas() -> None:
    found = in_ms(split_repeat(cells("pt", 2, device="cuda")))
    input_cost = SPEED * (50 - 45)
    expected = {
        "step": SPEED * 50,
        "forward_backward": 36.0 - 3.0,
        "overhead": 3.0,
        "optimizer": 4.0,
        "exchange": SPEED * (45 - 41),
        "copy": 0.5,
        "wait": input_cost - 0.5,
        "unexplained": SPEED * 50 - 36 - 4 - SPEED * 4 - input_cost,
        "reading": SPEED * 2,
        "assembling": SPEED * 3,
        "waited": 2.0,
        "copy_alone": 0.5,
        "typical": median(SPEEDS) * 50,
    }
    assert found == pytest.approx(expected)
    assert sum(found[part] for part in PARTS) == pytest.approx(found[STEP])


def test_parts_timed_in_another_mood_are_shares_of_a_step_timed_beside_them() -> None:
    calm, slow = cells("pt", 2), cells("pt", 2)
    halved = {part: [2 * each for each in rounds] for part, rounds in slow["alone"].part_seconds.items()}
    slow["alone"] = slow["alone"].model_copy(update={"part_seconds": halved})
    assert split_repeat(slow) == pytest.approx(split_repeat(calm))


def test_one_replica_has_no_exchange_and_its_rest_is_that_of_the_resident_batch() -> None:
    found = in_ms(split_repeat(cells("tf", 1)))
    assert found["exchange"] == 0
    assert found["unexplained"] == pytest.approx(SPEED * 78 - 60 - 12)


def test_a_step_is_the_windows_and_a_stall_that_the_median_turn_hides_counts() -> None:
    fast, slow = cell_record("pt", 1, "device", 0), cell_record("pt", 1, "disk", 0)
    turns, stalled = [0.010] * 4, [0.010, 0.010, 0.010, 0.050]
    steady = fast.model_copy(update={"turn_seconds": turns, "window_seconds": [2 * sum(turns)]})
    disturbed = slow.model_copy(update={"turn_seconds": stalled, "window_seconds": [2 * sum(stalled)]})
    assert step_seconds(disturbed) == pytest.approx(0.020)
    assert excess(disturbed, steady) == pytest.approx(0.010)
    assert excess(steady, disturbed) == pytest.approx(-0.010)


def test_a_split_and_the_table_of_throughputs_say_the_same() -> None:
    """One estimator: batch, replicas and step of a split give the throughput that the record has."""
    for split in attribute(attribution_records()):
        for record, values in zip(split.records, split.repeats.values(), strict=True):
            window = max(record.window_seconds)
            told = record.measured_steps * record.batch_per_replica * record.replicas / window  # type: ignore[operator]
            assert record.batch_per_replica * record.replicas / values[STEP] == pytest.approx(told)


def test_without_turns_the_windows_of_the_slowest_ranks_are_compared() -> None:
    found = {
        kind: record.model_copy(update={"turn_seconds": [], "window_seconds": [0.1, 8 * TIMES["pt"][kind] / 1e3]})
        for kind, record in cells("pt", 2).items()
    }
    assert step_seconds(found["disk"]) == pytest.approx(0.050)
    assert in_ms(split_repeat(found))["exchange"] == pytest.approx(4.0)


def test_a_cpu_replica_reads_what_the_host_has() -> None:
    found = in_ms(split_repeat(cells("tf", 1)))
    assert (found["copy"], found["copy_alone"]) == (0.0, 0.0)
    assert found["wait"] == pytest.approx(SPEED * (TIMES["tf"]["disk"] - TIMES["tf"]["device"]))


def test_a_copy_that_is_hidden_is_no_part_of_the_step() -> None:
    found = cells("pt", 1, device="cuda")
    parts = {**found["device"].part_seconds, "copy": [0.004] * 3}
    (window,) = found["device"].window_seconds
    found["device"] = found["device"].model_copy(update={"part_seconds": parts})
    found["disk"] = found["disk"].model_copy(update={"window_seconds": [window + 8 * 0.001]})
    values = split_repeat(found)
    assert values["copy"] == pytest.approx(0.001)
    assert values["wait"] == pytest.approx(0.0)
    assert values["copy_alone"] == pytest.approx(0.004)
    # the pipeline cannot give time back: what is left is waiting, with its sign
    found["disk"] = found["disk"].model_copy(update={"window_seconds": [window - 8 * 0.001]})
    values = split_repeat(found)
    assert values["copy"] == 0.0
    assert values["wait"] == pytest.approx(-0.001)


def test_splits_by_replicas_and_column_with_intervals() -> None:
    splits = attribute(attribution_records())
    assert [(split.replicas, split.name) for split in splits] == [
        (1, "PyTorch"),
        (1, "TensorFlow"),
        (2, "PyTorch"),
        (2, "TensorFlow"),
    ]
    first = splits[0]
    assert len(first.repeats) == 7
    assert 1e3 * first.step.value == pytest.approx(SPEED * 50 * 1.003)
    assert first.step.interval is not None
    low, high = first.step.interval
    assert SPEED * 0.050 <= low < first.step.value < high <= SPEED * 0.050 * 1.006
    assert first.parts["wait"].interval is not None
    assert tuple(first.parts) == PARTS


def test_the_rest_is_judged_by_its_share() -> None:
    by_name = {split.name: split for split in attribute(attribution_records(replicas=(1,)))}
    share = (SPEED * 45 - 40) / (SPEED * 50)
    assert by_name["PyTorch"].unexplained_share.value == pytest.approx(share)
    assert not by_name["PyTorch"].is_explained
    assert math.isclose(fmean(SPEEDS), 1.1)


def test_a_repeat_with_a_failed_cell_counts_for_nothing() -> None:
    records = [
        record.model_copy(update={"status": "oom"}) if record.cell_id == "pt-r2-memory-3" else record
        for record in attribution_records()
    ]
    counts = {(split.replicas, split.name): len(split.repeats) for split in attribute(records)}
    assert counts == {(1, "PyTorch"): 7, (1, "TensorFlow"): 7, (2, "PyTorch"): 6, (2, "TensorFlow"): 7}
    two = next(gap for gap in gaps(attribute(records)) if gap.first.replicas == 2)
    assert (len(two.first.repeats), len(two.other.repeats), len(two.other.records)) == (6, 6, 6)  # what both have
    assert two.apart == 0, "a repeat that one side lacks ran at no other time"
    assert attribute([record for record in records if record.input_mode != "memory"]) == []


def test_a_repeat_that_one_side_ran_a_day_later_is_no_pair_and_is_told() -> None:
    def moved(record: Record) -> Record:
        late = record.framework == "tf" and record.repeat < 2
        return record.model_copy(update={"started": "2026-01-02T00:00:00+00:00"}) if late else record

    records = [moved(record) for record in attribution_records(replicas=(1,))]
    (gap,) = gaps(attribute(records))
    assert (len(gap.first.repeats), gap.apart) == (5, 2)
    assert "TensorFlow - PyTorch, 1 replica: 2 repeats that did not run side by side" in markdown(records)
    whole = attribution_records(replicas=(1,))
    one_kind = [moved(record) if record.input_mode == "memory" else record for record in whole]
    assert {split.name: len(split.repeats) for split in attribute(one_kind)} == {"PyTorch": 7, "TensorFlow": 5}


def test_a_cell_whose_parts_were_not_timed_is_no_repeat() -> None:
    records = [record.model_copy(update={"part_seconds": {}}) for record in attribution_records(replicas=(2,))]
    assert attribute(records) == []


def test_plain_runs_and_other_settings_stay_apart() -> None:
    plain = [cell_record("pt", 1, "disk", 0, run_id="plain")]
    assert len(attribute([*attribution_records(replicas=(1,)), *plain])) == 2
    other = attribution_records(replicas=(1,), spec_hash="other", run_id="other")
    splits = attribute([*attribution_records(replicas=(1,)), *other])
    assert len(splits) == 4
    assert len(gaps(splits)) == 2


def gap_of(**changes: object) -> Gap:
    (gap,) = gaps(attribute(attribution_records(replicas=(2,), **changes)))  # type: ignore[arg-type]
    return gap


def test_the_gap_is_that_of_the_parts() -> None:
    gap = gap_of()
    assert 1e3 * gap.step.value == pytest.approx(SPEED * 30 * 1.003)
    assert 1e3 * gap.parts["forward_backward"].value == pytest.approx((54 - 33) * 1.003)
    assert 1e3 * gap.parts["exchange"].value == pytest.approx(SPEED * 1 * 1.003)
    assert gap.share(*PARTS).value == pytest.approx(1.0)
    assert gap.share("wait", "copy").value == pytest.approx((2 - 5) / 30)
    assert gap.is_shown is True


def test_the_sentence_says_where_the_gap_comes_from() -> None:
    golden.check("attribution-sentences", "\n".join(sentence(gap) for gap in (gap_of(), gap_of(repeats=2))))


def test_at_one_replica_there_is_nothing_to_communicate() -> None:
    (gap,) = gaps(attribute(attribution_records(replicas=(1,))))
    assert "communication" not in sentence(gap)


def test_a_gap_that_cannot_be_told_from_zero_is_not_shared_out() -> None:
    records = []
    for record in attribution_records(replicas=(1,)):
        if record.framework == "tf":  # now as fast as PyTorch, by turns a little faster and slower
            sign = 1 if record.repeat % 2 else -1
            other = cell_record("pt", 1, record.input_mode, record.repeat, 1 + sign * 0.01)
            record = record.model_copy(update={"window_seconds": other.window_seconds})
        records.append(record)
    (gap,) = gaps(attribute(records))
    assert gap.is_shown is False
    golden.check("attribution-not-shown", sentence(gap))


def test_the_tables_leave_out_an_exchange_that_there_is_not() -> None:
    golden.check("attribution-intervals", markdown(attribution_records()))
    assert markdown([plain_record("disk")]) == ""


@pytest.mark.parametrize("module", [estimates, gap_module, figures])
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_too_few_repeats_are_said() -> None:
    gap = gap_of(repeats=2)
    assert gap.is_shown is None
    assert sentence(gap).count("(2 repeats: no interval; 5 give one)") == 1
