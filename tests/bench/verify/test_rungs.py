"""Each rung's judgement on answers made by hand."""

from pathlib import Path

import numpy as np
import pytest

from bench.verify import rungs
from bench.verify.samples import rung_workload
from shared.networks import architecture_of, num_trainable, parameter_shapes
from shared.probe import Task
from shared.spec import load


def make_task(kind: str, precision: str = "fp64") -> Task:
    workload = rung_workload(load("effnet-b0", "quick"))
    return Task(kind, kind, precision, workload, str(Path("store")), str(Path("weights")), seeds=(0, 1, 2))


def parameter_answer() -> dict[str, np.ndarray]:
    arch = architecture_of(make_task("parameters").workload)
    answer = {name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(arch).items()}
    return answer | {"num_trainable": np.array(num_trainable(arch))}


def test_equal_parameters_pass() -> None:
    assert all(
        check.passed for check in rungs.judge(make_task("parameters"), parameter_answer(), parameter_answer(), "")
    )


def test_a_parameter_under_another_name_breaks_the_first_rung() -> None:
    other = parameter_answer()
    other["stem.conv.kernel"] = other.pop("stem.conv.weight")
    assert not all(check.passed for check in rungs.judge(make_task("parameters"), parameter_answer(), other, ""))


def test_a_count_that_differs_breaks_the_first_rung() -> None:
    other = parameter_answer() | {"num_trainable": np.array(1)}
    assert not all(check.passed for check in rungs.judge(make_task("parameters"), parameter_answer(), other, ""))


def test_one_label_that_differs_breaks_the_input_rung() -> None:
    answer = {"labels.0": np.array([1, 2]), "images.0": np.ones((1, 2, 2, 3))}
    other = answer | {"labels.0": np.array([1, 3])}
    assert all(check.passed for check in rungs.judge(make_task("input"), answer, answer, ""))
    assert not all(check.passed for check in rungs.judge(make_task("input"), answer, other, ""))


@pytest.mark.parametrize(
    ("precision", "gap", "passed"), [("fp32", 5e-5, True), ("fp32", 5e-4, False), ("fp64", 5e-5, False)]
)
def test_the_forward_rung_holds_each_precision_to_its_own_tolerance(precision: str, gap: float, passed: bool) -> None:
    answer = {"logits": np.array([[1.0, -1.0]]), "s.running_mean": np.ones(2), "s.running_var": np.ones(2)}
    other = answer | {"logits": answer["logits"] * (1 + gap)}
    assert all(check.passed for check in rungs.judge(make_task("forward", precision), other, answer, "")) is passed


def test_a_loss_that_is_not_a_number_breaks_the_trajectory() -> None:
    answer = {"losses": np.array([1.0, np.nan]), "x.weight": np.ones(2)}
    assert not all(check.passed for check in rungs.judge(make_task("trajectory"), answer, answer, ""))


def test_a_missing_answer_breaks_its_rung_and_says_why() -> None:
    (check,) = rungs.judge(make_task("backward"), None, {"loss": np.array(1.0)}, "pt wing exited with 1")
    assert (check.passed, check.rung, check.detail) == (False, 4, "pt wing exited with 1")


def test_an_incomplete_answer_breaks_its_rung() -> None:
    (check,) = rungs.judge(make_task("backward"), {}, {"loss": np.array(1.0)}, "")
    assert not check.passed


def accuracy_answer(correct: list[int]) -> dict[str, np.ndarray]:
    return {"correct": np.array(correct, float), "total": np.full(len(correct), 40.0)}


def test_accuracies_within_chance_of_each_other_pass() -> None:
    checks = rungs.judge(make_task("accuracy"), accuracy_answer([36, 35, 37]), accuracy_answer([35, 37, 38]), "")
    assert all(check.passed for check in checks)


def test_accuracies_that_differ_for_real_break_the_last_rung() -> None:
    checks = rungs.judge(make_task("accuracy"), accuracy_answer([36, 35, 37]), accuracy_answer([20, 22, 25]), "")
    assert not all(check.passed for check in checks)


def test_two_wings_that_learn_nothing_do_not_count_as_equal() -> None:
    checks = rungs.judge(make_task("accuracy"), accuracy_answer([2, 2, 3]), accuracy_answer([2, 3, 2]), "")
    assert not all(check.passed for check in checks)


def test_published_counts_are_those_of_the_table() -> None:
    assert rungs.PUBLISHED["b0"] == 5_288_548
    assert rungs.PUBLISHED["b2"] == 9_109_994
    assert rungs.PUBLISHED["b4"] == 19_341_616
