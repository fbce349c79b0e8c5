"""Synthetic forms: words, tags and questions that fit the page they are drawn on."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bench.data import synthetic_forms, synthetic_layout
from bench.data.annotations import OUTSIDE, Annotation, TaggedWord, tag_names
from bench.data.prepare import prepare
from bench.data.synthetic import OCR_SIZE
from bench.data.synthetic_forms import ANSWER, ENTITIES, HEADER, QUESTION, annotation, occurrences, render, source
from bench.data.vocabulary_files import train_vocabulary
from shared.errors import UserError
from shared.store import QUESTIONS, WORD_TAGS, open_store, read_strings
from shared.words import read_words

MANY, FEW = 300, 12  # pages that are read, that are drawn
MOST_WORDS = 60


@pytest.fixture(scope="module")
def forms() -> list[Annotation]:
    return [annotation(number, 0) for number in range(MANY)]


def words_of(form: Annotation) -> list[TaggedWord]:
    return [word for line in form.lines for word in line]


def entities_of(form: Annotation) -> list[tuple[str, str]]:
    """The name and the text of each entity."""
    found: list[tuple[str, str]] = []
    for word in words_of(form):
        if word.tag.startswith("B-"):
            found.append((word.tag[2:], word.text))
        elif word.tag.startswith("I-"):
            found[-1] = found[-1][0], f"{found[-1][1]} {word.text}"
    return found


def test_a_form_is_a_function_of_seed_and_number(forms: list[Annotation]) -> None:
    for number in range(FEW):
        assert annotation(number, 0) == forms[number]
        assert annotation(number, 1) != forms[number]
        page = render(number, 128, 0)
        assert (page.shape, page.dtype) == ((128, 128), np.uint8)
        assert np.array_equal(page, render(number, 128, 0))
        assert (page != render(number, 128, 1)).any()
    texts = {" ".join(word.text for word in words_of(form)) for form in forms}
    assert len(texts) == MANY


def test_tags_are_well_formed(forms: list[Annotation]) -> None:
    names = set(tag_names(ENTITIES))
    for form in forms:
        for line in form.lines:
            before = OUTSIDE
            for word in line:
                assert word.tag in names
                assert not word.tag.startswith("I-") or before[1:] == word.tag[1:], line
                before = word.tag
        kinds = [kind for kind, _ in entities_of(form)]
        assert kinds.count(HEADER) == 1
        assert 5 <= kinds.count(QUESTION) == kinds.count(ANSWER) <= 8
        assert any(word.tag == OUTSIDE for word in words_of(form))


def test_every_answer_stands_once_and_is_one_entity(forms: list[Annotation]) -> None:
    for form in forms:
        texts = [word.text for word in words_of(form)]
        answers = [text for kind, text in entities_of(form) if kind == ANSWER]
        assert 3 <= len(form.questions) <= 5
        assert len({question.text for question in form.questions}) == len(form.questions)
        for question in form.questions:
            (answer,) = question.answers
            assert occurrences(answer, texts) == 1
            assert answers.count(answer) == 1


def test_forms_are_short(forms: list[Annotation]) -> None:
    counts = [len(words_of(form)) for form in forms]
    assert 25 < min(counts) <= max(counts) <= MOST_WORDS
    # as BERT cuts at punctuation; [CLS], [SEP] and the longest question have room beside them
    pieces = [re.findall(r"\w+|[^\w\s]", " ".join(word.text for word in words_of(form))) for form in forms]
    assert max(map(len, pieces)) < 128 - 14


def test_boxes_are_on_the_page_and_apart(forms: list[Annotation]) -> None:
    for number, form in enumerate(forms):
        assert form.size == (OCR_SIZE, OCR_SIZE)
        boxes = np.array([word.box for word in words_of(form)])
        assert boxes.min() >= 0 and boxes.max() <= OCR_SIZE, number
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        left, top, right, bottom = boxes.T
        across = np.minimum(right[:, None], right) > np.maximum(left[:, None], left)
        down = np.minimum(bottom[:, None], bottom) > np.maximum(top[:, None], top)
        assert (across & down).sum() == len(boxes), number  # each overlaps itself alone


def test_words_lie_where_the_ink_is(forms: list[Annotation]) -> None:
    for number in range(FEW):
        page = render(number, OCR_SIZE, 0).astype(int)
        paper = np.median(page)
        for word in words_of(forms[number]):
            left, top, right, bottom = map(round, word.box)
            assert page[top:bottom, left:right].mean() < paper - 30, (number, word)


def test_words_alone_do_not_settle_the_tags(forms: list[Annotation]) -> None:
    kinds = defaultdict(set)
    for form in forms:
        for word in words_of(form):
            kinds[word.text.strip(":").casefold()].add(word.tag[2:])
    for pair in ({"", ANSWER}, {"", QUESTION}, {HEADER, ANSWER}, {HEADER, QUESTION}):
        assert any(pair <= found for found in kinds.values()), pair
    for word in ("leeds", "march", "miller", "steel"):
        assert {"", ANSWER} <= kinds[word], word


def features(form: Annotation, with_place: bool) -> list[dict[str, bool]]:
    """What a linear classifier is told of each word: its pieces, and the height on the page or nothing of it."""
    rows = []
    for word in words_of(form):
        row = dict.fromkeys(re.findall(r"\w+|[^\w\s]", word.text.casefold()), True)
        rows.append(row | ({f"at {int(word.box[1]) // 50}": True} if with_place else {}))
    return rows


def test_words_and_their_places_settle_the_entities(forms: list[Annotation]) -> None:
    """A linear classifier finds them, and finds them better than from the words alone."""
    train, test = forms[: MANY * 2 // 3], forms[MANY * 2 // 3 :]
    right = []
    for with_place in (False, True):
        model = make_pipeline(DictVectorizer(), LogisticRegression(C=10, max_iter=300))
        model.fit(
            [row for form in train for row in features(form, with_place)],
            [word.tag[2:] for form in train for word in words_of(form)],
        )
        right.append(
            model.score(
                [row for form in test for row in features(form, with_place)],
                [word.tag[2:] for form in test for word in words_of(form)],
            )
        )
    words_alone, with_places = right
    assert words_alone < 0.9
    assert with_places > 0.98


def test_a_vocabulary_of_the_pages_covers_them_and_the_questions(forms: list[Annotation]) -> None:
    texts = [" ".join(word.text for word in words_of(form)) for form in forms]
    vocabulary = train_vocabulary(texts, 4096)
    asked = " ".join(question for field in synthetic_forms.FIELDS for question in field.questions)
    pools = " ".join(word for pool in synthetic_forms.POOLS.values() for word in pool)
    for word in re.findall(r"\w+|[^\w\s]", f"{asked} {pools}".lower()):
        assert word in vocabulary.ids, word


def test_a_store_of_forms(tmp_path: Path) -> None:
    store = prepare(source(FEW), tmp_path / "forms", 64, 1).store
    words, forms = read_words(store), [annotation(number, 0) for number in range(FEW)]
    assert words is not None
    tags = np.load(store.path / WORD_TAGS)
    assert len(tags) == len(words.boxes) == sum(len(words_of(form)) for form in forms)
    assert [store.manifest["tags"][tag] for tag in tags] == [word.tag for form in forms for word in words_of(form)]
    assert len(read_strings(store.path, QUESTIONS)) == FEW
    assert (store.name, store.classes, store.image_size) == ("synthetic", ["form"], 64)
    assert store.manifest["annotation_notes"] == []
    assert store.pixels is not None
    assert np.array_equal(store.pixels[3], render(3, 64, 0))
    again = prepare(source(FEW), tmp_path / "again", 64, 1).store
    assert open_store(again.path).digest == store.digest
    assert prepare(source(FEW, 1), tmp_path / "other", 64, 1).store.digest != store.digest


def test_forms_are_told_from_other_sources() -> None:
    assert source(32).fingerprint(64) == source(32).fingerprint(64)
    others = [source(32, 1), source(33), source(32, shares=(0.5, 0.25, 0.25)), synthetic_layout.source(32)]
    assert len({each.fingerprint(64) for each in (source(32), *others)}) == 5
    assert {page.split for page in source(32).pages} == {"train", "val", "test"}
    with pytest.raises(UserError):
        source(0)
