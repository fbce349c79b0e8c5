"""The gate's rule: against brute force, and its error rates at the edge of the threshold."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.gate.power import POWER, smallest_shown
from bench.gate.rule import ERROR, boundaries, judge, looks
from bench.studies.gate.scatter import Measured, Noise, Pairs, Slowed
from bench.studies.gate.simulate import OUTCOMES, decided, simulate
from shared.errors import UserError

THRESHOLD = 0.03
EDGE = math.log1p(-THRESHOLD)


def test_the_looks_spend_no_more_than_the_error_and_nearly_all_of_it() -> None:
    assert [look.pairs for look in looks(20)] == [7, 10, 14, 20]
    for most in (7, 8, 11, 14, 20, 33, 50):
        plan = looks(most)
        assert plan[-1].pairs == most
        assert 0.75 * ERROR < sum(look.error for look in plan) <= ERROR
        assert all(look.error > 0 for look in plan)


@pytest.mark.parametrize("pairs", [7, 10])
def test_a_look_errs_exactly_as_often_as_it_says(pairs: int) -> None:
    """All sign flips of some distances from the edge: of the log-ratios of an exactly borderline head."""
    plan = looks(pairs)
    look = plan[-1]
    distances = np.arange(1, pairs + 1) ** 1.1
    signs = np.array(list(itertools.product([-1, 1], repeat=pairs)))
    place = boundaries(plan)[pairs]
    rows, columns = np.triu_indices(pairs)
    samples = signs * distances
    averages = np.sort((samples[:, rows] + samples[:, columns]) / 2, axis=1)
    assert (averages[:, -1 - place] < 0).mean() == pytest.approx(look.error)
    assert (averages[:, place] > 0).mean() == pytest.approx(look.error)


@pytest.mark.parametrize("most", [-1, 0, 5, 6])
def test_too_few_pairs_are_refused_with_the_p_they_could_give(most: int) -> None:
    with pytest.raises(
        UserError, match=rf"--max-pairs {most}: so few pairs give p = .* needs 7 or more \(p = 0.00781\)"
    ):
        looks(most)
    with pytest.raises(UserError, match="at most 200"):
        looks(201)


def test_known_decisions() -> None:
    plan = looks(20)
    slow = [-0.10, -0.11, -0.12, -0.09, -0.105, -0.11, -0.10]
    verdict = judge(slow, THRESHOLD, plan)
    assert verdict.decision == "regression"
    assert (verdict.low, verdict.high) == (pytest.approx(math.exp(-0.12)), pytest.approx(math.exp(-0.09)))
    assert verdict.level == pytest.approx(1 - 1 / 128)
    assert judge(slow[:6], THRESHOLD, plan).decision == "go on"
    assert judge([*slow[:6], -0.02], THRESHOLD, plan).decision == "go on"  # one pair that is not slower enough
    assert judge([0.01] * 7, THRESHOLD, plan).decision == "pass"
    assert judge([0.2, -0.2] * 10, THRESHOLD, plan).decision == "undecided"
    assert judge([*slow, -0.1], THRESHOLD, plan).decision == "go on"  # between two looks nothing is decided
    assert judge([0.2, -0.2] * 4, THRESHOLD, plan, ended=True).decision == "undecided"


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize("pairs", [7, 20])
def test_the_smallest_slow_down_is_shown_with_the_power_that_is_said(tails: str, pairs: int) -> None:
    """New gates, of heads that are slower by what an earlier gate of the same scatter said: how many call it slower."""
    rng, plan, gates = np.random.default_rng(8), looks(pairs), 60
    draw = rng.standard_normal if tails == "normal" else lambda shape: rng.standard_t(4, shape)
    shares = []
    for _ in range(gates):
        smallest = smallest_shown((0.02 * draw(pairs)).tolist(), THRESHOLD, plan)
        assert smallest is not None
        logs = math.log1p(-smallest) + 0.02 * draw((40, pairs))
        shares.append((decided(Pairs(logs, logs), THRESHOLD, plan)[0] == 1).mean())
    assert POWER - 0.04 < np.mean(shares) < POWER + 0.1


def test_before_the_first_look_no_slow_down_would_have_been_shown() -> None:
    assert smallest_shown([0.0] * 6, THRESHOLD, looks(20)) is None
    assert smallest_shown([], THRESHOLD, looks(20)) is None


SMALL = (0.002, -0.001, 0.003, -0.002, 0.001, -0.003, 0.0)


@pytest.mark.parametrize(
    ("whole", "typical", "decision", "disagrees"),
    [
        (0.0, 0.0, "pass", False),
        (-0.2, -0.2, "regression", False),
        (-0.2, 0.0, "regression", True),  # every tenth step takes three times as long
        (0.0, 0.05, "intermittent", True),  # its steps are faster, its stalls cost as much
        (0.04, 0.10, "intermittent", True),
        (0.2, 0.0, "pass", True),  # the base stalls, the head no longer does
        (0.0, -0.05, "intermittent", True),  # the base's stalls hide that the head's steps are slower
        (-0.02, 0.0, "pass", False),  # less than the threshold
    ],
)
def test_whole_windows_decide_and_a_typical_step_that_differs_is_a_finding(
    whole: float, typical: float, decision: str, disagrees: bool
) -> None:
    verdict = judge([whole + noise for noise in SMALL], THRESHOLD, looks(20), typical=[typical] * 7)
    assert (verdict.decision, verdict.disagrees) == (decision, disagrees)
    assert verdict.ratio == pytest.approx(math.exp(whole), abs=0.002)
    assert verdict.typical == pytest.approx(math.exp(typical))


def test_one_disturbed_pair_is_no_stall() -> None:
    disturbed = [-0.9, *SMALL[1:]]
    verdict = judge(disturbed, THRESHOLD, looks(20), typical=[0.0] * 7)
    assert (verdict.decision, verdict.disagrees) == ("go on", False)
    quiet = [*SMALL, *SMALL[:6]]  # it costs pairs, not the verdict
    assert judge([*disturbed, *quiet], THRESHOLD, looks(20), typical=[0.0] * 20).decision == "pass"


def test_without_turns_nothing_is_intermittent() -> None:
    verdict = judge([0.0] * 7, THRESHOLD, looks(20))
    assert (verdict.decision, verdict.typical, verdict.gap_low) == ("pass", None, None)


@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_error_rates_at_the_edge_of_the_threshold(tails: str) -> None:
    rng = np.random.default_rng(3)
    draw = rng.standard_normal if tails == "normal" else lambda shape: rng.standard_t(2, shape)
    logs, gaps = EDGE + 0.05 * draw((6000, 20)), EDGE + 0.02 * draw((6000, 20))
    outcome, _ = decided(Pairs(logs, logs), THRESHOLD, looks(20))
    allowed = ERROR + 3 * math.sqrt(ERROR / 6000)
    assert 0.005 < (outcome == 1).mean() < allowed
    assert 0.005 < (outcome == -1).mean() < allowed
    faster = np.full_like(gaps, 0.5)  # so that nothing but the stalls can fail it; they cost what is allowed
    outcome, _ = decided(Pairs(faster + gaps, faster), THRESHOLD, looks(20))
    assert (outcome == 2).mean() < allowed
    assert not (outcome == 1).any()


def test_the_simulation_applies_the_rule_itself() -> None:
    rng, plan = np.random.default_rng(5), looks(20)
    logs = rng.normal(-0.03, 0.04, (120, 20))
    pairs = Pairs(logs, logs + rng.normal(0.0, 0.04, (120, 1)) + rng.normal(0.0, 0.02, (120, 20)))
    names = {value: name for name, value in OUTCOMES.items()}
    outcomes, numbers = decided(pairs, THRESHOLD, plan)
    assert {names[int(outcome)] for outcome in outcomes} == set(OUTCOMES)
    for row, typical, outcome, used in zip(*pairs, outcomes, numbers, strict=True):
        for count in range(1, 21):
            verdict = judge(row[:count].tolist(), THRESHOLD, plan, typical=typical[:count].tolist())
            if verdict.decision != "go on":
                break
        assert (verdict.pairs, verdict.decision) == (used, names[int(outcome)])


def test_simulated_gates_do_not_cry_wolf_and_catch_ten_percent() -> None:
    assert simulate(200, Slowed(), THRESHOLD, 20, Noise(), 4).failed <= 2
    assert simulate(200, Slowed(longer=0.10), THRESHOLD, 20, Noise(), 4).failed >= 190


def test_stalls_are_caught_as_what_they_cost() -> None:
    """Every tenth step three times as long: 20 % over the window, nothing in the typical step."""
    quiet = Noise(process_sd=0.005, turn_sd=0.03, disturbed=0.0)
    whole, typical = quiet.pairs(np.random.default_rng(1), 100, 20, Slowed(stall=3.0))
    assert whole.mean() == pytest.approx(-math.log(1.2), abs=0.01)
    assert abs(typical.mean()) < 0.03  # under the threshold: it alone would have passed
    assert simulate(200, Slowed(stall=3.0), THRESHOLD, 20, Noise(), 4).failed == 200


def test_neighbours_that_disturb_single_turns_are_no_stalls_of_the_head() -> None:
    """Turns of either side are hit alike, a fifth of them, and take three times as long."""
    rates = simulate(400, Slowed(), THRESHOLD, 20, Noise(disturbed=0.2, lengthened=2.0), 4)
    assert rates.failed / 400 < 2 * ERROR
    assert rates.counts["undecided"] > 0


def test_simulated_noise_is_of_the_size_that_was_asked_for() -> None:
    noise = Noise(process_sd=0.02, turn_sd=0.0, drift=0.0, autocorrelation=0.0, disturbed=0.0)
    for logs in noise.pairs(np.random.default_rng(0), 500, 20, Slowed(longer=0.1)):
        assert logs.std() == pytest.approx(0.02 * math.sqrt(2), rel=0.05)
        assert logs.mean() == pytest.approx(-math.log(1.1), abs=0.002)


def test_measured_pairs_are_drawn_as_they_were(tmp_path: Path) -> None:
    known = {"plant": "none", "benchmark": "bert-6l-pt-r1-device", "device": "Example"}
    lines = [
        known | {"log_ratios": values, "typical_log_ratios": [value / 2 for value in values]}
        for values in ([0.01, -0.02], [0.005])
    ]
    path = tmp_path / "gates.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole, typical = Measured.read(path).pairs(np.random.default_rng(0), 50, 20, Slowed(stall=2.0))
    assert set(np.round(whole + math.log(1.1), 9).ravel()) == {0.01, -0.02, 0.005}
    assert np.allclose(typical, (whole + math.log(1.1)) / 2)  # drawn together; the stall is not in it
    assert "3 pairs of 2 real gates, bert-6l-pt-r1-device on Example (gates.jsonl)" in str(Measured.read(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not what bench.studies.gate.shown writes"),
        ('{"plant": "sleep", "log_ratios": [0.1], "typical_log_ratios": [0.1]}', "unchanged revision"),
        ('{"plant": "none", "log_ratios": [0.1]}', "typical_log_ratios"),  # of a gate that decided on the median
    ],
)
def test_other_files_are_no_measured_pairs(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "gates.jsonl").write_text(content)
    with pytest.raises(UserError, match=told):
        Measured.read(tmp_path / "gates.jsonl")
