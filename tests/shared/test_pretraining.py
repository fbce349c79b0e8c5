"""What pre-training hides: how much of it, where on the image, what has to be found, on what it depends."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from shared.errors import UserError
from shared.modalities import page_pixels, text_tokens, token_boxes
from shared.pretraining import (
    COVERED,
    HIDDEN,
    NO_PAGE,
    NOT_COVERED,
    OTHER_PAGE,
    OWN_PAGE,
    Hidden,
    another_page,
    hide,
    loss_weights,
    masked_of,
    num_masked,
)
from shared.sections import Pretraining
from shared.store import DOCUMENTS, NO_LABEL, TOKEN_WORDS, VOCABULARY, Store
from shared.tasks import task
from shared.wordpiece import SPECIAL_TOKENS, write_vocabulary
from tests import row_stores, tiny_layout
from tests.row_stores import FIRST_WORD, MASK, NUM_TOKENS, PIXELS, TOKENS_WIDE, grid

SETTINGS = Pretraining(masked=0.15, covered=0.15, replaced=0.15, dropped=0.05, alignment=True, matching=True)
NUM_PAGES, EPOCHS = 40, 40
EMPTY, ONE_WORD = 1, 2  # rows of no word and of one
MOST = num_masked(TOKENS_WIDE, SETTINGS.masked)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A row a page, of 20 to 30 words, four a line; two rows of no word and of one."""
    num_words = np.random.default_rng(0).integers(20, 31, NUM_PAGES)
    num_words[[EMPTY, ONE_WORD]] = 0, 1
    arrays = {DOCUMENTS: np.arange(NUM_PAGES, dtype=np.int32), TOKEN_WORDS: row_stores.framed(num_words.tolist())}
    folder: Path = tmp_path_factory.mktemp("pretraining") / "store"
    return row_stores.make_store(folder, arrays, pages=True)


def hidden_of(
    store: Store,
    samples: np.ndarray,
    drawn: tuple[int, int] | None,
    settings: Pretraining = SETTINGS,
    size: int | None = None,
) -> Hidden:
    size = len(samples) if size is None else size
    tokens, _ = text_tokens(store, samples, size, TOKENS_WIDE)
    boxes, pixels = token_boxes(store, samples, size, TOKENS_WIDE), page_pixels(store, samples, size)
    return hide(store, settings, samples, tokens, boxes, pixels, drawn)


def of_tokens(hidden: Hidden) -> np.ndarray:
    return hidden.labels[:, : hidden.positions.shape[1]]


def alignment(hidden: Hidden) -> np.ndarray:
    return hidden.labels[:, hidden.positions.shape[1] : -1]


def matching(hidden: Hidden) -> np.ndarray:
    return hidden.labels[:, -1]


def masked(hidden: Hidden) -> np.ndarray:
    """Which tokens are to be found (bool, n x T)."""
    found = np.zeros((len(hidden.tokens), TOKENS_WIDE), bool)
    rows, columns = np.nonzero(of_tokens(hidden) != NO_LABEL)
    found[rows, hidden.positions[rows, columns]] = True
    return found


def black(hidden: Hidden, boxes: np.ndarray) -> np.ndarray:
    """Which tokens' boxes are black from edge to edge (bool, n x T)."""
    found = np.zeros(boxes.shape[:2], bool)
    for row, column in np.argwhere((boxes[..., 2:] > boxes[..., :2]).all(-1)):
        found[row, column] = (hidden.pixels[row][inside(boxes[row, column])] == HIDDEN).all()
    return found


def inside(box: np.ndarray) -> np.ndarray:
    """The pixels that share some of their area with a box (bool, S x S)."""
    left, top, right, bottom = (int(edge) * PIXELS for edge in box)
    begin, end = np.arange(PIXELS) * 1000, (np.arange(PIXELS) + 1) * 1000
    return np.outer((begin < bottom) & (end > top), (begin < right) & (end > left))


class Many:
    """Every page in many epochs, two of few words left out."""

    def __init__(self, store: Store) -> None:
        assert store.tokens is not None and store.token_words is not None and store.pixels is not None
        samples = np.array([row for row in range(NUM_PAGES) if row not in (EMPTY, ONE_WORD)])
        parts = [hidden_of(store, samples, (7, epoch)) for epoch in range(EPOCHS)]
        self.samples = np.tile(samples, EPOCHS)
        self.hidden = Hidden(*map(np.concatenate, zip(*parts, strict=True)))
        self.tokens = np.asarray(store.tokens[self.samples])
        self.words = np.asarray(store.token_words[self.samples])
        self.lines, self.boxes = grid(self.words)
        self.greys = store.pixels[self.samples, 0, 0]
        self.own = matching(self.hidden) == OWN_PAGE
        self.masked = masked(self.hidden)


@pytest.fixture(scope="module")
def many(store: Store) -> Many:
    return Many(store)


def assert_share(hits: int, of: int, share: float) -> None:
    """Within five standard deviations of a binomial distribution."""
    assert abs(hits - of * share) < 5 * math.sqrt(of * share * (1 - share)), (hits / of, share)


def test_of_each_text_15_per_cent_are_masked(many: Many) -> None:
    counts = (many.words >= 0).sum(1)
    assert (many.masked.sum(1) == np.rint(counts * 0.15)).all()
    assert abs(many.masked.sum() / counts.sum() - 0.15) < 0.01
    assert not many.masked[many.words < 0].any()
    for word in range(20):  # that every text has: no place is favoured
        assert_share(int(many.masked[many.words == word].sum()), len(counts), many.masked.sum() / counts.sum())


def test_of_the_masked_tokens_80_per_cent_are_hidden_10_another_10_the_same(many: Many) -> None:
    before, after = many.tokens[many.masked], many.hidden.tokens[many.masked]
    assert (many.hidden.tokens[~many.masked] == many.tokens[~many.masked]).all()
    by_chance = 0.1 / NUM_TOKENS  # a token drawn at random may be the same one, or [MASK]
    assert_share(int((after == MASK).sum()), len(after), 0.8 + by_chance)
    assert_share(int((after == before).sum()), len(after), 0.1 + by_chance)
    others = after[(after != MASK) & (after != before)]
    assert len(set(others.tolist())) > NUM_TOKENS * 0.9


def test_labels_are_the_tokens_before(many: Many) -> None:
    rows, columns = np.nonzero(of_tokens(many.hidden) != NO_LABEL)
    places = many.hidden.positions[rows, columns]
    assert (of_tokens(many.hidden)[rows, columns] == many.tokens[rows, places]).all()
    assert not many.hidden.positions[of_tokens(many.hidden) == NO_LABEL].any()
    for row, found in zip(many.hidden.positions, of_tokens(many.hidden), strict=True):
        assert (np.diff(row[found != NO_LABEL]) > 0).all()


def test_15_per_cent_of_the_lines_are_covered(many: Many) -> None:
    covered, lines = 0, 0
    for row in np.flatnonzero(many.own):
        labels = alignment(many.hidden)[row]
        for line in range(many.lines[row].max() + 1):
            found = set(labels[(many.words[row] >= 0) & (many.lines[row] == line) & ~many.masked[row]].tolist())
            assert len(found) <= 1, "a line is covered or not"
            covered, lines = covered + (found == {COVERED}), lines + len(found)
    assert_share(covered, lines, 0.15)


def test_15_per_cent_of_the_images_are_anothers_and_5_left_out(many: Many) -> None:
    left_out = (many.hidden.pixels == NO_PAGE).any((1, 2))
    assert_share(int((~many.own & ~left_out).sum()), len(many.own), 0.15)
    assert_share(int(left_out.sum()), len(many.own), 0.05)
    assert not (left_out & many.own).any()
    for row, pixels in enumerate(many.hidden.pixels):
        (grey,) = set(np.unique(pixels).tolist()) - {HIDDEN}
        assert (grey == many.greys[row]) == many.own[row]


def check_alignment(hidden: Hidden, many: Many) -> None:
    """Every token of a word that is not masked has a label, and no other one."""
    labels = alignment(hidden)
    assert ((labels != NO_LABEL) == ((many.words >= 0) & ~many.masked)).all()
    assert set(np.unique(labels[many.own]).tolist()) == {NO_LABEL, NOT_COVERED, COVERED}
    assert set(np.unique(labels[~many.own]).tolist()) == {NO_LABEL, COVERED}, "nothing of the text is on such an image"


def test_alignment_is_asked_of_all_words_but_the_masked(many: Many) -> None:
    check_alignment(many.hidden, many)


@pytest.mark.parametrize("label", [COVERED, NOT_COVERED])
def test_masked_tokens_that_were_asked_would_be_found(many: Many, label: int) -> None:
    labels = many.hidden.labels.copy()
    alignment(many.hidden._replace(labels=labels))[many.masked] = label
    with pytest.raises(AssertionError):
        check_alignment(many.hidden._replace(labels=labels), many)


def test_an_image_of_another_page_that_counted_as_uncovered_would_be_found(many: Many) -> None:
    labels = many.hidden.labels.copy()
    of_words = alignment(many.hidden._replace(labels=labels))
    of_words[~many.own] = np.where(of_words[~many.own] == COVERED, NOT_COVERED, of_words[~many.own])
    with pytest.raises(AssertionError, match="nothing of the text"):
        check_alignment(many.hidden._replace(labels=labels), many)


def test_masked_and_covered_words_are_black_on_the_image_and_nothing_else(many: Many) -> None:
    hidden_words = black(many.hidden, many.boxes)
    for row in range(0, len(many.samples), 3):
        covered = alignment(many.hidden)[row] == COVERED
        if many.own[row]:
            assert (hidden_words[row] == (many.masked[row] | covered)).all()
        else:
            rest = hidden_words[row] & ~many.masked[row]
            whole = np.isin(many.lines[row], many.lines[row][rest]) & (many.words[row] >= 0)
            assert (hidden_words[row] == (many.masked[row] | whole)).all(), "of a covered line all words are black"
        expected = np.zeros((PIXELS, PIXELS), bool)
        for box in many.boxes[row][hidden_words[row]]:
            expected |= inside(box)
        assert ((many.hidden.pixels[row] == HIDDEN) == expected).all()


def test_nothing_of_the_arguments_is_changed(store: Store) -> None:
    samples = np.arange(6)
    tokens, _ = text_tokens(store, samples, 6, TOKENS_WIDE)
    boxes, pixels = token_boxes(store, samples, 6, TOKENS_WIDE), page_pixels(store, samples, 6)
    before = [array.copy() for array in (tokens, boxes, pixels)]
    hide(store, SETTINGS, samples, tokens, boxes, pixels, (0, 0))
    for array, expected in zip((tokens, boxes, pixels), before, strict=True):
        assert np.array_equal(array, expected)


@pytest.mark.parametrize("drawn", [None, (3, 2)])
def test_what_is_hidden_does_not_depend_on_the_batch(store: Store, drawn: tuple[int, int] | None) -> None:
    samples = np.array([5, 0, 12, EMPTY, 33, ONE_WORD])
    whole = hidden_of(store, samples, drawn)
    for ours, again in zip(whole, hidden_of(store, samples, drawn), strict=True):
        assert np.array_equal(ours, again)
    for order in ([0], [3], [5, 2], [4, 1, 0]):
        for expected, found in zip(whole, hidden_of(store, samples[order], drawn), strict=True):
            assert np.array_equal(found, expected[order])


def test_rows_that_fill_up_have_nothing_to_find(store: Store) -> None:
    samples = np.array([5, 0])
    alone, filled = hidden_of(store, samples, (0, 1)), hidden_of(store, samples, (0, 1), size=4)
    for expected, found in zip(alone, filled, strict=True):
        assert np.array_equal(found[:2], expected)
    assert (filled.labels[2:] == NO_LABEL).all()
    assert not filled.positions[2:].any() and not filled.tokens[2:].any() and not filled.pixels[2:].any()


def test_epochs_seeds_and_samples_have_their_own_draws(store: Store) -> None:
    samples = np.array([0, 3, 4, 5])
    found = [hidden_of(store, samples, drawn) for drawn in ((0, 0), (0, 1), (1, 0))]
    assert len({each.positions.tobytes() for each in found}) == 3
    assert len({row.tobytes() for row in found[0].positions}) > 1


def test_evaluation_hides_the_same_every_time(store: Store) -> None:
    samples = np.arange(NUM_PAGES)
    first, again = hidden_of(store, samples, None), hidden_of(store, samples, None)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(first, again, strict=True))
    assert set(matching(first).tolist()) == {OWN_PAGE, OTHER_PAGE}


def test_another_page_is_never_the_own_one(store: Store) -> None:
    assert store.pixels is not None
    draws = [0.0, 0.3, 0.5, 1 - 2.0**-53]
    for sample in range(NUM_PAGES):
        greys = {int(another_page(store, sample, draw)[0, 0]) for draw in draws}
        assert int(store.pixels[sample, 0, 0]) not in greys
        assert len(greys) > 2


def test_the_own_page_is_that_of_the_rows_document(tmp_path: Path) -> None:
    """Rows are windows of two documents: the other's page is the only other one."""
    arrays = {DOCUMENTS: np.array([0, 0, 1, 1], np.int32), TOKEN_WORDS: row_stores.framed([9] * 4)}
    windows = row_stores.make_store(tmp_path / "store", arrays, pages=True)
    assert windows.pixels is not None
    for sample, other in enumerate([1, 1, 0, 0]):
        for draw in (0.0, 0.9):
            assert np.array_equal(another_page(windows, sample, draw), windows.pixels[other])


def test_a_text_of_no_word_or_of_one(store: Store) -> None:
    for epoch in range(10):
        hidden = hidden_of(store, np.array([EMPTY, ONE_WORD]), (0, epoch))
        assert (of_tokens(hidden)[0] == NO_LABEL).all() and (alignment(hidden)[0] == NO_LABEL).all()
        assert not hidden.positions[0].any()
        assert (of_tokens(hidden)[1] != NO_LABEL).tolist() == [True] + [False] * (MOST - 1)
        assert hidden.positions[1, 0] == 1
        assert (alignment(hidden)[1] == NO_LABEL).all()
        assert (matching(hidden) != NO_LABEL).all()


def test_how_many_are_masked() -> None:
    assert masked_of(np.array([0, 1, 2, 3, 10, 100]), 0.15).tolist() == [0, 1, 1, 1, 2, 15]
    assert masked_of(np.array([0, 5]), 0.0).tolist() == [0, 1]
    assert (num_masked(8, 0.0), num_masked(1, 0.15), num_masked(512, 0.15)) == (1, 1, 77)
    for width in range(3, 200):
        assert masked_of(np.arange(width - 1), 0.15).max() <= num_masked(width, 0.15), "they all have a place"


def test_targets_that_are_not_wanted_have_no_labels(store: Store) -> None:
    samples = np.arange(NUM_PAGES)
    both = hidden_of(store, samples, (0, 0))
    no_lines = hidden_of(store, samples, (0, 0), SETTINGS.model_copy(update={"alignment": False}))
    assert (alignment(no_lines) == NO_LABEL).all()
    assert np.array_equal(matching(no_lines), matching(both))
    own_images = hidden_of(store, samples, (0, 0), SETTINGS.model_copy(update={"matching": False}))
    assert (matching(own_images) == NO_LABEL).all()
    assert not (own_images.pixels == NO_PAGE).any()
    assert store.pixels is not None
    assert (own_images.pixels.max((1, 2)) == store.pixels[:, 0, 0]).all()
    for each in (no_lines, own_images):
        assert np.array_equal(of_tokens(each), of_tokens(both))


def test_without_an_image_tokens_alone_are_hidden(store: Store) -> None:
    samples = np.arange(6)
    tokens, _ = text_tokens(store, samples, 6, TOKENS_WIDE)
    boxes, none = token_boxes(store, samples, 6, TOKENS_WIDE), np.zeros((6, 0, 0), np.uint8)
    settings = SETTINGS.model_copy(update={"alignment": False, "matching": False})
    found, whole = hide(store, settings, samples, tokens, boxes, none, (0, 0)), hidden_of(store, samples, (0, 0))
    assert np.array_equal(found.tokens, whole.tokens)
    assert np.array_equal(of_tokens(found), of_tokens(whole))
    assert (found.labels[:, MOST:] == NO_LABEL).all()


def test_a_vocabulary_without_a_mask_is_refused(tmp_path: Path) -> None:
    arrays = {DOCUMENTS: np.arange(2, dtype=np.int32), TOKEN_WORDS: row_stores.framed([3, 3])}
    store = row_stores.make_store(tmp_path / "store", arrays, pages=True)
    write_vocabulary(store.path / VOCABULARY, [*SPECIAL_TOKENS[:-1], "a"])
    with pytest.raises(UserError, match=r"its vocabulary has no \[MASK\]") as caught:
        hidden_of(store, np.arange(2), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unwanted", [(), ("alignment",), ("matching",), ("alignment", "matching")])
def test_factors_make_each_loss_the_mean_over_its_labels(store: Store, unwanted: tuple[str, ...]) -> None:
    settings = SETTINGS.model_copy(update=dict.fromkeys(unwanted, False))
    together = np.array([4, EMPTY, 9, ONE_WORD, 17, 30])
    factors = loss_weights(store, settings, len(together), together, pages=True)
    hidden = hidden_of(store, together, (0, 3), settings)
    assert (factors.dtype, factors.shape) == (np.float32, (6, 3))
    for index, labels in enumerate((of_tokens(hidden), alignment(hidden), matching(hidden)[:, None])):
        labelled = labels != NO_LABEL  # each with a loss of one
        expected = 1.0 if labelled.any() else 0.0
        assert (labelled.sum(1) * factors[:, index]).mean() == pytest.approx(expected, rel=1e-6)


def test_scores_of_a_network_that_is_right(store: Store) -> None:
    """And of one that is right about the image alone."""
    found, names = task("pretraining"), ("tokens", "alignment", "matching")
    workload = tiny_layout.workload(task="pretraining", pretraining=SETTINGS.model_dump())
    samples = np.arange(12)
    hidden = hidden_of(store, samples, None)
    right = [10.0 * np.eye(size)[np.maximum(labels, 0)].reshape(12, -1) for size, labels in (
        (NUM_TOKENS, of_tokens(hidden)), (2, alignment(hidden)), (2, matching(hidden)[:, None]),
    )]  # fmt: skip
    for logits, expected in (
        (np.concatenate(right, 1), (1.0, 1.0, 1.0)),
        (np.concatenate([-right[0], -right[1], right[2]], 1), (0.0, 0.0, 1.0)),
    ):
        tally = found.tally(store, workload)
        for part in (samples[:5], samples[5:]):
            tally.add(logits[part].astype(np.float32), part)
        counts = tally.counts()
        assert counts["samples"] == 12
        assert [counts[f"{name}_labels"] for name in names] == [
            int((labels != NO_LABEL).sum()) for labels in (of_tokens(hidden), alignment(hidden), matching(hidden))
        ]
        scores = found.scores(counts)
        assert set(scores) == set(found.metrics)
        assert tuple(scores[name] for name in names) == expected
        assert counts["loss"] == pytest.approx(sum(counts[f"{name}_loss"] for name in names))
        decisions = found.decisions(store, workload, logits.astype(np.float32), samples)
        assert found.right(decisions).mean() == pytest.approx(
            sum(counts[f"{name}_correct"] for name in names) / sum(counts[f"{name}_labels"] for name in names)
        )


def test_words_of_the_vocabulary_are_what_is_hidden(many: Many) -> None:
    assert many.tokens[many.masked].min() >= FIRST_WORD
