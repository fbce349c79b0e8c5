"""Windows of documents, and questions with windows: what their rows hold and where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.annotations import AnnotatedText, Annotation, Question, TaggedWord, tag_names
from bench.data.encoder import Encoder
from bench.data.parts import LONG, NOT_IN_TEXT, QUESTION_CUT, find_words, token_span, windows_of
from bench.data.prepare import prepare
from bench.data.source import Page, Source
from bench.data.synthetic_forms import source
from bench.data.tokens import tokenised
from bench.data.vocabulary_files import Vocabulary
from shared.errors import UserError
from shared.modalities import page_pixels
from shared.store import NO_LABEL, WORD_TAGS, Store, open_store
from shared.wordpiece import CLS, SEP, SPECIAL_TOKENS, UNK, read_vocabulary
from shared.words import Words, read_words
from tests.text_stores import text_store

WIDTH, STRIDE, FORMS = 40, 6, 14
ENTITIES = ("date",)
PIECES = ["a", "b", "c", "##a", "##b", "##c", "?", ".", ","]
SMALL = Vocabulary((*SPECIAL_TOKENS, *PIECES), "small")
CASES = [
    (length, room, stride)
    for length in (0, 1, 2, 5, 6, 7, 30, 31, 97)
    for room in (1, 2, 6, 7, 38)
    for stride in (0, 1, 2, 3, 5, 13)
    if stride < room
]


@pytest.mark.parametrize(("length", "room", "stride"), CASES)
def test_windows_cover_a_text_and_score_every_token_once(length: int, room: int, stride: int) -> None:
    windows = windows_of(length, room, stride)
    assert [window.begin for window in windows[:1]] == [0] and windows[-1].end == length
    assert all(window.end - window.begin == room for window in windows[:-1])
    assert windows[-1].end - windows[-1].begin <= room
    scored = np.zeros(length, int)
    for window in windows:
        assert window.begin <= window.own_begin <= window.own_end <= window.end
        scored[window.own_begin : window.own_end] += 1
    assert (scored == 1).all()
    for before, after in pairwise(windows):
        assert before.end - after.begin == stride
    assert len(windows) == 1 or windows[-2].end < length, "no window too many"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("paris", (1, 1)),
        ("PARIS,  france", (1, 2)),
        ("Paris France", (1, 2)),
        ("france 1", None),
        ("(12)", (4, 4)),
        ("12", (4, 4)),
        ("to", (0, 0)),
        ("", None),
        ("to Paris, France. in (12) to", (0, 5)),
        ("to paris, france. in (12) to x", None),
    ],
)
def test_words_of_an_answer(wanted: str, expected: tuple[int, int] | None) -> None:
    assert find_words(["to", "Paris,", "France.", "in", "(12)", "to"], wanted) == expected


def test_the_tokens_of_an_answer() -> None:
    whole = np.array([0, 0, 1, 2, 2, 2, 3])
    row = np.array([-1, 0, 1, 2, 2, 2, -1])
    assert token_span(row, whole, (1, 2)) == (2, 5)
    assert token_span(row, whole, (0, 0)) == (0, 0), "its first piece is in another window"
    assert token_span(row, whole, (2, 3)) == (0, 0)
    assert token_span(row, whole, (5, 6)) == (0, 0), "words without tokens"


# documents made by hand


def blank(key: Any, size: int) -> np.ndarray:
    return np.full((size, size), 255, np.uint8)


def annotation(lines: Sequence[Sequence[str]], questions: Sequence[Question], key: int) -> Annotation:
    """A document, each of whose words has a box of its own and is a date if it holds a letter b."""
    words = [
        [TaggedWord(word, (row, column, row + 1, column + 1), "B-date" if "b" in word else "O")
         for column, word in enumerate(line)]
        for row, line in enumerate(lines)
    ]  # fmt: skip
    return Annotation(words, (100, 100), tuple(questions))


def by_key(
    documents: Sequence[Sequence[Sequence[str]]], questions: Sequence[Sequence[Question]], key: int
) -> Annotation:
    return annotation(documents[key], questions[key], key)


def made(
    path: Path, documents: Sequence[Sequence[Sequence[str]]], questions: Sequence[Sequence[Question]] = ()
) -> Store:
    """A store of documents, each a list of lines of words, with tags or with questions."""
    read = partial(by_key, documents, questions or [()] * len(documents))
    text = AnnotatedText("hand", read, ENTITIES, asks=bool(questions))
    pages = [Page(number, 0, "train", f"{number}") for number in range(len(documents))]
    return prepare(Source("hand", ["all"], pages, blank, {}, text=text), path, 8, 1).store


def cut(store: Store, out: Path, parts: Any, width: int, stride: int, **arguments: Any) -> Store:
    arguments = dict[str, Any](
        {"vocabulary": SMALL, "vocabulary_size": 0, "with_pages": True, "with_boxes": True} | arguments
    )
    derived = tokenised(store, arguments.pop("vocabulary"), arguments.pop("vocabulary_size"), width, "head", out,
                        parts=parts, stride=stride, **arguments)  # fmt: skip
    return open_store(derived.path, checksums=True)


@pytest.mark.parametrize("stride", [0, 1, 3, 5])
@pytest.mark.parametrize("width", [8, 9, 16, 64])
def test_every_word_is_scored_once(tmp_path: Path, width: int, stride: int) -> None:
    """Words of up to thirty pieces, which are longer than a window, and documents of none."""
    rng = np.random.default_rng(width)
    lengths = [0, 1, 2, 5, 23, 60]
    documents = [
        [["".join(rng.choice(list("abc"), rng.choice([1, 2, 4, 30]))) for _ in range(length)]] for length in lengths
    ]
    store = made(tmp_path / "store", documents)
    found = cut(store, tmp_path / "rows", "windows", width, stride)
    tags, words = np.load(store.path / WORD_TAGS), read_words(store)
    assert found.token_tags is not None and found.token_words is not None and words is not None
    scored = found.token_tags != NO_LABEL
    assert scored.sum() == len(words.boxes) == sum(lengths)
    for document in range(len(lengths)):
        rows = found.document_of(np.arange(len(found.labels))) == document
        assert found.token_words[rows][scored[rows]].tolist() == list(range(lengths[document]))
        of_document = slice(words.offsets[document], words.offsets[document + 1])
        assert found.token_tags[rows][scored[rows]].tolist() == tags[of_document].tolist()


def test_lines_are_counted_from_the_rows_first(tmp_path: Path) -> None:
    documents = [[["a", "b"], ["c"], ["aa", "c"], ["b"]]]
    found = cut(made(tmp_path / "store", documents), tmp_path / "rows", "windows", 6, 0)
    assert found.token_words is not None and found.token_lines is not None
    assert found.token_words.tolist() == [[-1, 0, 1, 2, 3, -1], [-1, 3, 4, 5, -1, -1]]
    assert found.token_lines.tolist() == [[0, 0, 0, 1, 2, 0], [0, 0, 0, 1, 0, 0]]


def test_lines_whose_words_have_no_tokens_are_not_counted(tmp_path: Path) -> None:
    """A word of a zero-width character alone: so many of them made a store that nobody could open."""
    documents = [[["a"], *[["\u200b"]] * 20, ["b"]]]
    found = cut(made(tmp_path / "store", documents), tmp_path / "rows", "windows", 8, 0)
    assert found.token_words is not None and found.token_lines is not None
    assert found.token_words.tolist() == [[-1, 0, 21, -1, -1, -1, -1, -1]]
    assert found.token_lines.tolist() == [[0, 0, 1, 0, 0, 0, 0, 0]]


ASKED = [
    [
        Question("a?", ("zz", "c b")),  # the second answer is in the text
        Question("b? " * 20, ("a",)),
        Question("c?", ("elsewhere",)),
        Question("c?", ()),
        Question("", ("B",)),
    ],
    [],
    [Question("a?", ("a",))],
]
TEXT = [[["a", "c", "b,"], ["c", "c", "b", "c", "a"]], [["a"]], []]


def test_questions_by_hand(tmp_path: Path) -> None:
    found = cut(made(tmp_path / "store", TEXT, ASKED), tmp_path / "rows", "questions", 14, 3)
    assert found.documents is not None and found.groups is not None
    assert found.answers is not None and found.question_lengths is not None and found.token_words is not None
    assert found.documents.tolist() == [0] * 6 + [2]
    assert found.groups.tolist() == [0, 1, 1, 2, 3, 4, 5]
    assert found.question_lengths.tolist() == [4, 7, 7, 4, 4, 3, 4]
    # "b," is two tokens; an exact "c b" goes before the one with a comma, as an exact "b" does
    assert found.answers.tolist() == [[9, 10], [7, 7], [0, 0], [NO_LABEL] * 2, [NO_LABEL] * 2, [9, 9], [NO_LABEL] * 2]
    assert (found.token_words[6] == -1).all()
    tokens = found.manifest["tokens"]
    # the answers "elsewhere", and "a" of a document without a word, are not in the text
    assert {key: tokens.get(key) for key in (QUESTION_CUT, NOT_IN_TEXT, LONG)} == {
        QUESTION_CUT: 1,
        NOT_IN_TEXT: 2,
        LONG: None,  # of the first question all words fit
    }


# forms


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare(source(FORMS), tmp_path_factory.mktemp("forms") / "store", 32, 1).store


@pytest.fixture(scope="module", params=["windows", "questions"])
def rows(request: pytest.FixtureRequest, forms: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Rows of forms, whose vocabulary is too small to hold every word in one piece."""
    folder = tmp_path_factory.mktemp("rows")
    return cut(forms, folder / "rows", request.param, WIDTH, STRIDE, vocabulary=None, vocabulary_size=300)


def words_of(store: Store) -> Words:
    words = read_words(store)
    assert words is not None
    return words


def is_asked(rows: Store) -> bool:
    return rows.answers is not None


def documents_of(rows: Store) -> np.ndarray:
    return rows.document_of(np.arange(len(rows.labels)))


def test_forms_are_of_several_windows(rows: Store, forms: Store) -> None:
    assert rows.token_words is not None and rows.lengths is not None
    assert len(rows.labels) == rows.manifest["count"] > 2 * FORMS
    assert rows.manifest["documents"] == FORMS
    assert rows.manifest["tokens"][LONG] == FORMS
    assert (rows.lengths == WIDTH).any() and rows.lengths.max() == WIDTH
    words, documents = words_of(forms), documents_of(rows)
    for document in range(FORMS):
        there = np.unique(rows.token_words[documents == document])
        assert there.tolist() == list(range(-1, int(words.offsets[document + 1] - words.offsets[document])))


def test_tokens_are_those_of_their_words(rows: Store, forms: Store) -> None:
    """[CLS], a question and [SEP] before them, [SEP] behind; the windows of a document have all of its tokens."""
    assert rows.tokens is not None and rows.lengths is not None and rows.token_words is not None
    vocabulary = Vocabulary(read_vocabulary(rows.path / "vocab.txt"), "trained")
    encoder, words = Encoder(vocabulary, WIDTH, "head"), words_of(forms)
    first, last = vocabulary.ids[CLS], vocabulary.ids[SEP]
    lengths = np.ones(len(rows.labels), int) if rows.question_lengths is None else rows.question_lengths
    for row, document in enumerate(documents_of(rows)):
        (text,) = encoder.pieces([[word.text for word in words.page(document)]])
        ids, of_word = rows.tokens[row, : rows.lengths[row]], rows.token_words[row, : rows.lengths[row]]
        begin = int(lengths[row])
        assert (ids[0], ids[-1]) == (first, last)
        assert is_asked(rows) == (ids[begin - 1] == last)
        assert (of_word[:begin] == -1).all() and of_word[-1] == -1 and (of_word[begin:-1] >= 0).all()
        assert any(
            np.array_equal(text[0][place : place + len(ids) - begin - 1], ids[begin:-1])
            and np.array_equal(text[1][place : place + len(ids) - begin - 1], of_word[begin:-1])
            for place in range(len(text[0]))
        )
        assert (rows.tokens[row, rows.lengths[row] :] == 0).all()
        assert (rows.token_words[row, rows.lengths[row] :] == -1).all()


def test_boxes_are_those_of_the_words_and_zero_elsewhere(rows: Store, forms: Store) -> None:
    assert rows.token_boxes is not None and rows.token_words is not None
    words = words_of(forms)
    for row, document in enumerate(documents_of(rows)):
        boxes = np.array([word.box for word in words.page(document)])
        of_word = np.asarray(rows.token_words[row])
        assert np.array_equal(rows.token_boxes[row][of_word >= 0], boxes[of_word[of_word >= 0]])
        assert not rows.token_boxes[row][of_word < 0].any()


def test_words_of_a_line_are_those_between_two_line_ends(rows: Store, forms: Store) -> None:
    assert rows.token_lines is not None and rows.token_words is not None and forms.text is not None
    for row, document in enumerate(documents_of(rows)):
        number = [line for line, words in enumerate(forms.text[document].split("\n")) for _ in words.split()]
        of_word = np.asarray(rows.token_words[row])
        there = of_word[of_word >= 0]
        expected = [number[word] - number[there[0]] for word in there]
        assert rows.token_lines[row][of_word >= 0].tolist() == expected
        assert not rows.token_lines[row][of_word < 0].any()


def test_names_splits_labels_and_pages_are_the_documents(rows: Store, forms: Store) -> None:
    assert forms.pixels is not None
    documents = documents_of(rows)
    seen: dict[int, int] = {}
    for row, document in enumerate(documents.tolist()):
        seen[document] = seen.get(document, 0) + 1
        number = f" [{seen[document]}]" if seen[document] > 1 else ""
        assert rows.names[row] == f"{forms.names[document]}{number}"
    assert np.array_equal(rows.split_codes, forms.split_codes[documents])
    assert np.array_equal(rows.labels, forms.labels[documents])
    assert {split: sum(counts.values()) for split, counts in rows.manifest["counts"].items()} == {
        split: len(rows.indices(split)) for split in ("train", "val", "test")
    }
    samples = np.arange(len(documents))[::-1]
    assert np.array_equal(page_pixels(rows, samples, len(samples)), forms.pixels[documents[::-1]])
    assert rows.text is not None and forms.text is not None
    assert [rows.text[row] for row in range(FORMS)] == [forms.text[row] for row in range(FORMS)]


def test_answers_are_those_of_the_questions(rows: Store, forms: Store) -> None:
    """Their tokens read together are the answer's words; of a question's windows at least one of these has it all."""
    if not is_asked(rows):
        assert rows.token_tags is not None and rows.question_lengths is None
        return
    assert rows.tokens is not None and rows.token_words is not None and rows.answers is not None
    assert rows.groups is not None and rows.question_lengths is not None and rows.token_tags is None
    vocabulary, words, documents = read_vocabulary(rows.path / "vocab.txt"), words_of(forms), documents_of(rows)
    questions = [(document, *each) for document in range(FORMS) for each in forms.questions_of(document)]
    assert rows.groups[-1] == len(questions) - 1
    found = set()
    for row, group in enumerate(rows.groups.tolist()):
        document, asked, (answer,) = questions[group]
        assert documents[row] == document
        assert spelt(vocabulary, rows.tokens[row, 1 : rows.question_lengths[row] - 1]) == asked.replace(" ", "")
        first, last = rows.answers[row].tolist()
        if (first, last) == (0, 0):
            continue
        assert rows.question_lengths[row] <= first <= last
        assert spelt(vocabulary, rows.tokens[row, first : last + 1]) == answer.lower().replace(" ", "")
        page = words.page(document)
        of_word = rows.token_words[row]
        assert " ".join(word.text for word in page[of_word[first] : of_word[last] + 1]) == answer
        assert of_word[first - 1] != of_word[first] and of_word[last + 1] != of_word[last]
        found.add(group)
    assert len(found) > 0.8 * len(questions)
    assert QUESTION_CUT not in rows.manifest["tokens"] and NOT_IN_TEXT not in rows.manifest["tokens"]


def spelt(vocabulary: Sequence[str], ids: np.ndarray) -> str:
    """The text of tokens without its blanks; few forms have a question mark, which may be unknown."""
    return "".join(vocabulary[token].removeprefix("##").replace(UNK, "?") for token in ids)


def test_tags_of_forms(rows: Store, forms: Store) -> None:
    if is_asked(rows):
        return
    assert rows.token_tags is not None and rows.tags == tag_names(("header", "question", "answer"))
    tags = np.load(forms.path / WORD_TAGS)
    assert rows.token_tags[rows.token_tags != NO_LABEL].tolist() == tags.tolist()


# what is refused, and what is made again


def test_the_same_rows_are_taken_again_and_others_are_not(forms: Store, tmp_path: Path) -> None:
    first = cut(forms, tmp_path / "rows", "windows", WIDTH, STRIDE, vocabulary=None, vocabulary_size=300)
    again = cut(forms, tmp_path / "rows", "windows", WIDTH, STRIDE, vocabulary=None, vocabulary_size=300)
    other = cut(forms, tmp_path / "again", "windows", WIDTH, STRIDE, vocabulary=None, vocabulary_size=300)
    assert first.digest == again.digest == other.digest
    for parts, stride in (("questions", STRIDE), ("windows", STRIDE + 1), ("documents", 0)):
        with pytest.raises(UserError, match="exists, made from another store, vocabulary or length"):
            cut(forms, tmp_path / "rows", parts, WIDTH, stride, vocabulary=None, vocabulary_size=300)


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        cut(*arguments, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_text_without_words_is_refused(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["a b", "c"])
    said = refusal(store, tmp_path / "rows", "windows", 8, 0, with_boxes=False, with_pages=False)
    assert said == f"{store.path}: its text has no words with places; prepare it from annotated documents"
    assert [path.name for path in tmp_path.iterdir()] == ["store"], "nothing half-made is left"


def test_a_set_without_questions_is_refused(tmp_path: Path) -> None:
    store = made(tmp_path / "store", [[["a"]]])
    said = refusal(store, tmp_path / "rows", "questions", 16, 0)
    assert said == f"{store.path}: no questions are asked of it; prepare it from a set with questions"
    silent = made(tmp_path / "silent", [[["a"]], [["b"]]], [[], []])
    said = refusal(silent, tmp_path / "rows", "questions", 16, 0)
    assert said == f"{silent.path}: no document has a question; give a set that asks some"


@pytest.mark.parametrize("parts", ["documents", "windows", "questions"])
def test_rows_that_are_parts_already_are_refused(tmp_path: Path, parts: str) -> None:
    rows = cut(made(tmp_path / "store", TEXT, ASKED), tmp_path / "rows", "questions", 14, 3)
    said = refusal(rows, tmp_path / "again", parts, 14, 3)
    assert said == f"{rows.path}: its rows are parts of documents; give the store that it was made from"


@pytest.mark.parametrize(
    ("parts", "width", "stride"), [("windows", 8, 6), ("windows", 8, 50), ("questions", 8, 3), ("questions", 3, 0)]
)
def test_windows_that_would_not_move_on_are_refused(tmp_path: Path, parts: str, width: int, stride: int) -> None:
    store = made(tmp_path / "store", TEXT, ASKED)
    assert "would not move on" in refusal(store, tmp_path / "rows", parts, width, stride)
    assert len(cut(store, tmp_path / "rows", parts, 9, 2).labels) > 2
