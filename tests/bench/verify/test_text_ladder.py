"""The ladder on a tiny text workload, both frameworks running: it passes, and every planted difference is caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.verify.mutations import mutations_of, run_mutations
from bench.verify.rungs import judge
from bench.verify.samples import (
    NUM_CLASSES,
    ODD_TEXTS,
    Material,
    easy_workload,
    make_material,
    own_size_workload,
    rung_workload,
)
from bench.verify.tasks import make_tasks
from shared.families.bert import FAMILY
from shared.families.bert.ladder import VOCABULARY_SIZE
from shared.families.bert.settings import of_family
from shared.ladder import COMMON_MUTATIONS
from shared.probe import Task
from shared.spec import load
from shared.store import open_store
from tests import tiny_text
from tests.bench.verify.rungs_of import checks_of

WORKLOAD = tiny_text.workload(input__max_tokens=40, input__buckets=(16,), model__hidden_dropout=0.1)
HONEST = {"parameters", "tokens", *(f"{kind}-{precision}" for precision in ("fp64", "fp32")
          for kind in ("input", "forward", "backward", "trajectory"))}  # fmt: skip


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(WORKLOAD, tmp_path_factory.mktemp("ladder"))


def test_the_rungs_workload_keeps_the_mathematics() -> None:
    small = of_family(rung_workload(WORKLOAD))
    assert (small.model.num_classes, small.model.vocabulary_size) == (NUM_CLASSES, VOCABULARY_SIZE)
    assert (small.input.max_tokens, small.input.buckets) == (40, ())
    assert (small.optimizer, small.schedule) == (WORKLOAD.optimizer, WORKLOAD.schedule)
    changed = {"num_classes", "vocabulary_size"}
    assert small.model.model_dump(exclude=changed) == WORKLOAD.model.model_dump(exclude=changed)
    wide = of_family(rung_workload(load("bert-6l")))
    assert (wide.model.num_layers, wide.model.hidden_size, wide.input.max_tokens) == (6, 768, 64)


def test_the_accuracy_rung_has_a_network_that_learns_in_so_few_steps() -> None:
    easy = of_family(easy_workload(load("bert-6l")))
    assert (easy.model.num_classes, easy.model.num_layers, easy.model.hidden_size) == (4, 2, 128)
    assert (easy.model.hidden_dropout, easy.model.classifier_dropout) == (0.0, 0.0)


def test_tasks_of_a_small_and_of_a_wide_workload(material: Material) -> None:
    tasks = make_tasks(WORKLOAD, material)
    assert {task.name for task in tasks} == HONEST | {"predictions"}
    assert [task.name for task in tasks][:2] == ["parameters", "tokens"]
    assert next(task for task in tasks if task.name == "tokens").store == str(material.odd)
    wide = {task.name for task in make_tasks(load("bert-6l"), material, corpus="corpus")}
    assert wide == HONEST | {"predictions", "tokens-corpus", "forward-fp64-512tokens", "forward-fp32-512tokens"}
    own = next(t for t in make_tasks(load("bert-6l"), material) if t.name == "forward-fp32-512tokens")
    assert own.workload == own_size_workload(load("bert-6l"))


def test_samples_are_partly_padding_and_fill_the_width(material: Material) -> None:
    small = open_store(material.small)
    assert small.tokens is not None
    assert small.lengths is not None
    assert small.max_tokens == 40
    assert int(small.tokens.max()) < VOCABULARY_SIZE
    assert small.lengths.min() < 20 < small.lengths.max() == 40
    assert material.odd is not None
    odd = open_store(material.odd)
    assert len(odd.labels) == len(ODD_TEXTS)
    assert odd.text is not None
    assert odd.text[0] == ""


def test_the_count_is_held_against_the_published_one() -> None:
    def difference(**changes: int) -> int:
        counted, published = FAMILY.ladder.counts(
            spec.overridden({f"model.{k}": v for k, v in changes.items()}, "")
        ) or (0, 0)
        return abs(counted - published)

    spec = load("bert-6l")
    assert difference() == 0
    assert FAMILY.ladder.counts(spec) == (66_955_008, 66_955_008)
    assert difference(num_classes=90, vocabulary_size=4096) == 0
    assert difference(intermediate_size=3073) == 6 * (2 * 768 + 1)
    assert difference(num_layers=5) == 0, "nothing was published of it"


@pytest.mark.slow
def test_the_wings_pass_every_rung_of_one_replica(material: Material, tmp_path: Path) -> None:
    """In single precision; double precision is what the mutations below begin with."""
    pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
    pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")
    tasks = [task for task in make_tasks(WORKLOAD, material) if task.precision == "fp32" and task.kind != "predictions"]
    checks = checks_of(tasks, tmp_path)
    assert [check.line() for check in checks if not check.passed] == []
    assert {check.name for check in checks} == {name for name in HONEST if not name.endswith("fp64")}
    assert {check.rung for check in checks} == {1, 2, 3, 4, 5}


# judgements on answers made by hand


def task_of(kind: str, precision: str = "fp64") -> Task:
    return Task(kind, kind, precision, rung_workload(WORKLOAD), "store", "weights")


def gradients() -> dict[str, np.ndarray]:
    shapes = FAMILY.parameter_shapes(FAMILY.architecture(of_family(rung_workload(WORKLOAD))))
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()} | {"loss": np.array(2.0)}


def test_one_token_that_differs_breaks_the_input_rung() -> None:
    answer = {"tokens.0": np.array([[2, 5, 3, 0]]), "padding.0": np.array([[False, False, False, True]])}
    assert all(check.passed for check in judge(task_of("input"), answer, answer, ""))
    for field, value in (("tokens.0", np.array([[2, 6, 3, 0]])), ("padding.0", np.zeros((1, 4), bool))):
        assert not all(check.passed for check in judge(task_of("input"), answer | {field: value}, answer, ""))


@pytest.mark.parametrize(("precision", "gap", "passed"), [("fp64", 1e-10, False), ("fp32", 1e-10, True)])
def test_the_forward_rung_of_texts_is_about_logits_alone(precision: str, gap: float, passed: bool) -> None:
    answer = {"logits": np.array([[1.0, -1.0]])}
    checks = judge(task_of("forward", precision), {"logits": answer["logits"] * (1 + gap)}, answer, "")
    assert [check.passed for check in checks] == [passed]


def test_one_gradient_that_differs_is_named() -> None:
    other = gradients()
    other["layers.1.up.bias"] = other["layers.1.up.bias"] * 1.01
    good = judge(task_of("backward"), gradients(), gradients(), "")
    assert all(check.passed for check in good)
    broken = [check for check in judge(task_of("backward"), other, gradients(), "") if not check.passed]
    assert [check.detail for check in broken] == ["layers.1.up.bias"]


# mutations


def test_texts_have_mutations_of_their_own() -> None:
    mutations = mutations_of(WORKLOAD)
    assert mutations == FAMILY.ladder.all_mutations
    assert set(mutations) & set(mutations_of(load("effnet-b0"))) == set(COMMON_MUTATIONS)
    names = {mutation.name for mutation in mutations}
    assert len(names) == len(mutations)
    assert names >= {"tanh-GELU", "coupled weight decay", "one layer's rate off by a thousandth", "[SEP] missing"}
    assert names >= {"padding mask off"}


@pytest.mark.slow
def test_every_mutation_is_caught_by_the_rung_that_owns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
    pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")
    monkeypatch.setenv("TWINBENCH_RESULTS", str(tmp_path / "results"))
    outcomes = list(run_mutations(WORKLOAD, lambda _: None))
    assert [outcome.mutation for outcome in outcomes] == list(mutations_of(WORKLOAD))
    assert [outcome.detail for outcome in outcomes if not outcome.caught] == []
