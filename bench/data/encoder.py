"""BERT's WordPiece through `tokenizers`: texts to ids, some hundred megabytes at most at a time.

All cores are used (`tokenizers` does that by itself; TOKENIZERS_PARALLELISM=false turns it off).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from bench.data.vocabulary_files import Vocabulary
from shared.wordpiece import CLS, MAX_WORD_CHARACTERS, PAD, SEP, SPECIAL_TOKENS, UNK, kept_ends

CHUNK_TEXTS = 4096
CHUNK_CHARACTERS = 1 << 22  # `tokenizers` keeps about 100 bytes a token besides its id


def make_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """BERT's tokeniser: cleaned, lowercased, accents stripped, split at spaces and punctuation, WordPiece."""
    model = WordPiece(vocabulary.ids, unk_token=UNK, max_input_chars_per_word=MAX_WORD_CHARACTERS)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    special = [token for token in SPECIAL_TOKENS if token in vocabulary.ids]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer


@dataclass(frozen=True)
class Encoded:
    """Texts as ids."""

    ids: np.ndarray  # int32, n x T
    lengths: np.ndarray  # int32, n: tokens before the padding
    full_lengths: np.ndarray  # int64, n: what the lengths would be if nothing were cut off


class Encoder:
    """Turns texts into [CLS] ... [SEP] and padding."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int, truncation: str) -> None:
        """See `bench.data.tokens.encode`."""
        self.head, self.tail = kept_ends(max_tokens, truncation)
        self.vocabulary, self.max_tokens = vocabulary, max_tokens
        self.tokenizer = make_tokenizer(vocabulary)

    def __call__(self, texts: Sequence[str]) -> Encoded:
        """Encode n texts, all at once."""
        first, last, padding = (self.vocabulary.ids[token] for token in (CLS, SEP, PAD))
        ids = np.full((len(texts), self.max_tokens), padding, np.int32)
        lengths, full_lengths = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.int64)
        for row, encoding in enumerate(self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)):
            found = encoding.ids
            full_lengths[row] = len(found) + 2
            if len(found) > self.head + self.tail:
                found = found[: self.head] + found[len(found) - self.tail :]
            lengths[row] = len(found) + 2
            ids[row, : len(found) + 2] = [first, *found, last]
        return Encoded(ids, lengths, full_lengths)

    def of_words(self, pages: Sequence[Sequence[str]]) -> tuple[Encoded, np.ndarray]:
        """Encode n pages of words, all at once: the ids of their text, and which word each token is of (int32, n x T;
        -1: none's).

        By the words themselves, not by offsets within a text, which a tokeniser counts in its cleaned text or in the
        word.
        """
        first, last, padding = (self.vocabulary.ids[token] for token in (CLS, SEP, PAD))
        ids = np.full((len(pages), self.max_tokens), padding, np.int32)
        words = np.full((len(pages), self.max_tokens), -1, np.int32)
        lengths, full_lengths = np.zeros(len(pages), np.int32), np.zeros(len(pages), np.int64)
        found = self.tokenizer.encode_batch([list(page) for page in pages], True, add_special_tokens=False)
        for row, encoding in enumerate(found):
            full_lengths[row] = len(encoding.ids) + 2
            kept = np.arange(len(encoding.ids))
            if len(kept) > self.head + self.tail:
                kept = np.concatenate([kept[: self.head], kept[len(kept) - self.tail :]])
            lengths[row] = len(kept) + 2
            ids[row, : len(kept) + 2] = [first, *np.array(encoding.ids, np.int32)[kept], last]
            words[row, 1 : len(kept) + 1] = np.array(encoding.word_ids, np.int32)[kept]
        return Encoded(ids, lengths, full_lengths), words

    def pieces(self, pages: Sequence[Sequence[str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The tokens of each of n pages of words, and which word each token is of (int32 both); nothing is cut off."""
        for encoding in self.tokenizer.encode_batch([list(page) for page in pages], True, add_special_tokens=False):
            yield np.array(encoding.ids, np.int32), np.array(encoding.word_ids, np.int32)

    def stream(self, texts: Iterable[str]) -> Iterator[Encoded]:
        """Encode any number of texts, some at a time, in order."""
        yield from map(self, chunks(texts))


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """At most CHUNK_TEXTS texts at a time, and CHUNK_CHARACTERS characters unless a single text is longer."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and (len(chunk) == CHUNK_TEXTS or size + len(text) > CHUNK_CHARACTERS):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text)
    if chunk:
        yield chunk
