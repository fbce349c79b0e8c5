"""Settings of a tokeniser: what the suite does is followed, anything else refused with the setting's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.tokens import encode
from bench.data.vocabulary_files import load_vocabulary
from shared.errors import UserError
from shared.wordpiece import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "the", "cafe", "##s", "北", "京", "ß"]
NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
MODEL = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
    "vocab": {token: index for index, token in enumerate(TOKENS)},
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [{"id": i, "content": token, "special": True} for i, token in enumerate(SPECIAL_TOKENS)],
    "normalizer": NORMALIZER,
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": None,
    "model": MODEL,
}
ADDED = {"id": 11, "content": "<date>", "special": False}


def make(folder: Path, tokens: list[str] | None = TOKENS, config: Any = None, tokenizer: Any = None) -> Path:
    if tokens is not None:
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    for name, content in (("tokenizer_config.json", config), ("tokenizer.json", tokenizer)):
        if content is not None:
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_vocabulary(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "never_split": None},
        {"strip_accents": True, "do_basic_tokenize": True, "never_split": [], "model_max_length": 512},
        {"tokenizer_class": "BertTokenizer", "unk_token": {"content": "[UNK]", "lstrip": False}},
        {"tokenizer_class": "DistilBertTokenizerFast", "padding_side": "right"},
        {"added_tokens_decoder": {"0": {"content": "[PAD]", "special": True}}},
    ],
)
def test_settings_that_mean_what_the_suite_does(tmp_path: Path, config: dict[str, Any]) -> None:
    assert load_vocabulary(str(make(tmp_path, config=config))).tokens == tuple(TOKENS)
    assert load_vocabulary(str(tmp_path / "vocab.txt")).tokens == tuple(TOKENS)


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"do_lower_case": False}, "do_lower_case is False"),
        ({"strip_accents": False}, "strip_accents is False"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize is False"),
        ({"never_split": ["the"]}, "never_split is ['the']"),
        ({"unk_token": "<unk>"}, "unk_token is '<unk>'"),
        ({"mask_token": {"content": "<mask>"}}, "mask_token is '<mask>'"),
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "tokenizer_class 'BertJapaneseTokenizer'"),
        ({"tokenizer_class": "RobertaTokenizerFast"}, "tokenizer_class 'RobertaTokenizerFast'"),
        ({"added_tokens_decoder": {"11": ADDED}}, "adds the token '<date>'"),
    ],
)
def test_settings_that_the_suite_cannot_follow(
    tmp_path: Path, config: dict[str, Any], said: str, by_file: bool
) -> None:
    make(tmp_path, config=config)
    assert said in refusal(tmp_path / "vocab.txt" if by_file else tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"normalizer": {"type": "Sequence", "normalizers": [NORMALIZER]}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]}},
        {"normalizer": NORMALIZER | {"strip_accents": True}},
    ],
)
def test_a_tokenizer_json_of_an_uncased_bert(tmp_path: Path, changes: dict[str, Any]) -> None:
    make(tmp_path, tokens=None, tokenizer=TOKENIZER | changes)
    assert load_vocabulary(str(tmp_path)).tokens == tuple(TOKENS)


@pytest.mark.parametrize("vocabulary_too", [False, True])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"normalizer": None}, "normalizer: type is None"),
        ({"normalizer": {"type": "NFC"}}, "normalizer: type is 'NFC'"),
        ({"normalizer": NORMALIZER | {"lowercase": False}}, "normalizer: lowercase is False"),
        ({"normalizer": NORMALIZER | {"strip_accents": False}}, "normalizer: strip_accents is False"),
        ({"normalizer": NORMALIZER | {"handle_chinese_chars": False}}, "handle_chinese_chars is False"),
        ({"normalizer": NORMALIZER | {"clean_text": False}}, "clean_text is False"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, NORMALIZER]}}, "type is 'Sequence'"),
        ({"pre_tokenizer": None}, "pre_tokenizer: type is None"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer: type is 'Whitespace'"),
        ({"model": MODEL | {"continuing_subword_prefix": "@@"}}, "continuing_subword_prefix is '@@'"),
        ({"model": MODEL | {"max_input_chars_per_word": 200}}, "max_input_chars_per_word is 200"),
        ({"model": MODEL | {"unk_token": "<unk>"}}, "unk_token is '<unk>'"),
        ({"added_tokens": [ADDED]}, "adds the token '<date>'"),
    ],
)
def test_a_tokenizer_json_that_the_suite_cannot_follow(
    tmp_path: Path, changes: dict[str, Any], said: str, vocabulary_too: bool
) -> None:
    """Also where a vocab.txt beside it could be read instead."""
    make(tmp_path, tokens=TOKENS if vocabulary_too else None, tokenizer=TOKENIZER | changes)
    assert said in refusal(tmp_path)


def test_two_files_that_hold_different_tokens(tmp_path: Path) -> None:
    make(tmp_path, tokens=[*TOKENS[:-1], "other"], tokenizer=TOKENIZER)
    assert "hold different tokens" in refusal(tmp_path)


@pytest.mark.parametrize("word", ["The", "É", "Über", "naïve", "##É"])
def test_a_cased_vocabulary_gives_itself_away(tmp_path: Path, word: str) -> None:
    make(tmp_path, tokens=[*TOKENS, word])
    assert f"1 of {len(TOKENS) + 1} tokens have capitals or accents ({word!r})" in refusal(tmp_path / "vocab.txt")


def test_a_stray_capital_among_many_tokens_is_no_cased_vocabulary(tmp_path: Path) -> None:
    make(tmp_path, tokens=[*TOKENS, *(f"w{number}" for number in range(200)), "The", "[unused1]", "[Unused2]"])
    assert "The" in load_vocabulary(str(tmp_path)).ids


def test_what_is_accepted_gives_the_tokens_of_the_library(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="its tokeniser is the oracle")
    config = {"do_lower_case": True, "strip_accents": None, "tokenizer_class": "BertTokenizer"}
    make(tmp_path, config=config)
    text = "The Cafés, 北京 ẞ the!"
    theirs = transformers.BertTokenizerFast.from_pretrained(tmp_path).tokenize(text)
    vocabulary = load_vocabulary(str(tmp_path))
    ids, lengths = encode([text], vocabulary, 32, "head")
    assert [vocabulary.tokens[token] for token in ids[0][1 : lengths[0] - 1]] == theirs
