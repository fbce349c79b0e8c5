"""What is counted of a distilled student, and a teacher's logits in a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.teacher import check_no_other, identity_of, taught
from shared import spec
from shared.distillation import divergence, with_teacher
from shared.errors import UserError
from shared.spec import Workload
from shared.store import MANIFEST, TEACHER, Store, file_sha256, open_store
from shared.task import Decisions, DocumentTask
from shared.tasks import NAMES, distilled, fitting, like, task, tasks_of_store
from tests.distilled import DIRECTIONS, FORMS, logits_of, plain_store, settings, some, taught_store, written_out

TASKS = [name for name in NAMES if task(name).distils is not None]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A taught store of each task's kind."""
    folder = tmp_path_factory.mktemp("taught")
    return {name: taught_store(folder / name, task(name).several) for name in TASKS}


def workload(name: str, **settings: Any) -> Workload:
    """A student's, of a distilled task."""
    table = {"weight": 0.5, "direction": "student", "temperature": 1.0, "form": "task", **settings}
    return spec.load("bert-6l", "quick").overridden(
        {"task": name, "distillation": table, "model.num_classes": 2}, "test"
    )


def of_documents(name: str) -> DocumentTask:
    found = task(name)
    assert isinstance(found, DocumentTask)
    return found


# the divergence


def test_divergences_are_those_that_are_written() -> None:
    for how in settings():
        case = some("distilled_cross_entropy", how, size=2.0)
        rest = {key: each for key, each in how.items() if key != "weight"}
        found = divergence(case.logits, case.teacher, **rest).mean()
        assert found == pytest.approx(written_out(case.logits, case.teacher, how), rel=1e-12), how


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("form", ["softmax", "bernoulli"])
def test_large_logits_against_fifty_digits(form: str, direction: str) -> None:
    mp = pytest.importorskip("mpmath")
    rng = np.random.default_rng(3)
    student, teacher = (rng.uniform(-100, 100, (4, 3)) for _ in range(2))
    expected = []
    with mp.workdps(150):
        for s_row, t_row in zip(student.tolist(), teacher.tolist(), strict=True):
            s, t = ([mp.mpf(each) for each in row] for row in (s_row, t_row))
            if direction == "teacher":
                s, t = t, s
            if form == "softmax":
                p, q = ([mp.exp(each) for each in row] for row in (s, t))
                p, q = ([each / mp.fsum(row) for each in row] for row in (p, q))
                expected.append(mp.fsum(a * mp.log(a / b) for a, b in zip(p, q, strict=True)))
            else:
                pairs = [(1 / (1 + mp.exp(-a)), 1 / (1 + mp.exp(-b))) for a, b in zip(s, t, strict=True)]
                terms = [a * mp.log(a / b) + (1 - a) * mp.log((1 - a) / (1 - b)) for a, b in pairs]
                expected.append(mp.fsum(terms) / len(terms))
    found = divergence(student, teacher, direction, 1.0, form)
    assert found == pytest.approx([float(each) for each in expected], rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_nearer_than_the_same(form: str) -> None:
    logits = np.array([[100.0, -100.0, 3.0], [0.0, 0.0, 0.0]])
    for direction in DIRECTIONS:
        assert not divergence(logits, logits, direction, 1.0, form).any()
        assert (divergence(logits, logits + np.array([0.1, 0.0, 0.0]), direction, 1.0, form)[1:] > 0).all()


def test_at_a_high_temperature_it_is_the_squared_difference() -> None:
    """Hinton et al., section 2.1: of centred logits, half the mean square; with the squared temperature it does not
    vanish."""
    rng = np.random.default_rng(0)
    student, teacher = (rng.standard_normal((5, 4)) for _ in range(2))
    student, teacher = (each - each.mean(1, keepdims=True) for each in (student, teacher))
    expected = ((student - teacher) ** 2).mean(1) / 2
    for direction in DIRECTIONS:
        assert divergence(student, teacher, direction, 1e3, "softmax") == pytest.approx(expected, rel=5e-3)


# the tasks


def test_tasks_and_those_that_they_distil() -> None:
    assert [(name, task(name).distils) for name in TASKS] == [
        ("distilled_classification", "classification"),
        ("distilled_labels", "labels"),
    ]
    assert distilled("labels") == distilled("distilled_labels") == "distilled_labels"
    assert distilled("tags") is None
    assert like("distilled_labels", "classification") == "distilled_classification"
    assert like("labels", "classification") == "classification"
    there = ("labels", "distilled_labels")
    assert fitting("distilled_classification", there) == "distilled_labels"
    assert fitting("classification", there) == fitting("labels", there) == "labels"
    assert fitting("distilled_labels", ("labels",)) is None, "it must not train without a teacher and say nothing"


@pytest.mark.parametrize("name", TASKS)
def test_a_taught_store_has_both_tasks(name: str, stores: dict[str, Store]) -> None:
    assert tasks_of_store(stores[name]) == (task(name).distils, name)


@pytest.mark.parametrize("name", TASKS)
def test_labels_are_the_documents_own_whatever_their_place(name: str, stores: dict[str, Store]) -> None:
    """The teacher's row is found by the document, not by its place in a shuffled batch."""
    store, samples = stores[name], np.array([7, 2, 19])
    labels = task(name).labels(store, samples, 4, 2)
    width = 2 if task(name).several else 1
    assert labels.dtype == np.float32 and labels.shape == (4, width + 2)
    assert np.array_equal(labels[:3, width:], logits_of(store)[samples])
    assert np.array_equal(labels[:3, :width], np.asarray(store.labels[samples]).reshape(3, width))
    assert not labels[3].any()


@pytest.mark.parametrize("name", TASKS)
def test_what_is_counted(name: str, stores: dict[str, Store]) -> None:
    found, store = of_documents(name), stores[name]
    own, teacher = of_documents(str(found.distils)), logits_of(stores[name])
    rng = np.random.default_rng(1)
    samples = np.arange(12)
    logits = rng.standard_normal((12, 2)).astype(np.float32)
    logits[0] = teacher[0]
    settings = {"direction": "teacher", "temperature": 2.0}
    tally = found.tally(store, workload(name, **settings))
    for part in (samples[:5], samples[5:]):
        tally.add(logits[part], part)
    counts = tally.counts()
    plain = own.count(logits, store.labels[samples])
    apart = divergence(logits, teacher[samples], **settings, form="bernoulli" if found.several else "softmax").sum()
    assert counts["loss"] == pytest.approx(plain["loss"] + 0.5 * apart, rel=1e-12)
    assert {key: counts[key] for key in plain if key != "loss"} == {k: v for k, v in plain.items() if k != "loss"}
    alike = np.atleast_2d((own.predicted(logits) == own.predicted(teacher[samples])).reshape(12, -1)).all(1)
    scores = found.scores(counts)
    assert set(scores) == set(found.metrics)
    assert scores["agreement"] == alike.mean() > 0
    assert scores["divergence"] == pytest.approx(apart / 12, rel=1e-12)
    assert {key: scores[key] for key in own.metrics} == own.scores(plain)
    assert found.scores(found.tally(store, workload(name)).counts() | {"samples": 0}) == {}
    decided = Decisions(found.predicted(logits), store.labels[samples])
    assert np.array_equal(found.right(decided), own.right(decided))


def test_a_form_of_its_own_or_the_tasks() -> None:
    forms = {name: task(name).loss_settings(workload(name))["form"] for name in TASKS}
    assert forms == {"distilled_classification": "softmax", "distilled_labels": "bernoulli"}
    assert task("distilled_labels").loss_settings(workload("distilled_labels", form="mse"))["form"] == "mse"
    assert task("labels").loss_settings(spec.load("bert-base")) == {}


def test_the_table_and_the_task_go_together() -> None:
    plain = spec.load("bert-6l", "quick")
    with pytest.raises(UserError, match="the table distillation belongs to a distilled task, and such a task needs it"):
        plain.overridden({"task": "distilled_classification"}, "test")
    with pytest.raises(UserError, match="the table distillation belongs"):
        workload("distilled_labels").overridden({"task": "labels"}, "test")
    with pytest.raises(UserError, match=r"distillation\.wieght: unknown key; allowed here: direction, form, temp"):
        workload("distilled_labels").overridden({"distillation.wieght": 2.0}, "test")
    for key, value in {"weight": -1.0, "temperature": 0.0, "direction": "both", "form": "hard"}.items():
        with pytest.raises(UserError, match=rf"distillation\.{key}: "):
            workload("distilled_labels", **{key: value})


@pytest.mark.parametrize("change", [{"weight": 2.0}, {"direction": "teacher"}, {"temperature": 2.0}, {"form": "mse"}])
def test_every_setting_is_part_of_the_computation(change: dict[str, Any]) -> None:
    one, other = workload("distilled_labels"), workload("distilled_labels", **change)
    assert one.computation_hash != other.computation_hash
    assert one.spec_hash != other.spec_hash


# the store


def edited(store: Store, out: Path, **changes: Any) -> Path:
    """A copy of a store whose manifest says something else."""
    shutil.copytree(store.path, out)
    manifest = json.loads((out / MANIFEST).read_text())
    (out / MANIFEST).write_text(json.dumps(manifest | changes))
    return out


def replaced(store: Store, out: Path, content: np.ndarray) -> Path:
    """A copy of a store with other logits, of which its manifest knows."""
    shutil.copytree(store.path, out)
    (out / TEACHER).unlink()
    np.save(out / TEACHER, content)
    manifest = json.loads((out / MANIFEST).read_text())
    manifest["sha256"][TEACHER] = file_sha256(out / TEACHER)
    manifest["bytes"][TEACHER] = (out / TEACHER).stat().st_size
    (out / MANIFEST).write_text(json.dumps(manifest))
    return out


def test_a_store_keeps_its_teacher(stores: dict[str, Store]) -> None:
    store = stores["distilled_labels"]
    assert np.array_equal(store.teacher, logits_of(store))
    assert store.manifest["teacher"]["name"] == "somebody"
    plain = open_store(store.path.parent / "plain")
    assert plain.teacher is None and plain.digest != store.digest
    assert "teacher" not in plain.manifest
    assert np.array_equal(store.labels, plain.labels) and store.text is not None
    assert store.text[3] == plain.text[3]


def test_logits_of_other_documents_or_classes_are_refused(stores: dict[str, Store], tmp_path: Path) -> None:
    """A teacher that never saw the documents, or saw them in another order; classes of other names."""
    store = stores["distilled_classification"]
    of_others = dict(store.manifest["teacher"], texts="0" * 16)
    with pytest.raises(UserError, match=r"teacher.npy is of other documents: the teacher \(somebody\) never saw these"):
        open_store(edited(store, tmp_path / "texts", teacher=of_others))
    with pytest.raises(UserError, match=r"teacher.npy is of other classes; prepare"):
        open_store(edited(store, tmp_path / "classes", classes=["y", "x"]))
    with pytest.raises(UserError, match=r"teacher.npy and the manifest's 'teacher' go together"):
        open_store(edited(store, tmp_path / "nobody", teacher=None))
    for number, wrong in enumerate(("somebody", {"name": "somebody"}, dict(of_others, name=3), [])):
        with pytest.raises(UserError, match="'teacher' is not a teacher's identity"):
            open_store(edited(store, tmp_path / f"wrong-{number}", teacher=wrong))


def test_logits_that_do_not_fit_are_refused(stores: dict[str, Store], tmp_path: Path) -> None:
    store, logits = stores["distilled_classification"], logits_of(stores["distilled_classification"])
    with pytest.raises(UserError, match=r"float32 of shape \(19, 2\), float32 of \(20, 2\) expected"):
        open_store(replaced(store, tmp_path / "short", logits[1:]))
    with pytest.raises(UserError, match="holds float64 of shape"):
        open_store(replaced(store, tmp_path / "double", logits.astype(np.float64)))
    with pytest.raises(UserError, match="numbers that are not finite"):
        open_store(replaced(store, tmp_path / "nan", np.where(logits > 2, np.nan, logits)), checksums=True)
    cut = tmp_path / "cut"
    shutil.copytree(store.path, cut)
    content = (cut / TEACHER).read_bytes()
    (cut / TEACHER).unlink()
    (cut / TEACHER).write_bytes(content[:-8])
    with pytest.raises(UserError, match=r"teacher.npy: missing or not \d+ bytes long \(half-written\?\)"):
        open_store(cut)


def test_another_teacher_is_refused_and_the_same_one_reused(tmp_path: Path) -> None:
    store = plain_store(tmp_path / "plain")
    older, newer = (identity_of(store, "bert", digit * 64, "spec") for digit in "01")
    out = tmp_path / "taught"
    made = taught(store, logits_of(store), older, out)
    before = (out / MANIFEST).stat().st_mtime_ns
    assert taught(store, logits_of(store, 1), older, out).digest == made.digest, "the same teacher says it once"
    assert (out / MANIFEST).stat().st_mtime_ns == before
    with pytest.raises(UserError, match="exists and is not this store with this teacher's logits"):
        taught(store, logits_of(store), newer, out)
    with pytest.raises(UserError, match=r"of another teacher \(bert, weights 00000000; asked for: bert, weights 111"):
        check_no_other(made, newer)
    check_no_other(made, older)
    check_no_other(store, newer)


def test_labels_beside_a_teacher_fill_up_with_zeros(stores: dict[str, Store]) -> None:
    found = with_teacher(np.array([1, 0, 0], np.int32), stores["distilled_classification"], np.array([4]))
    assert found.shape == (3, 3) and found[0, 0] == 1.0 and not found[1:].any()
