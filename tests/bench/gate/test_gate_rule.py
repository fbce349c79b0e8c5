"""The gate's rule: against brute force, and its error rates at the edge of the threshold."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.gate.rule import ERROR, boundaries, judge, looks
from bench.gate.simulate import Measured, Noise, decided, simulate, simulated_pairs
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
    ended = judge([0.2, -0.2] * 4, THRESHOLD, plan, ended=True)
    assert ended.decision == "undecided"
    assert ended.smallest is not None
    assert ended.smallest > 0.15


def test_the_smallest_effect_would_have_failed() -> None:
    noise = np.random.default_rng(1).normal(0, 0.08, 20)
    logs = list(noise - noise.mean() - 0.03)
    verdict = judge(logs, THRESHOLD, looks(20))
    assert verdict.decision == "undecided"
    assert verdict.smallest is not None
    shift = math.log1p(-verdict.smallest) - math.log(verdict.ratio)
    just_beyond = judge([log + shift - 1e-6 for log in logs], THRESHOLD, looks(20)[-1:])
    assert just_beyond.decision == "regression"
    assert judge([log + shift + 1e-6 for log in logs], THRESHOLD, looks(20)[-1:]).decision == "undecided"


@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_error_rates_at_the_edge_of_the_threshold(tails: str) -> None:
    rng = np.random.default_rng(3)
    draw = rng.standard_normal if tails == "normal" else lambda shape: rng.standard_t(2, shape)
    outcome, _ = decided(EDGE + 0.05 * draw((6000, 20)), THRESHOLD, looks(20))
    allowed = ERROR + 3 * math.sqrt(ERROR / 6000)
    assert 0.005 < (outcome == 1).mean() < allowed
    assert 0.005 < (outcome == -1).mean() < allowed


def test_the_simulation_applies_the_rule_itself() -> None:
    rng, plan = np.random.default_rng(5), looks(20)
    logs = rng.normal(-0.05, 0.04, (60, 20))
    for row, outcome, used in zip(logs, *decided(logs, THRESHOLD, plan), strict=True):
        for count in range(1, 21):
            verdict = judge(list(row[:count]), THRESHOLD, plan)
            if verdict.decision != "go on":
                break
        assert (verdict.pairs, verdict.decision) == (used, {1: "regression", -1: "pass", 0: "undecided"}[int(outcome)])


def test_simulated_gates_do_not_cry_wolf_and_catch_ten_percent() -> None:
    assert simulate(200, 0.0, THRESHOLD, 20, Noise(), 4).regressions <= 2
    assert simulate(200, 0.10, THRESHOLD, 20, Noise(), 4).regressions >= 190


def test_simulated_noise_is_of_the_size_that_was_asked_for() -> None:
    noise = Noise(process_sd=0.02, turn_sd=0.0, drift=0.0, autocorrelation=0.0, heavy=0.0)
    logs = simulated_pairs(np.random.default_rng(0), 500, 20, 0.1, noise)
    assert logs.std() == pytest.approx(0.02 * math.sqrt(2), rel=0.05)
    assert logs.mean() == pytest.approx(-math.log(1.1), abs=0.002)


def test_measured_pairs_are_drawn_as_they_were(tmp_path: Path) -> None:
    lines = [
        {"plant": "none", "benchmark": "bert-6l-pt-r1-device", "device": "Example", "log_ratios": values}
        for values in ([0.01, -0.02], [0.005])
    ]
    path = tmp_path / "gates.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    logs = simulated_pairs(np.random.default_rng(0), 50, 20, 0.1, Measured.read(path))
    assert set(np.round(logs + math.log(1.1), 9).ravel()) == {0.01, -0.02, 0.005}
    assert "3 pairs of 2 real gates, bert-6l-pt-r1-device on Example (gates.jsonl)" in str(Measured.read(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "not what bench.gate.shown writes"), ('{"plant": "sleep", "log_ratios": [0.1]}', "unchanged revision")],
)
def test_other_files_are_no_measured_pairs(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "gates.jsonl").write_text(content)
    with pytest.raises(UserError, match=told):
        Measured.read(tmp_path / "gates.jsonl")
