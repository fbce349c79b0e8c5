"""WordPiece vocabularies: read from a file, a Hugging Face folder or the hub, or trained on a corpus."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.data.tokenizer_settings import check_config, check_tokenizer, check_uncased
from shared import outside
from shared.errors import UserError
from shared.wordpiece import CONTINUATION, MAX_WORD_CHARACTERS, SPECIAL_TOKENS, check_tokens, read_vocabulary

VOCABULARY_FILE, TOKENIZER_FILE, SETTINGS_FILE = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
HUGGING_FACE = (VOCABULARY_FILE, TOKENIZER_FILE, SETTINGS_FILE)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
FILE_SUFFIXES = {".txt", ".json", ".pkl", ".pickle", ".bin", ".pt", ".model"}
MAX_ALPHABET = 1000  # the default of `tokenizers`' trainer
MIN_FREQUENCY = 2  # likewise


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a WordPiece vocabulary; a token's place is its id."""

    tokens: tuple[str, ...]
    origin: str  # a file's name, a hub name or `trained`: for the record, never a path

    @cached_property
    def digest(self) -> str:
        """Identity of the tokens and their order."""
        return hashlib.sha256("\n".join(self.tokens).encode()).hexdigest()[:16]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token to id."""
        return {token: index for index, token in enumerate(self.tokens)}


def load_vocabulary(spec: str) -> Vocabulary:
    """A vocabulary from a `vocab.txt`, a Hugging Face folder (`vocab.txt` or `tokenizer.json`) or a hub name.

    What lies beside a file (`tokenizer_config.json`, `tokenizer.json`) speaks for it: those settings are followed or
    refused. The network is asked only for a spec that is neither a file nor a folder and reads like `name` or
    `org/name`.

    Raises:
        UserError: nothing there, no network, no WordPiece, a tokeniser that cuts otherwise than uncased BERT's, or what
            `check_tokens` raises.
    """
    path = Path(spec)
    if path.is_dir():
        return from_folder(path)
    if path.exists():
        beside = {name: path.parent / name for name in (TOKENIZER_FILE, SETTINGS_FILE) if path.name in HUGGING_FACE}
        return from_files({**beside, kind_of(path): path}, path.name, str(path))
    if HUB_NAME.fullmatch(spec) and path.suffix.lower() not in FILE_SUFFIXES:
        return from_files({name: from_hub_file(spec, name) for name in HUGGING_FACE}, spec, f"{spec}, on the hub")
    raise UserError(f"{spec}: no such vocabulary; give a vocab.txt, a folder with one, or a hub name (org/name)")


def from_folder(folder: Path) -> Vocabulary:
    """The vocabulary of a Hugging Face folder."""
    return from_files({name: folder / name for name in HUGGING_FACE}, folder.resolve().name, str(folder))


def kind_of(path: Path) -> str:
    """Which of HUGGING_FACE a file is, under whatever name."""
    return TOKENIZER_FILE if path.suffix == ".json" else VOCABULARY_FILE


def from_files(files: Mapping[str, Path | None], origin: str, where: str) -> Vocabulary:
    """The vocabulary that some of the files of HUGGING_FACE hold, after all of them have been read.

    Raises:
        UserError: as `load_vocabulary`, and two that hold different tokens.
    """
    there = {name: path for name, path in files.items() if path is not None and path.is_file()}
    if settings := there.get(SETTINGS_FILE):
        check_config(read_json(settings), settings)
    found: dict[str, tuple[str, ...]] = {}
    if path := there.get(VOCABULARY_FILE):
        found[VOCABULARY_FILE] = read_vocabulary(path)
    if path := there.get(TOKENIZER_FILE):
        found[TOKENIZER_FILE] = read_tokenizer_json(path)
    if not found:
        raise UserError(f"{where}: has neither {VOCABULARY_FILE} nor {TOKENIZER_FILE}; give a folder with one of them")
    tokens, *others = found.values()
    if any(other != tokens for other in others):
        raise UserError(f"{where}: {VOCABULARY_FILE} and {TOKENIZER_FILE} hold different tokens; remove the wrong one")
    check_uncased(tokens, where)
    return Vocabulary(tokens, origin)


def from_hub_file(name: str, file: str) -> Path | None:
    """One file of a model on the hub, from the cache where it is there; None where the model has no such file."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    client_error: type[Exception] = HfHubHTTPError.__bases__[
        0
    ]  # of the HTTP library, which differs between the hub's versions
    try:
        return Path(huggingface_hub.hf_hub_download(name, file))
    except EntryNotFoundError as error:
        if not isinstance(error, LocalEntryNotFoundError):  # that one: no network, and not in the cache
            return None
        reason = type(error).__name__
    except (HFValidationError, client_error, OSError) as error:
        reason = type(error).__name__
    raise UserError(
        f"{name}: no such file or folder, and not to be had from the Hugging Face hub ({reason}: no network, or no "
        "such model); give a local vocab.txt"
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object."""
    try:
        content = outside.read_json(path)
    except outside.OutsideError as error:
        raise UserError(f"{error}; give a vocab.txt, or a tokenizer.json as Hugging Face writes it") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object; give a vocab.txt, or a tokenizer.json as Hugging Face writes it")
    return content


def read_tokenizer_json(path: Path) -> tuple[str, ...]:
    """The tokens of a `tokenizer.json`, which must be an uncased BERT's."""
    content = read_json(path)
    model = content.get("model")
    ids = model.get("vocab") if isinstance(model, dict) and model.get("type", "WordPiece") == "WordPiece" else None
    if not isinstance(ids, dict):
        raise UserError(f"{path}: not a WordPiece tokeniser; give that of a BERT model")
    if sorted(ids.values(), key=repr) != sorted(range(len(ids)), key=repr):
        raise UserError(f"{path}: its ids are not 0 to {len(ids) - 1}; give a vocab.txt")
    tokens = check_tokens(sorted(ids, key=lambda token: ids[token]), str(path))
    check_tokenizer(content, path)
    return tokens


def train_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """A vocabulary trained on texts with the WordPiece trainer of `tokenizers`, lowercased, accents stripped.

    The same texts give the same vocabulary. The trainer alone would not: where the alphabet is cut and which id a
    character's `##` form gets depends on the order of a hash map, and ids decide between equally frequent pairs. So
    both are settled before it starts.

    Args:
        texts: gone through twice, so no iterator.
        size: tokens; fewer where the texts do not have so many.

    Raises:
        UserError: too small a size for the alphabet, or no text at all.
    """
    from tokenizers import BertWordPieceTokenizer

    assert not isinstance(texts, Iterator)
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    alphabet = choose_alphabet(texts, tokenizer.normalizer)
    if not alphabet:
        raise UserError("no vocabulary can be trained: the training documents have no text; give a vocab.txt")
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    inner = [c for c in alphabet if len(split(tokenizer.normalizer.normalize_str(f"a{c}"))) == 1]
    first = [*SPECIAL_TOKENS, *(f"{CONTINUATION}{character}" for character in inner)]
    if size < len(first) + len(alphabet):
        needed = len(first) + len(alphabet)
        raise UserError(f"a vocabulary of {size} tokens: the text's characters alone need {needed}; ask for more")
    tokenizer.train_from_iterator(
        iter(texts),
        vocab_size=size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=first,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        wordpieces_prefix=CONTINUATION,
        show_progress=False,
    )
    ids = tokenizer.get_vocab()
    tokens = [token for token in sorted(ids, key=lambda token: ids[token]) if len(token) <= MAX_WORD_CHARACTERS]
    return Vocabulary(check_tokens(tokens, "trained vocabulary"), "trained")


def choose_alphabet(texts: Iterable[str], normalizer: Any) -> list[str]:
    """The most frequent characters of the normalised texts, at most MAX_ALPHABET, sorted."""
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    counts: Counter[str] = Counter()
    for character, count in raw.items():  # the normaliser maps character by character
        for mapped in normalizer.normalize_str(character):
            counts[mapped] += count if not mapped.isspace() else 0
    ranked = sorted((c for c in counts if counts[c]), key=lambda c: (-counts[c], c))
    return sorted(ranked[:MAX_ALPHABET])
