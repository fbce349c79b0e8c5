"""Each rung's judgement on answers made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.verify import rungs
from bench.verify.samples import rung_workload
from shared.families.efficientnet import FAMILY
from shared.families.efficientnet.settings import of_family
from shared.probe import Task
from shared.spec import load


def make_task(kind: str, precision: str = "fp64") -> Task:
    workload = rung_workload(load("effnet-b0", "quick"))
    return Task(kind, kind, precision, workload, str(Path("store")), str(Path("weights")))


def parameter_answer() -> dict[str, np.ndarray]:
    arch = FAMILY.architecture(of_family(make_task("parameters").workload))
    answer = {name: np.zeros(shape, np.float32) for name, shape in FAMILY.parameter_shapes(arch).items()}
    return answer | {"num_trainable": np.array(FAMILY.num_trained(arch))}


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
    task = make_task("forward", precision)
    answer = {"logits": np.array([[1.0, -1.0]])} | statistics_of(task)
    other = answer | {"logits": answer["logits"] * (1 + gap)}
    assert all(check.passed for check in rungs.judge(task, other, answer, "")) is passed


def statistics_of(task: Task) -> dict[str, np.ndarray]:
    """Every statistic of a task's network."""
    shapes = task.family.parameter_shapes(task.family.architecture(task.workload))
    return {name: np.ones(shape) for name, shape in shapes.items() if task.family.is_statistic(name)}


def test_statistics_that_both_wings_leave_out_break_the_forward_rung() -> None:
    task = make_task("forward")
    whole = {"logits": np.array([[1.0, -1.0]])} | statistics_of(task)
    assert all(check.passed for check in rungs.judge(task, whole, whole, ""))
    lacking = {name: value for name, value in whole.items() if name != "stem.norm.running_var"}
    (check,) = rungs.judge(task, lacking, lacking, "")
    assert not check.passed and "stem.norm.running_var" in check.detail


def test_a_loss_that_is_not_a_number_breaks_the_trajectory() -> None:
    answer = {"losses": np.array([1.0, np.nan]), "x.weight": np.ones(2)}
    assert not all(check.passed for check in rungs.judge(make_task("trajectory"), answer, answer, ""))


def test_a_missing_answer_breaks_its_rung_and_says_why() -> None:
    (check,) = rungs.judge(make_task("backward"), None, {"loss": np.array(1.0)}, "pt wing exited with 1")
    assert (check.passed, check.rung, check.detail) == (False, 4, "pt wing exited with 1")


def test_an_incomplete_answer_breaks_its_rung() -> None:
    (check,) = rungs.judge(make_task("backward"), {}, {"loss": np.array(1.0)}, "")
    assert not check.passed


def predictions_answer(wrong: slice, count: int = 1000) -> dict[str, np.ndarray]:
    """Predictions of a network that is wrong on some of so many documents."""
    labels = np.arange(count) % 16
    predicted = labels.copy()
    predicted[wrong] = (labels[wrong] + 1) % 16
    return answered(predicted, labels)


def answered(predicted: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    return {"predicted": predicted, "labels": labels, "right": predicted == labels}


def broken_predictions(pt: dict[str, np.ndarray], tf: dict[str, np.ndarray]) -> list[str]:
    return [check.what for check in rungs.judge(make_task("predictions"), pt, tf, "") if not check.passed]


def test_equal_predictions_pass_however_many_are_wrong() -> None:
    answer = predictions_answer(slice(0, 400))
    assert broken_predictions(answer, answer) == []


def test_a_document_in_two_hundred_may_be_predicted_otherwise() -> None:
    assert broken_predictions(predictions_answer(slice(0, 100)), predictions_answer(slice(5, 100))) == []


def test_a_difference_of_two_points_is_seen() -> None:
    broken = broken_predictions(predictions_answer(slice(0, 100)), predictions_answer(slice(0, 120)))
    assert broken == ["p of equal accuracies"]


def test_equal_accuracies_of_other_documents_are_no_equality() -> None:
    broken = broken_predictions(predictions_answer(slice(0, 100)), predictions_answer(slice(50, 150)))
    assert "share of documents predicted otherwise" in broken
    assert "p of equal accuracies" not in broken


def test_a_wrong_class_in_place_of_another_wrong_one_counts() -> None:
    """Accuracies say nothing of it."""
    pt, tf = predictions_answer(slice(0, 100)), predictions_answer(slice(0, 100))
    tf["predicted"][:50] = (tf["predicted"][:50] + 1) % 16
    tf = answered(tf["predicted"], tf["labels"])
    assert broken_predictions(pt, tf) == ["share of documents predicted otherwise"]


def test_too_few_documents_break_the_rung() -> None:
    answer = predictions_answer(slice(0, 40), count=100)
    assert broken_predictions(answer, answer) == ["smallest difference of accuracies that is seen"]


def test_other_documents_break_the_rung() -> None:
    assert broken_predictions(predictions_answer(slice(0), 1000), predictions_answer(slice(0), 1008)) != []


def test_two_wings_that_learn_nothing_do_not_count_as_equal() -> None:
    answer = predictions_answer(slice(0, 950))
    assert broken_predictions(answer, answer) == ["shortfall from twice chance"]


def test_the_count_is_held_against_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task("parameters")
    ladder = task.family.ladder
    assert ladder.counts(task.workload) == (5_288_548, 5_288_548)
    monkeypatch.setattr(FAMILY, "ladder", replace(ladder, counts=lambda workload: (5_288_548, 5_288_540)))
    broken = [check for check in rungs.judge(task, parameter_answer(), parameter_answer(), "") if not check.passed]
    assert [(check.what, check.figure) for check in broken] == [("difference from the published count", 8)]
    monkeypatch.setattr(FAMILY, "ladder", replace(ladder, counts=lambda workload: None))
    assert all(check.passed for check in rungs.judge(task, parameter_answer(), parameter_answer(), ""))


def test_predictions_of_several_labels_are_right_where_all_of_them_are() -> None:
    labels = (np.random.default_rng(0).random((1000, 16)) < 0.3).astype(np.int64)
    pt, tf = labels.copy(), labels.copy()
    pt[:100, 0] = 1 - pt[:100, 0]
    tf[:100, 0] = 1 - tf[:100, 0]
    tf[:10, 1] = 1 - tf[:10, 1]  # a document is predicted otherwise where one of its labels is

    def answer_of(predicted: np.ndarray) -> dict[str, np.ndarray]:
        return {"predicted": predicted, "labels": labels, "right": (predicted == labels).all(1)}

    checks = rungs.judge(make_task("predictions"), answer_of(pt), answer_of(tf), "")
    assert checks[0].figure == pytest.approx(0.01)
    assert all(check.passed for check in checks)
