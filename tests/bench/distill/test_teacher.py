"""Which teacher, what it is asked, and everything a user can get wrong: as typed, with the fake worker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bench.distill import ask
from bench.distill.teacher import find_teacher, fit_teacher
from bench.run.execution import WEIGHTS
from shared.errors import UserError
from shared.store import TEACHER, VOCABULARY, Store, open_store
from tests.bench.command import Bench, assert_error, by_cell
from tests.bench.fake_bench import make_store
from tests.distilled import SPLITS, plain_store, texts_of
from tests.text_stores import text_store

SMALL = """
base = "bert-6l"

[presets.quick.model]
num_layers = 1
hidden_size = 16
num_heads = 2
intermediate_size = 16
max_positions = 16
vocabulary_size = 256

[presets.quick]
input = { max_tokens = 16 }
train = { batch_per_replica = 4, epochs = 3 }
measure = { warmup_steps = 1, measured_steps = 4 }
data = { synthetic_pages = 64 }
"""

pytestmark = pytest.mark.usefixtures("fake_worker")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A text workload."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Store:
    return plain_store(tmp_path / "texts")


@pytest.fixture
def trained(bench: Bench, small: Path, texts: Store, tmp_path: Path) -> Path:
    """A run that kept its weights."""
    out = tmp_path / "teacher"
    options = ["--framework", "both", "--gpus", "1", "--device", "cpu", "--no-figures", "--out", out]
    code, _, err = bench("run", "--workload", small, "--data", texts.path, *options, "--keep-weights")
    assert code == 0, err
    return out


def distill(bench: Bench, teacher: Path, student: Path, *more: object) -> tuple[int, str, str]:
    options = ["--framework", "pt", "--device", "cpu", "--workers", "1", "--no-figures"]
    return bench("distill", "--teacher", teacher, "--student", student, *options, *more)


def told_store(err: str) -> Store:
    """The store that a student was trained on."""
    (path,) = re.findall(r"^store: (.+)$", err, re.MULTILINE)
    return open_store(path, checksums=True)


# from a teacher to a student's records


def test_a_student_of_a_run(bench: Bench, trained: Path, small: Path, texts: Store, tmp_path: Path) -> None:
    out = tmp_path / "student"
    code, _, err = distill(bench, trained, small, "--copies", 3, "--out", out)
    assert code == 0, err
    store = told_store(err)
    assert store.text is not None and store.teacher is not None
    assert [store.text[row] for row in range(len(SPLITS))] == texts_of(), "the teacher's own texts, originals first"
    assert store.teacher[:, 0].astype(int).tolist() == list(range(len(store.labels))), "a row for each document"
    identity = store.manifest["teacher"]
    assert identity["name"] == "small (quick)" and identity["origin"].startswith("teacher: small-")
    (record,) = by_cell(out).values()
    assert (record.status, record.task, record.headline) == ("ok", "distilled_classification", "accuracy")
    assert record.scores["train"]["test"]["accuracy"] == 0.25
    content = json.loads((out / "run.json").read_text())
    table = content["plan"]["cells"][0]["workload"]["distillation"]
    assert table == {"weight": 4.0, "direction": "student", "temperature": 1.0, "form": "task"}, "as published"
    for line in ("originals", "masked", "replaced", "the teacher's own accuracy: train"):
        assert line in err
    code, shown, _ = bench("data", "info", store.path, "--check")
    assert code == 0 and "teacher    small (quick), weights " in shown
    assert "note: words of the copies: " in shown and "duplicates skipped" in shown


def test_settings_of_the_loss(bench: Bench, trained: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    loss = ["--weight", 2, "--direction", "teacher", "--temperature", 3, "--form", "mse"]
    code, _, err = distill(bench, trained, small, "--copies", 1, *loss, "--out", out)
    assert code == 0, err
    table = json.loads((out / "run.json").read_text())["plan"]["cells"][0]["workload"]["distillation"]
    assert table == {"weight": 2.0, "direction": "teacher", "temperature": 3.0, "form": "mse"}


def test_what_is_there_is_used_again_and_a_run_resumed(
    bench: Bench, trained: Path, small: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _, _, err = distill(bench, trained, small, "--copies", 2, "--out", first)
    store = told_store(err)
    code, _, err = distill(bench, trained, small, "--copies", 2, "--out", second)
    assert code == 0 and "asking" not in err and "making" not in err
    assert told_store(err).digest == store.digest
    assert by_cell(first).keys() == by_cell(second).keys()
    next(iter((first / "records").glob("*.json"))).unlink()
    code, _, err = bench("run", "--resume", first, "--no-figures")
    assert code == 0, err
    assert by_cell(first).keys() == by_cell(second).keys()


def test_a_store_that_has_its_teacher_is_asked_no_more(
    bench: Bench, trained: Path, small: Path, tmp_path: Path
) -> None:
    _, _, err = distill(bench, trained, small, "--copies", 2, "--out", tmp_path / "first")
    store = told_store(err)
    code, _, err = distill(bench, trained, small, "--data", store.path, "--out", tmp_path / "second")
    assert code == 0, err
    assert "has the logits of small (quick) already" in err and told_store(err).digest == store.digest
    answer = distill(bench, trained, small, "--data", store.path, "--copies", 3, "--out", tmp_path / "third")
    assert_error(answer, "--copies", "is a transfer set already; leave it out")
    # trained anew, it says other things: what the older one said is not taken for it
    weights = find_teacher(str(trained), None, None, None).weights
    tensors = load_file(weights)
    tensors["classifier.bias"] = tensors["classifier.bias"] + 1
    save_file(tensors, weights)
    answer = distill(bench, trained, small, "--data", store.path, "--out", tmp_path / "fourth")
    assert_error(answer, "has logits of another teacher (small (quick), weights ", "; asked for: small (quick), wei")


def test_a_distilled_workload_on_a_store_without_a_teacher(
    bench: Bench, trained: Path, small: Path, texts: Store, tmp_path: Path
) -> None:
    own = tmp_path / "student.toml"
    table = 'distillation = { weight = 1.0, direction = "student", temperature = 1.0, form = "task" }\n'
    own.write_text('task = "distilled_classification"\n' + table + SMALL)
    run = ["run", "--workload", own, "--gpus", "1", "--device", "cpu", "--framework", "pt", "--no-figures"]
    answer = bench(*run, "--data", texts.path, "--out", tmp_path / "refused")
    assert_error(answer, f"{texts.path}: has no teacher's logits, and student (quick) learns from some; `bench distill")
    code, _, err = bench(*run, "--out", tmp_path / "own")
    assert code == 0, err
    assert "asking a teacher of the synthetic texts' own" in err
    assert next(iter(by_cell(tmp_path / "own").values())).task == "distilled_classification"


def test_a_dry_run_of_a_distilled_workload_makes_nothing(bench: Bench, tmp_path: Path, results: Path) -> None:
    own = tmp_path / "student.toml"
    table = 'distillation = { weight = 1.0, direction = "student", temperature = 1.0, form = "task" }\n'
    own.write_text('task = "distilled_classification"\n' + table + SMALL)
    code, out, err = bench("run", "--workload", own, "--framework", "pt", "--gpus", "1", "--dry-run")
    assert code == 0, err
    assert "not made yet" in out and not (results / "data").exists()


# the teacher


def test_the_best_cell_of_a_run_is_the_teacher(trained: Path) -> None:
    teacher = find_teacher(str(trained), None, None, None)
    assert teacher.framework == "pt", "both are as good: the first"
    assert teacher.classes == ("x", "y") and teacher.vocabulary and teacher.vocabulary.endswith(VOCABULARY)
    (better,) = (path for path in (trained / "records").glob("*-tf-*.json"))
    record = json.loads(better.read_text())
    record["scores"]["train"]["val"]["accuracy"] = 0.75
    better.write_text(json.dumps(record))
    assert find_teacher(str(trained), None, None, None).framework == "tf"


def test_weights_of_a_file(bench: Bench, trained: Path, small: Path, texts: Store, tmp_path: Path) -> None:
    found = find_teacher(str(trained), None, None, None)
    named = ["--teacher-workload", small, "--teacher-preset", "quick", "--teacher-vocab", found.vocabulary]
    code, _, err = distill(
        bench, found.weights, small, *named, "--data", texts.path, "--copies", 2, "--out", tmp_path / "student"
    )
    assert code == 0, err
    assert told_store(err).manifest["teacher"]["name"] == "small (quick)"
    answer = distill(bench, found.weights, small, *named[:4], "--data", texts.path)
    assert_error(answer, "which vocabulary are its tokens of? Name it with --teacher-vocab")
    assert_error(distill(bench, found.weights, small, *named), "name --data")
    assert_error(distill(bench, found.weights, small), "name it with --teacher-workload")
    other = ["--teacher-workload", "bert-6l", "--teacher-preset", "quick", *named[4:], "--data", texts.path]
    assert_error(distill(bench, found.weights, small, *other), "is it a trained bert-6l (quick)?")
    three = text_store(tmp_path / "three", texts_of(), SPLITS)
    manifest = json.loads((three.path / "manifest.json").read_text())
    (three.path / "manifest.json").write_text(json.dumps(manifest | {"classes": ["x", "y", "z"]}))
    answer = distill(bench, found.weights, small, *named, "--data", three.path)
    assert_error(answer, "a teacher of 2 classes;", "has 3")


def test_teachers_that_cannot_be_asked(
    bench: Bench, trained: Path, small: Path, texts: Store, tmp_path: Path, tiny: list[object]
) -> None:
    assert_error(distill(bench, tmp_path / "nowhere", small), "--teacher", "no weights there", "folder of a run")
    assert_error(distill(bench, trained, small, "--teacher-preset", "quick"), "--teacher-preset", "says that itself")
    pages = tmp_path / "pages"
    code, _, err = bench(*tiny, "--gpus", "1", "--framework", "pt", "--keep-weights", "--no-figures", "--out", pages)
    assert code == 0, err
    answer = distill(bench, pages, small, "--data", texts.path)
    assert_error(answer, "reads pages; a teacher is asked about text alone")
    for path in (trained / "cells").glob(f"*/{WEIGHTS}"):
        path.unlink()
    assert_error(distill(bench, trained, small), "no cell of it has left weights", "--keep-weights")


def test_teachers_of_other_classes_or_labels(bench: Bench, trained: Path, small: Path, tmp_path: Path) -> None:
    other = text_store(tmp_path / "other", texts_of(), SPLITS)
    manifest = json.loads((other.path / "manifest.json").read_text())
    (other.path / "manifest.json").write_text(json.dumps(manifest | {"classes": ["y", "x"]}))
    answer = distill(bench, trained, small, "--data", other.path)
    assert_error(answer, "its 2 classes are not the 2 of", "they stand in another order")
    (other.path / "manifest.json").write_text(json.dumps(manifest | {"classes": ["x", "new"]}))
    assert_error(distill(bench, trained, small, "--data", other.path), "('new' is of one of them alone)")
    several = plain_store(tmp_path / "several", several=True)
    answer = distill(bench, trained, small, "--data", several.path)
    assert_error(answer, "learnt one label each; the documents of", "have several labels each")


def test_documents_that_have_changed_since(bench: Bench, trained: Path, small: Path, results: Path) -> None:
    content = json.loads((trained / "run.json").read_text())
    content["plan"]["store"]["digest"] = "0" * 16
    (trained / "run.json").write_text(json.dumps(content))
    assert_error(distill(bench, trained, small), "are not those it was trained on any more")


def test_students_and_documents_that_do_not_do(bench: Bench, trained: Path, small: Path, tmp_path: Path) -> None:
    answer = distill(bench, trained, Path("effnet-b0"))
    assert_error(answer, "--student effnet-b0: reads pages; a transfer set is text alone")
    pages = make_store(tmp_path / "of-pages", num_classes=2)
    assert_error(distill(bench, trained, small, "--data", pages), "holds no text to learn from")
    untrained = text_store(tmp_path / "untrained", texts_of(4), [1, 1, 2, 2])
    assert_error(distill(bench, trained, small, "--data", untrained.path), "has no training documents")


# what it is asked


def test_parts_are_kept_and_gone_on_from(
    bench: Bench, trained: Path, small: Path, tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "DOCUMENTS_PER_PART", 9)
    answer, done = ask.answer, []

    def breaks(*arguments: object) -> np.ndarray:
        if len(done) == 2:
            raise UserError("the lights went out")
        done.append(arguments[2])
        return answer(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ask, "answer", breaks)
    assert_error(distill(bench, trained, small, "--copies", 2, "--out", tmp_path / "one"), "the lights went out")
    (asked,) = (results / "data").glob(".asked-*.partial/asked.txt")
    assert asked.read_text().split() == ["0..8", "9..17"]
    damaged = asked.parent / "store" / "logits-1.npy"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    monkeypatch.setattr(ask, "answer", answer)
    heard: list[str] = []
    remove = ask.Partial.remove

    def listening(partial: ask.Partial) -> None:
        asked = partial.root / "asked.txt"
        heard.extend(asked.read_text().split() if asked.exists() else [])
        remove(partial)

    monkeypatch.setattr(ask.Partial, "remove", listening)
    code, _, err = distill(bench, trained, small, "--copies", 2, "--out", tmp_path / "two")
    assert code == 0, err
    assert heard[:3] == ["0..8", "9..17", "9..17"], "the part that a crash cut off is asked anew"
    assert told_store(err).teacher[:, 0].astype(int).tolist() == list(range(len(told_store(err).labels)))  # type: ignore[index]


@pytest.mark.parametrize(
    ("behaviour", "line"),
    [
        ("crash", "the teacher gave no answer (crash: "),
        ("few_answers", "the teacher's answer is not one for each document (log: "),
        ("oom_event", "the teacher gave no answer (oom: "),
    ],
)
def test_a_worker_that_gives_no_answer(
    bench: Bench, trained: Path, small: Path, fake_worker: object, behaviour: str, line: str
) -> None:
    fake_worker(behaviour)  # type: ignore[operator]
    assert_error(distill(bench, trained, small, "--copies", 1), line)


def test_a_teacher_that_is_a_student_itself(bench: Bench, trained: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    code, _, err = distill(bench, trained, small, "--copies", 2, "--keep-weights", "--out", out)
    assert code == 0, err
    store = told_store(err)
    teacher = find_teacher(str(out), None, None, None)
    assert teacher.workload.task == "distilled_classification"
    fitted = fit_teacher(teacher, open_store(store.path))
    assert fitted.workload.task == "classification" and fitted.workload.distillation is None
    assert TEACHER in store.manifest["bytes"]


WORDS = """
base = "lstm"

[presets.quick]
model = { hidden_size = 8, vocabulary_size = 64, vector_size = 8, static_vectors = false }
input = { max_words = 16, buckets = [] }
train = { batch_per_replica = 4, epochs = 3 }
measure = { warmup_steps = 1, measured_steps = 4 }
"""


def test_a_teacher_of_whole_words(bench: Bench, small: Path, texts: Store, tmp_path: Path, results: Path) -> None:
    """Its words have the ids that it was trained with, whatever words the transfer set has."""
    workload, run, out = tmp_path / "words.toml", tmp_path / "run", tmp_path / "student"
    workload.write_text(WORDS)
    options = ["--framework", "pt", "--gpus", "1", "--device", "cpu", "--no-figures", "--keep-weights", "--out", run]
    code, _, err = bench("run", "--workload", workload, "--data", texts.path, *options)
    assert code == 0, err
    teacher = find_teacher(str(run), None, None, None)
    assert teacher.vocabulary is not None
    code, _, err = distill(bench, run, small, "--copies", 2, "--out", out)
    assert code == 0, err
    assert told_store(err).manifest["teacher"]["name"] == "words (quick)"
    (asked,) = (path for path in (results / "data").iterdir() if "-0x16-words-" in path.name)
    trained, store = open_store(str(teacher.documents)), open_store(asked, checksums=True)
    assert (asked / VOCABULARY).read_bytes() == Path(teacher.vocabulary).read_bytes()
    assert store.tokens is not None and trained.tokens is not None
    assert np.array_equal(store.tokens[: len(trained.labels)], trained.tokens)
    wordpieces = tmp_path / "vocab.txt"
    wordpieces.write_text("[PAD]\n[CLS]\n[SEP]\n[UNK]\nword\n")
    named = ["--teacher-workload", workload, "--teacher-preset", "quick", "--teacher-vocab", wordpieces]
    answer = distill(bench, teacher.weights, small, *named, "--data", texts.path)
    assert_error(answer, "no vocabulary of whole words ([PAD] and [UNK], then a word a line, none twice)")
