"""What a tokeniser's files say of how it cuts texts: followed as they are, or refused with the setting in the way.

The suite cuts texts as uncased BERT does (`shared.wordpiece`): text cleaned, Chinese characters apart, lowercased,
accents stripped, then WordPiece. A vocabulary alone does not say whether its model does; the files beside it do, and a
vocabulary of capitals or accents gives itself away. Settings that change no token id (lengths, padding) are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.errors import UserError
from shared.wordpiece import CLS, CONTINUATION, MASK, MAX_WORD_CHARACTERS, PAD, SEP, SPECIAL_TOKENS, UNK

# of `transformers`, each of which cuts as BERT's does unless its settings say otherwise; "Fast" or not
TOKENIZERS = {"Bert", "DistilBert", "Electra", "LayoutLM", "LayoutLMv2", "MobileBert", "RetriBert"}
GENERIC = {"PreTrainedTokenizer", "TokenizersBackend"}  # the files say the rest
MOST_CHANGED = 0.01  # of a vocabulary's tokens, that lowercased text without accents never has; BERT's own has none


class Setting(NamedTuple):
    """A setting that decides over token ids, and the values that mean what the suite does; the first is the default."""

    name: str
    followed: tuple[Any, ...]


CONFIG_SETTINGS = (
    Setting("do_lower_case", (True,)),
    Setting("strip_accents", (None, True)),
    Setting("tokenize_chinese_chars", (True,)),
    Setting("do_basic_tokenize", (True,)),
    Setting("clean_text", (True,)),
    Setting("never_split", (None, [])),
    Setting("wordpieces_prefix", (CONTINUATION,)),
    Setting("pad_token", (PAD,)),
    Setting("unk_token", (UNK,)),
    Setting("cls_token", (CLS,)),
    Setting("sep_token", (SEP,)),
    Setting("mask_token", (MASK,)),
)
NORMALIZER_SETTINGS = (
    Setting("type", ("BertNormalizer",)),
    Setting("lowercase", (True,)),
    Setting("strip_accents", (None, True)),
    Setting("handle_chinese_chars", (True,)),
    Setting("clean_text", (True,)),
)
MODEL_SETTINGS = (
    Setting("unk_token", (UNK,)),
    Setting("continuing_subword_prefix", (CONTINUATION,)),
    Setting("max_input_chars_per_word", (MAX_WORD_CHARACTERS,)),
)


def check_config(content: Mapping[str, Any], where: object) -> None:
    """Hold a `tokenizer_config.json` against what the suite does.

    Raises:
        UserError: a setting, a class or added tokens that it cannot follow.
    """
    name = content.get("tokenizer_class")
    if name is not None and str(name).removesuffix("Fast").removesuffix("Tokenizer") not in TOKENIZERS | GENERIC:
        raise UserError(f"{where}: tokenizer_class {name!r} is not BERT's WordPiece; give an uncased BERT's")
    check(CONFIG_SETTINGS, content, where)
    added = content.get("added_tokens_decoder")
    check_added(list(added.values()) if isinstance(added, Mapping) else [], where)


def check_tokenizer(content: Mapping[str, Any], where: object) -> None:
    """Hold a `tokenizer.json`, already known to be a WordPiece's, against what the suite does.

    Raises:
        UserError: a normalizer, a pre-tokeniser, a model or added tokens that it cannot follow.
    """
    check(NORMALIZER_SETTINGS, only(content.get("normalizer"), "normalizers"), f"{where}: normalizer")
    splitter = only(content.get("pre_tokenizer"), "pretokenizers")
    check((Setting("type", ("BertPreTokenizer",)),), splitter, f"{where}: pre_tokenizer")
    check(MODEL_SETTINGS, content["model"], f"{where}: model")
    added = content.get("added_tokens")
    check_added(added if isinstance(added, Sequence) else [], where)


def only(part: Any, sequence_of: str) -> Mapping[str, Any]:
    """A part of a `tokenizer.json`, out of a sequence of one where it is in one; what is not there has no type."""
    inner = part.get(sequence_of) if isinstance(part, Mapping) and part.get("type") == "Sequence" else None
    if isinstance(inner, list) and len(inner) == 1:
        part = inner[0]
    return part if isinstance(part, Mapping) else {"type": None}


def check(settings: Sequence[Setting], content: Mapping[str, Any], where: object) -> None:
    """Let settings pass that the suite follows.

    Raises:
        UserError: the first that it does not, with its value.
    """
    for name, followed in settings:
        found = content.get(name, followed[0])
        if isinstance(found, Mapping) and "content" in found:  # a token with its options
            found = found["content"]
        if not any(found is value or (found == value and not isinstance(found, bool)) for value in followed):
            raise UserError(
                f"{where}: {name} is {found!r}; this suite cuts texts as uncased BERT does, with {followed[0]!r}: "
                "give an uncased BERT's vocabulary"
            )


def check_added(tokens: Sequence[Any], where: object) -> None:
    """Let special tokens pass; others are cut out of a text before anything else is done to it.

    Raises:
        UserError: the first other one.
    """
    for token in tokens:
        content = token.get("content") if isinstance(token, Mapping) else token
        if content not in SPECIAL_TOKENS:
            raise UserError(
                f"{where}: adds the token {content!r}, which this suite would cut like any word; "
                "give a vocabulary without added tokens"
            )


def check_uncased(tokens: Sequence[str], where: object) -> None:
    """Refuse the vocabulary of a cased or accented model, whatever else is said of it.

    Raises:
        UserError: over MOST_CHANGED of the tokens are what lowercased text without accents never has.
    """
    from tokenizers.normalizers import BertNormalizer

    normalizer = BertNormalizer(lowercase=True)
    ordinary = [token for token in tokens if not (token.startswith("[") and token.endswith("]"))]
    changed = [token for token in ordinary if normalizer.normalize_str(token).strip() != token.strip()]
    if len(changed) > MOST_CHANGED * len(tokens):
        raise UserError(
            f"{where}: {len(changed)} of {len(tokens)} tokens have capitals or accents ({changed[0]!r}); this suite "
            "lowercases texts and strips accents: give the vocabulary of an uncased model"
        )
