"""What a run of a text workload is fitted to: its request, its store, its vocabulary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.run import resolve, stores
from bench.run.plan import Request
from shared import spec
from shared.errors import UserError
from shared.families import family_of
from shared.families.bert.settings import of_family
from shared.spec import Workload
from shared.store import Store, open_store
from shared.store_facts import StoreFacts
from shared.weights import save_weights
from shared.wordpiece import SPECIAL_TOKENS
from tests import text_stores, tiny_text
from tests.bench import fake_bench

WORKLOAD = tiny_text.workload()
WORDS = ["invoice", "amount", "letter", "dear", "report", "table", "result", "memo", "date", "total", "tax", "note"]


@pytest.fixture
def texts(tmp_path: Path) -> Store:
    """Forty texts of a few words."""
    rng = np.random.default_rng(0)
    content = [" ".join(rng.choice(WORDS, rng.integers(1, 60))) for _ in range(40)]
    return text_stores.text_store(tmp_path / "texts", content, splits=[0] * 30 + [1] * 5 + [2] * 5)


def request(**changes: object) -> Request:
    return Request(workload="bert-6l", preset="quick", device="cpu", replicas=(1,), **changes)  # type: ignore[arg-type]


def resolved(store: str | None, said: list[str] | None = None, dry_run: bool = False, **options: str) -> StoreFacts:
    return stores.resolve_store(store, WORKLOAD, dry_run, (said if said is not None else []).append, **options)


def start_of(workload: Workload) -> dict[str, np.ndarray]:
    family = family_of(workload)
    return family.initial_weights(family.architecture(workload), 0)


def vocabulary_file(path: Path, words: list[str] = WORDS) -> str:
    path.write_text("\n".join([*SPECIAL_TOKENS, *words]) + "\n")
    return str(path)


# requests


def test_texts_have_no_second_stage() -> None:
    with pytest.raises(UserError, match=r"--finetune: bert-6l has no second stage; leave it out"):
        resolve.resolve_workload(request(finetune=True), "cpu")


def test_options_override_the_text_workload() -> None:
    workload = resolve.resolve_workload(request(batch=2, steps=7, epochs=3), "cpu")
    assert of_family(workload) is workload
    assert (workload.train.batch_per_replica, workload.measure.measured_steps, workload.train.epochs) == (2, 7, 3)


def test_on_a_cpu_the_quick_preset_is_the_default() -> None:
    assert resolve.resolve_workload(replace(request(), preset=None), "cpu").preset == "quick"
    assert resolve.resolve_workload(replace(request(), preset=None), "cuda").preset == "full"


@pytest.mark.parametrize("folder", [True, False])
def test_weights_may_be_a_file_or_a_folder_of_the_library(tmp_path: Path, folder: bool) -> None:
    workload = resolve.resolve_workload(request(), "cpu")
    save_weights(tmp_path / "model.safetensors", start_of(workload))
    path = tmp_path if folder else tmp_path / "model.safetensors"
    resolve.check_weights(replace(request(), weights=str(path)), workload)


def test_weights_of_another_size_name_the_tensors_and_both_shapes(tmp_path: Path) -> None:
    workload = resolve.resolve_workload(request(), "cpu")
    larger = workload.overridden({"model.intermediate_size": 2 * workload.model.intermediate_size}, "test")
    save_weights(tmp_path / "model.safetensors", start_of(larger))
    with pytest.raises(UserError, match=r"--weights .*layers.0.up.weight is \(\d+, \d+\), wanted \(\d+, \d+\)"):
        resolve.check_weights(replace(request(), weights=str(tmp_path)), workload)


def test_a_folder_with_a_pickle_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UserError, match=r"pytorch_model\.bin: a pickle, which could run code"):
        resolve.check_weights(replace(request(), weights=str(tmp_path)), resolve.resolve_workload(request(), "cpu"))


def facts(**changes: object) -> StoreFacts:
    fields = {"num_classes": 4, "image_size": None, "split_sizes": {"train": 24, "val": 7, "test": 5}}
    known = {"max_tokens": 32, "vocabulary_size": 64, "tasks": ("classification",)}
    return StoreFacts("store", "noise", "digest", **(fields | known | changes))  # type: ignore[arg-type]


def test_a_store_that_fits_says_nothing() -> None:
    assert resolve.fit_to_store(request(epochs=0), WORKLOAD, facts()) == (WORKLOAD, 0, [])


def test_classes_vocabulary_and_labels_are_the_stores_and_told() -> None:
    store = facts(num_classes=90, vocabulary_size=2000, tasks=("labels",))
    workload, _, notes = resolve.fit_to_store(request(epochs=0), WORKLOAD, store)
    model = of_family(workload).model
    assert (model.num_classes, model.vocabulary_size, workload.task) == (90, 2000, "labels")
    assert notes == [
        "the store has 90 classes, the workload 4: the store's",
        "the vocabulary has 2000 entries, the workload's 64: the vocabulary's",
        "the store's documents have several labels each",
    ]


def test_a_store_with_one_label_each_for_a_workload_of_several() -> None:
    several = tiny_text.workload(task="labels")
    workload, _, notes = resolve.fit_to_store(request(epochs=0), several, facts())
    assert workload.task == "classification"
    assert notes == ["the store's documents have one label each"]


def test_pages_may_have_several_labels_each() -> None:
    image = spec.load("effnet-b0", "quick")
    store = facts(num_classes=16, image_size=96, max_tokens=None, vocabulary_size=None, tasks=("labels",))
    workload, _, notes = resolve.fit_to_store(replace(request(epochs=0), batch=2), image, store)
    assert (workload.task, notes) == ("labels", ["the store's documents have several labels each"])


def test_a_store_of_several_kinds_of_labels_keeps_the_workloads_task() -> None:
    store = facts(tasks=("classification", "labels"))
    for workload in (WORKLOAD, tiny_text.workload(task="labels")):
        assert resolve.fit_to_store(request(epochs=0), workload, store) == (workload, 0, [])


def test_a_vocabulary_that_is_not_known_changes_nothing() -> None:
    workload, _, notes = resolve.fit_to_store(request(epochs=0), WORKLOAD, facts(vocabulary_size=None))
    assert (workload, notes) == (WORKLOAD, [])


# stores


def test_a_vocabulary_for_pages_is_refused(tmp_path: Path) -> None:
    image = spec.load("effnet-b0", "quick")
    with pytest.raises(UserError, match=r"--vocab: effnet-b0 reads pages, not text; leave it out"):
        stores.resolve_store(None, image, False, print, vocabulary=vocabulary_file(tmp_path / "vocab.txt"))


def test_a_store_without_text_is_refused(tmp_path: Path) -> None:
    images = fake_bench.make_store(tmp_path / "pages")
    with pytest.raises(UserError, match=r"pages: holds no text, and bert-6l reads text; prepare it again .*--ocr"):
        resolved(str(images))


def test_texts_for_an_image_workload_are_refused(texts: Store) -> None:
    with pytest.raises(UserError, match=r"holds no pages, and effnet-b0 reads pages"):
        stores.resolve_store(str(texts.path), spec.load("effnet-b0", "quick"), False, print)


def test_texts_are_tokenised_once_and_kept(texts: Store, results: Path) -> None:
    said: list[str] = []
    first = resolved(str(texts.path), said)
    made = Path(first.path)
    assert made.parent == results / "data"
    assert said == [f"tokenising the store's texts: {made}"]
    assert (first.max_tokens, first.tasks, first.image_size, first.num_classes) == (32, ("classification",), None, 2)
    assert first.split_sizes == {"train": 30, "val": 5, "test": 5}
    store = open_store(made, checksums=True)
    assert store.tokens is not None
    assert store.lengths is not None
    assert int(store.tokens.max()) < first.vocabulary_size <= 64
    assert store.lengths.max() == 32
    before = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    again: list[str] = []
    assert resolved(str(texts.path), again) == first
    assert again == []
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == before


def test_every_tokenisation_has_a_store_of_its_own(texts: Store, tmp_path: Path) -> None:
    one, other = vocabulary_file(tmp_path / "one.txt"), vocabulary_file(tmp_path / "other.txt", WORDS[::-1])
    path = str(texts.path)
    made = [
        resolved(path),
        resolved(path, vocabulary=one),
        resolved(path, vocabulary=other),
        stores.resolve_store(path, tiny_text.workload(input__max_tokens=16), False, print),
        stores.resolve_store(path, tiny_text.workload(input__truncation="head+tail"), False, print),
        stores.resolve_store(path, tiny_text.workload(model__vocabulary_size=80), False, print),
    ]
    assert len({pages.path for pages in made}) == len(made)
    assert len({pages.digest for pages in made}) == len(made)
    assert made[1].vocabulary_size == len(SPECIAL_TOKENS) + len(WORDS)


def test_a_store_that_was_tokenised_by_hand_is_taken_as_it_is(texts: Store) -> None:
    kept = resolved(str(texts.path))
    assert resolved(kept.path) == kept


def test_a_dry_run_makes_nothing(texts: Store, results: Path, tmp_path: Path) -> None:
    said: list[str] = []
    own = resolved(str(texts.path), said, dry_run=True)
    named = resolved(str(texts.path), said, dry_run=True, vocabulary=vocabulary_file(tmp_path / "vocab.txt"))
    assert (own.digest, own.max_tokens, own.vocabulary_size) == (stores.NOT_MADE, 32, 64)
    assert named.vocabulary_size == len(SPECIAL_TOKENS) + len(WORDS)
    assert resolved(None, said, dry_run=True).split_sizes["train"] > 0
    assert said == []
    assert not results.exists()


def test_without_data_synthetic_texts_are_made_and_tokenised(results: Path) -> None:
    workload, said = tiny_text.workload(data__synthetic_pages=64, model__vocabulary_size=300), list[str]()
    found = stores.resolve_store(None, workload, False, said.append)
    assert (found.num_classes, found.max_tokens, sum(found.split_sizes.values())) == (4, 32, 64)
    assert [line.split(":")[0] for line in said] == ["making 64 synthetic texts", "tokenising the store's texts"]
    assert len(list((results / "data").iterdir())) == 2
    assert stores.resolve_store(None, workload, False, said.append) == found
    assert len(said) == 2


def test_several_labels_are_described(tmp_path: Path) -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.uint8)
    store = text_stores.text_store(tmp_path / "several", WORDS[:4], labels=labels)
    found = resolved(str(store.path))
    assert found.tasks == ("labels",)
    with pytest.raises(UserError, match=r"holds no pages"):
        stores.resolve_store(str(store.path), spec.load("effnet-b0", "quick"), False, print)


def test_a_vocabulary_is_looked_at_before_texts_are_made(results: Path, tmp_path: Path) -> None:
    """Also in a dry run that has no texts yet."""
    damaged = tmp_path / "vocab.txt"
    damaged.write_text("the\n")
    for dry_run in (True, False):
        with pytest.raises(UserError, match="without \\[PAD\\]"):
            resolved(None, dry_run=dry_run, vocabulary=str(damaged))
    assert not results.exists()


def test_synthetic_pages_have_several_labels_where_the_task_has() -> None:
    several = spec.load("effnet-b0", "quick").overridden({"task": "labels", "data.synthetic_pages": 64}, "test")
    facts = stores.resolve_store(None, several, False, print)
    assert facts.tasks == ("labels",)
    labels = open_store(facts.path).labels
    assert sorted(set(labels.sum(1).tolist())) == [1, 2]


def test_a_store_of_pages_tells_its_size_and_its_task(tmp_path: Path) -> None:
    store = fake_bench.make_store(tmp_path / "pages")
    found = stores.describe(open_store(store))
    assert (found.tasks, found.image_size, found.max_tokens) == (("classification",), 32, None)
    assert found.vocabulary_size is None
