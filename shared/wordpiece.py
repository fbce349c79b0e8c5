"""What every tokeniser of the suite obeys: BERT's vocabulary file, its special tokens, what is kept of a long text.

The harness fills a store's `tokens.npy` (`bench.data.tokens`); each wing has its framework's own tokeniser
(`pt_impl.tokenizer`, `tf_impl.tokenizer`). They are compared text by text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from shared.errors import UserError
from shared.store import Store

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
NEEDED = (PAD, UNK, CLS, SEP)
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)  # found in a text before anything else is done to it
CONTINUATION = "##"
MAX_WORD_CHARACTERS = 100  # longer words are [UNK]: google-research/bert, WordpieceTokenizer
MAX_TOKEN_BYTES = 255  # what tensorflow_text can hold
TRUNCATIONS = ("head", "head+tail")
MIN_TOKENS = 3  # [CLS], one of the text, [SEP]
TEXTS_COMPARED = 2000


def kept_ends(max_tokens: int, truncation: str) -> tuple[int, int]:
    """How many tokens of a text's beginning and end are kept where it does not fit between [CLS] and [SEP].

    "head+tail" takes half of each, the tail the larger half (the released code of
    papers/efficientnet-bert-parallel).

    >>> kept_ends(512, "head"), kept_ends(512, "head+tail"), kept_ends(9, "head+tail")
    ((510, 0), (255, 255), (3, 4))

    Raises:
        UserError: too few tokens, or no such truncation.
    """
    if max_tokens < MIN_TOKENS:
        raise UserError(f"{max_tokens} tokens a text: no room beside {CLS} and {SEP}; ask for at least {MIN_TOKENS}")
    if truncation not in TRUNCATIONS:
        raise UserError(f"no truncation {truncation!r}; choose one of: {', '.join(TRUNCATIONS)}")
    room = max_tokens - 2
    head = room if truncation == "head" else room // 2
    return head, room - head


def check_tokens(tokens: Iterable[str], where: str) -> tuple[str, ...]:
    """The tokens of a vocabulary, in the order of their ids.

    Raises:
        UserError: none, an empty one, one twice, one that is too long, or without one of NEEDED.
    """
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        if not token or any(character in token for character in "\n\r\0"):
            raise UserError(f"{where}: token {number} is empty or binary; give a vocabulary with one token a line")
        if len(token.encode("utf-8", errors="replace")) > MAX_TOKEN_BYTES:
            raise UserError(f"{where}: token {number} is over {MAX_TOKEN_BYTES} bytes long; is it a vocabulary?")
        if token in seen:
            raise UserError(
                f"{where}: {token!r} stands there twice (tokens {seen[token]} and {number}); rename the later one, to "
                f"'[unused-{number}]' say: deleting it would move every later id"
            )
        seen[token] = number
    if not seen:
        raise UserError(f"{where}: empty; give a vocabulary with one token a line")
    if missing := [token for token in NEEDED if token not in seen]:
        raise UserError(f"{where}: without {', '.join(missing)}; a BERT vocabulary has {', '.join(NEEDED)}")
    return tuple(seen)


@lru_cache(maxsize=4)
def read_vocabulary(path: str | Path) -> tuple[str, ...]:
    """The tokens of a `vocab.txt`: one a line, the line's number from 0 is the id; a byte order mark is no token.

    Raises:
        UserError: unreadable, not UTF-8, or what `check_tokens` raises.
    """
    try:
        content = Path(path).read_bytes()
        lines = content.decode("utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a vocab.txt") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text at byte {error.start} (a pickle or a checkpoint is never opened); give a vocab.txt"
        ) from None
    return check_tokens((line.removesuffix("\r") for line in lines) if content else (), str(path))


def write_vocabulary(path: Path, tokens: Iterable[str]) -> None:
    """Write a `vocab.txt`."""
    path.write_bytes("".join(f"{token}\n" for token in tokens).encode())


def compared_texts(store: Store, limit: int = TEXTS_COMPARED) -> list[str]:
    """Texts of a store by which tokenisers are compared: all of them, or so many, evenly spread."""
    assert store.text is not None
    rows = np.unique(np.linspace(0, len(store.text) - 1, min(limit, len(store.text))).astype(int))
    return [store.text[row] for row in rows]
