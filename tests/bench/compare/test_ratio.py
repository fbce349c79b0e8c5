"""The ratio of groups that were not paired: exact in small cases, honest in coverage, and its verdicts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compare.matching import Match
from bench.compare.rows import Row, guarantee_notes, make_row
from bench.compare.unpaired import fewest_unpaired, rank_sum_shares, unpaired_factor, unpaired_ratio
from bench.records.record import Record
from bench.records.sittings import Sittings
from bench.statistics.power import shown_share
from tests.bench.compare.records import make_record

SPEEDS = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=9)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 4), (3, 2), (4, 4), (5, 3)])
def test_the_distribution_is_that_of_all_orders(first: int, second: int) -> None:
    ranks = range(first + second)
    sums = [sum(chosen) - first * (first - 1) // 2 for chosen in combinations(ranks, first)]
    counted = np.bincount(sums, minlength=first * second + 1)
    assert np.allclose(rank_sum_shares(first, second), counted / counted.sum())


def test_known_answers() -> None:
    same = unpaired_ratio([2.0] * 5, [1.0] * 5)
    assert (same.value, same.low, same.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))
    few = unpaired_ratio([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    assert (few.interval, few.attainable) == (None, pytest.approx(0.9))
    assert unpaired_ratio([3.0], [2.0]).value == pytest.approx(1.5)
    assert fewest_unpaired(0.95) == 4


@given(SPEEDS, SPEEDS)
def test_swapped_sides_give_the_inverse_and_the_interval_holds_the_value(over: list[float], under: list[float]) -> None:
    there, back = unpaired_ratio(over, under), unpaired_ratio(under, over)
    assert there.value * back.value == pytest.approx(1)
    if there.low is not None and there.high is not None and back.high is not None:
        assert there.low <= there.value * (1 + 1e-9)
        assert there.value <= there.high * (1 + 1e-9)
        assert there.low * back.high == pytest.approx(1)


@pytest.mark.parametrize(("first", "second"), [(5, 5), (8, 8), (5, 10)])
@pytest.mark.parametrize("noise", ["normal", "heavy"])
def test_95_percent_intervals_hold_the_truth_93_to_97_times_in_100(first: int, second: int, noise: str) -> None:
    draws, truth, trials = np.random.default_rng(4), 1.1, 3000
    held = 0
    for _ in range(trials):
        shape = draws.normal if noise == "normal" else lambda size: draws.standard_t(3, size)
        over, under = truth * np.exp(0.03 * shape(size=first)), np.exp(0.03 * shape(size=second))
        estimate = unpaired_ratio(over.tolist(), under.tolist())
        assert estimate.low is not None and estimate.high is not None
        held += estimate.low <= truth <= estimate.high
    assert 0.93 <= held / trials <= 0.97


@pytest.mark.parametrize("values", [[], [0.0], [-1.0]])
def test_what_is_no_speed_is_a_mistake_of_the_programmer(values: list[float]) -> None:
    with pytest.raises(AssertionError):
        unpaired_ratio(values, [1.0])


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 9)])
def test_what_is_said_to_be_shown_in_80_of_100_new_runs_is(first: int, second: int) -> None:
    draws, factor = np.random.default_rng(6), unpaired_factor(first, second)
    shown, trials = 0, 1500
    for _ in range(trials):
        over, under, again_over, again_under = (
            np.exp(0.03 * draws.normal(size=n)).tolist() for n in (first, second, first, second)
        )
        share = shown_share(unpaired_ratio(over, under), factor)
        assert share is not None
        again = unpaired_ratio([value * (1 + share) for value in again_over], again_under)
        shown += again.low is not None and again.low > 1
    assert 0.76 <= shown / trials <= 0.84


def row(a: list[float], b: list[float], paired: bool) -> Row:
    first, second = (tuple(make_record(repeat=n, throughput=value) for n, value in enumerate(side)) for side in (a, b))
    return make_row(Match(first, second, ()), Sittings([*first, *second]) if paired else None)


def test_pairs_tell_what_groups_cannot() -> None:
    drift = [10.0, 14.0, 11.0, 18.0, 13.0, 16.0, 12.0, 15.0]
    faster = [1.05 * value for value in drift]
    paired, unpaired = row(drift, faster, True), row(drift, faster, False)
    assert (paired.verdict, paired.ratio and paired.ratio.value) == ("B is faster", pytest.approx(1.05))
    assert unpaired.verdict.startswith("no difference shown (one of ")
    assert unpaired.verdict.endswith(" % is shown in 80 % of such runs)")
    assert unpaired.least_effect is not None
    assert unpaired.least_effect > 0.05, "an effect of 5 % could not have been seen"


def test_only_repeats_that_both_finished_are_pairs() -> None:
    a = tuple(make_record(repeat=n, throughput=10.0) for n in range(8))
    b = tuple(make_record(repeat=n, throughput=20.0 if n else None, status="ok" if n else "crash") for n in range(8))
    made = make_row(Match(a, b, ()), Sittings([*a, *b]))
    assert made.ratio is not None
    assert (made.ratio.count, made.ratio.value, made.verdict) == (7, pytest.approx(2), "B is faster")


def test_too_few_repeats_give_no_verdict() -> None:
    assert row([1.0] * 4, [2.0] * 4, True).verdict == "no verdict: 4 pairs, 5 are needed"
    assert row([1.0] * 3, [2.0] * 9, False).verdict == "B is faster"
    assert row([1.0], [2.0] * 9, False).verdict == "no verdict: 1 and 9 repeats, 4 of each are needed"


def side(framework: str, minute: int) -> list[Record]:
    """Five repeats, ten minutes apart."""
    starts = [f"2026-01-01T00:{10 * repeat + minute:02}:00+00:00" for repeat in range(5)]
    return [make_record(framework, repeat=repeat, started=start) for repeat, start in enumerate(starts)]


def made_of(a: list[Record], b: list[Record]) -> Row:
    return make_row(Match(tuple(a), tuple(b), ()), Sittings([*a, *b]))


def test_a_pair_of_which_one_side_was_run_again_later_is_none_and_is_told() -> None:
    a, b = side("pt", 0), side("tf", 1)
    interleaved = made_of(a, b)
    assert interleaved.ratio is not None
    assert (interleaved.ratio.count, interleaved.ratio.level) == (5, 0.9375)
    notes = guarantee_notes([interleaved])
    assert notes[0].endswith("drift of the machine met both sides")
    assert notes[1].startswith("B / A [low, high]: 93.75 % intervals, two-sided; ")
    assert len(notes) == 2
    b[2] = b[2].model_copy(update={"started": "2026-01-01T03:00:00+02:00"})  # an hour after the first of all
    again = made_of(a, b)
    assert again.ratio is not None
    assert (again.ratio.count, again.ratio.apart) == (4, 1)
    assert guarantee_notes([again])[-1].startswith("1 repeat that did not run side by side")
    b[2] = b[2].model_copy(update={"status": "oom", "throughput": None})  # then it is no pair
    failed = made_of(a, b)
    assert failed.ratio is not None
    assert (failed.ratio.count, failed.ratio.apart) == (4, 0)


def test_sides_that_never_met_are_two_groups_of_one_run() -> None:
    a = side("pt", 0)
    b = [each.model_copy(update={"started": each.started.replace("-01-01T", "-01-02T")}) for each in side("tf", 1)]
    made = made_of(a, b)
    assert made.ratio is not None
    assert (made.paired, made.ratio.apart, made.ratio.interval is not None) == (False, 5, True)
    notes = guarantee_notes([made, made])
    assert notes[0].startswith("ratios are of two groups measured one after the other")
    assert any("2 comparisons" in note for note in notes)
    assert notes[-1].startswith("10 repeats that did not run side by side")


def test_of_very_many_values_the_distribution_is_normal_and_still_that_of_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = rank_sum_shares(45, 50)
    monkeypatch.setattr("bench.compare.unpaired.MOST_EXACT", 1)
    assert np.abs(np.cumsum(rank_sum_shares.__wrapped__(45, 50)) - np.cumsum(exact)).max() < 0.001
    monkeypatch.undo()
    assert len(rank_sum_shares(750, 750)) == 750 * 750 + 1
    assert rank_sum_shares(750, 750).sum() == pytest.approx(1)
