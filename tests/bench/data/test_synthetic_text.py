"""Synthetic texts: a function of their arguments, in which the classes' words carry the labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from bench.data import synthetic_text
from bench.data.prepare import prepare
from bench.data.vocabulary import OWN
from bench.verify.samples import easy_workload, make_samples, rung_workload
from shared import spec
from shared.store import open_store


def own_words(text: str, class_name: str) -> int:
    count = Counter(text.split())
    return sum(count[word] for word in OWN[class_name].split())


def test_the_same_arguments_give_the_same_store(tmp_path: Path) -> None:
    stores = [prepare(synthetic_text.source(48, 3), tmp_path / name, 0, 1).store for name in ("a", "b")]
    assert stores[0].digest == stores[1].digest
    other = prepare(synthetic_text.source(48, 4), tmp_path / "c", 0, 1).store
    assert other.digest != stores[0].digest
    assert np.bincount(stores[0].labels).tolist() == [3] * 16


def test_a_text_is_told_by_its_classs_words() -> None:
    names = list(OWN)
    right = 0
    for number in range(64):
        text = synthetic_text.text(number, 0, [names[number % 16]], (100, 160))
        right += max(names, key=lambda name: own_words(text, name)) == names[number % 16]
    assert right > 55


def test_of_several_labels_about_every_other_text_has_two() -> None:
    labels = [synthetic_text.labels_of(number, 0, 16, several=True) for number in range(320)]
    assert 0.35 < sum(len(each) == 2 for each in labels) / 320 < 0.6
    assert all(number % 16 in each and list(each) == sorted(set(each)) for number, each in enumerate(labels))
    assert all(synthetic_text.labels_of(number, 0, 16, several=False) == (number % 16,) for number in range(32))


def test_the_ladder_has_several_labels_where_the_workload_has(tmp_path: Path) -> None:
    workload = spec.load("bert-base", "quick")
    make_samples(tmp_path / "small", rung_workload(workload), 64, 16)
    make_samples(tmp_path / "easy", easy_workload(workload), 64, 4)
    several, single = open_store(tmp_path / "small"), open_store(tmp_path / "easy")
    assert several.multi_label and several.labels.sum(1).max() == 2
    assert not single.multi_label
