"""The harness's encoder and the tokenisers of both wings against `transformers`, over strings that are hard to cut."""

from __future__ import annotations

import random
import unicodedata
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.data.encoder import Encoder
from bench.data.tokens import tokenised
from bench.data.vocabulary_files import load_vocabulary, train_vocabulary
from bench.host.locations import PROJECT_ROOT
from bench.verify.tokens import token_checks
from shared.wordpiece import kept_ends, write_vocabulary
from tests.text_stores import text_store

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")

import pt_impl.tokenizer  # noqa: E402
import tf_impl.tokenizer  # noqa: E402

BERT = PROJECT_ROOT.parent / "shared" / "data" / "vocab" / "bert-base-uncased" / "vocab.txt"
SHAPES = [(64, "head"), (33, "head+tail"), (3, "head")]
HAND_MADE = [
    "",
    " \t\r\n\u2028\u3000\xa0",
    "[CLS]",
    "x[CLS]y [MASK]. [sep][SEP][PAD] [UNK]",
    "[CLS [ CLS ] [[SEP]] [cls]",
    "a" * 100,
    "a" * 101,
    "é" * 60,  # over 100 bytes, under 100 characters
    "日" * 101,
    "e\u0301" * 100,
    "e\u0301" * 101,
    "İ" * 100,
    "ﬁne ﬂow straße ™ ① \uff21\uff42\uff43 ½",
    "한국어 日本語 العربية עברית ไทย हिन्दी",
    "\u0301",
    "a\u0301 \u0301a \u200b\u200d\u202ex",
    "\ufeffa\ufffdb\x00c\x01d\x7fe\x85f\xadg",
    "👩‍👩‍👧 😀🏳️‍🌈",
    "İstanbul ΣΑΣ ς ǅ",
    "## ##ing ##",
    "don't e-mail: a@b.c $5.00 50% <b>",
    "\U0001d4b3 \U0010ffff \ue000",
    "word " * 200_000,
    "x" * 200_000,
]


def drawn(count: int) -> list[str]:
    """Strings of characters from the whole of Unicode among those that matter, the same every time."""
    generator = random.Random(0)
    assigned = [chr(code) for code in range(0x30000) if unicodedata.category(chr(code)) not in ("Cs", "Cn")]
    common = [*"abst 日éßﬁ\u0301\u200b\x01", "[CLS]", "[SEP", "##", "ing ", " the "]
    return [
        "".join(generator.choice(common if generator.random() < 0.6 else assigned) for _ in range(length))
        for length in (generator.randrange(1, 40) for _ in range(count))
    ]


@cache
def nasty() -> list[str]:
    return HAND_MADE + drawn(600)


@pytest.fixture(scope="module", params=["trained", "bert-base-uncased"])
def vocab_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "trained":
        path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
        write_vocabulary(path, train_vocabulary([*drawn(300), "the testing string " * 5], 3000).tokens)
        return path
    if not BERT.is_file():
        pytest.skip("the vocabulary of bert-base-uncased is not there")
    return BERT


@pytest.fixture(scope="module")
def uncut(vocab_path: Path) -> list[list[int]]:
    """Ids of each string, one by one through the public interface of `transformers`."""
    ids = {token: index for index, token in enumerate(vocab_path.read_text("utf-8").split("\n")[:-1])}
    tokenizer = transformers.BertTokenizerFast(vocab=ids, model_max_length=10**9)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (ids["[CLS]"], ids["[SEP]"])
    return [tokenizer(text)["input_ids"] for text in nasty()]


def cut(uncut: list[list[int]], max_tokens: int, truncation: str) -> list[list[int]]:
    """What is left of ids in so many tokens."""
    head, tail = kept_ends(max_tokens, truncation)
    return [row if len(row) <= max_tokens else row[: head + 1] + row[len(row) - tail - 1 :] for row in uncut]


def unequal(ids: np.ndarray, lengths: np.ndarray, expected: list[list[int]]) -> list[str]:
    """The strings whose ids are others, or whose padding is not [PAD], which both vocabularies have at 0."""
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)
    rows = zip(nasty(), ids, lengths, expected, strict=True)
    return [
        ascii(text[:60])
        for text, row, length, wanted in rows
        if row[:length].tolist() != wanted or row[length:].any() or length != len(wanted)
    ]


@pytest.mark.parametrize(("max_tokens", "truncation"), SHAPES)
def test_all_give_the_ids_of_transformers(
    vocab_path: Path, uncut: list[list[int]], max_tokens: int, truncation: str
) -> None:
    expected = cut(uncut, max_tokens, truncation)
    encoded = Encoder(load_vocabulary(str(vocab_path)), max_tokens, truncation)(nasty())
    assert unequal(encoded.ids, encoded.lengths, expected) == []
    for wing in (pt_impl.tokenizer, tf_impl.tokenizer):
        ids, lengths = wing.Tokenizer(vocab_path, max_tokens, truncation)(nasty())
        assert unequal(ids.numpy(), lengths.numpy(), expected) == []


def test_tensorflow_text_as_shipped_does_not(vocab_path: Path, uncut: list[list[int]]) -> None:
    ids, lengths = tf_impl.tokenizer.Tokenizer(vocab_path, 64, "head", mode="fast")(nasty())
    odd = unequal(ids.numpy(), lengths.numpy(), cut(uncut, 64, "head"))
    assert ascii("x[CLS]y [MASK]. [sep][SEP][PAD] [UNK]") in odd
    assert len(odd) > 100
    assert ascii("don't e-mail: a@b.c $5.00 50% <b>") not in odd


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_in_a_pipeline_of_tensorflow(vocab_path: Path, mode: str) -> None:
    tokenizer = tf_impl.tokenizer.Tokenizer(vocab_path, 16, "head+tail", mode)
    texts = nasty()[:22] + ["the testing string"] * 3
    ids, lengths = tokenizer(texts)
    batches = list(tf.data.Dataset.from_tensor_slices(texts).batch(10).map(tokenizer))
    assert all(batch[0].shape[1] == 16 for batch in batches)
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), ids)
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), lengths)


@pytest.mark.parametrize("wing", [pt_impl.tokenizer, tf_impl.tokenizer], ids=["pt", "tf"])
def test_a_vocabulary_without_mask_and_with_its_padding_elsewhere(wing: object, tmp_path: Path) -> None:
    tokens = ["a", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[", "]", "mask", "##b"]
    write_vocabulary(tmp_path / "vocab.txt", tokens)
    ids, lengths = wing.Tokenizer(tmp_path / "vocab.txt", 8, "head")(["[MASK]", "AB", ""])  # type: ignore[attr-defined]
    assert ids.numpy().tolist() == [[2, 5, 7, 6, 3, 4, 4, 4], [2, 0, 8, 3, 4, 4, 4, 4], [2, 3, 4, 4, 4, 4, 4, 4]]
    assert lengths.numpy().tolist() == [5, 4, 2]
    ids, lengths = wing.Tokenizer(tmp_path / "vocab.txt", 8, "head")([])  # type: ignore[attr-defined]
    assert (tuple(ids.shape), tuple(lengths.shape)) == ((0, 8), (0,))


def test_what_the_ladder_is_told(vocab_path: Path, tmp_path: Path) -> None:
    texts = nasty()[:22]
    made = tokenised(
        text_store(tmp_path / "s", texts), load_vocabulary(str(vocab_path)), 0, 24, "head+tail", tmp_path / "t"
    )
    task: Any = SimpleNamespace(store=str(made.path))
    ours, theirs = pt_impl.tokenizer.tokens(task), tf_impl.tokenizer.tokens(task)
    assert (set(ours), set(theirs)) == ({"exact"}, {"exact", "fast"})
    np.testing.assert_array_equal(ours["exact"], made.tokens)
    exact, fast = token_checks(theirs["fast"], theirs["exact"], ours["exact"])
    assert (exact.passed, exact.figure) == (True, 0)
    assert fast.figure > 5
