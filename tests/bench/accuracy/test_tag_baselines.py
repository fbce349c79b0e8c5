"""Taggers without a network: the most frequent tag, and each word's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.accuracy.tag_baselines import MAJORITY, OF_WORD, tag_scores, tagged_documents
from bench.cli.baseline import command
from bench.data import synthetic_forms
from bench.data.prepare import prepare
from bench.data.tokens import tokenised
from shared.errors import UserError
from shared.store import Store


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Sixty synthetic forms."""
    return prepare(synthetic_forms.source(60), tmp_path_factory.mktemp("forms") / "store", 32, 1).store


def test_words_and_tags_are_the_documents(forms: Store) -> None:
    documents = tagged_documents(forms, "train")
    assert len(documents) == len(forms.indices("train"))
    assert all(len(words) == len(tags) > 0 for words, tags in documents)
    assert {tag for _, tags in documents for tag in tags} == set(forms.tags)


def test_a_words_own_tag_finds_some_entities_and_the_most_frequent_none(forms: Store) -> None:
    scores = {score.name: score for score in tag_scores(forms)}
    assert list(scores) == [MAJORITY, OF_WORD]
    assert scores[MAJORITY].f1 == 0.0, "most words of a form are parts of nothing"
    assert 0.1 < scores[OF_WORD].f1 < 0.95, "words alone do not settle it"
    assert 0 < scores[OF_WORD].precision <= 1 and 0 < scores[OF_WORD].recall <= 1


def test_the_command_prints_them(forms: Store) -> None:
    outcome = CliRunner().invoke(command, ["--data", str(forms.path)])
    assert outcome.exit_code == 0, outcome.output
    assert f"| {OF_WORD} | train |" in outcome.output


def test_rows_that_are_windows_are_refused(forms: Store, tmp_path: Path) -> None:
    windows = tokenised(forms, None, 512, 64, "head", tmp_path / "windows", with_boxes=True, parts="windows", stride=8)
    with pytest.raises(UserError, match="parts of documents; give the store that it was made from"):
        tag_scores(windows)
