"""BERT's tokeniser as TensorFlow's users have it: `tensorflow_text`. Mirror: `pt_impl/tokenizer.py`.

Works on lists of strings and, in a `tf.data` pipeline, on string tensors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from shared.probe import Arrays, Task
from shared.store import VOCABULARY, open_store
from shared.wordpiece import (
    CLS,
    CONTINUATION,
    MAX_WORD_CHARACTERS,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    compared_texts,
    kept_ends,
    read_vocabulary,
)

UTF8_BYTES = 4  # of a character, at most


class Tokenizer:
    """Texts to ids. "fast" is `FastBertTokenizer` as shipped; "exact" gives the other wing's ids.

    They differ in what is done before WordPiece: `FastBertTokenizer` folds compatibility forms (ligatures, full-width
    letters), keeps other control characters, counts a long word's bytes instead of its characters and takes a special
    token in the text for brackets and letters. So "exact" prepares the words as the other wing does, in Python.
    """

    def __init__(self, vocab_path: str | Path, max_tokens: int, truncation: str, mode: str = "exact") -> None:
        """Read a `vocab.txt`.

        Args:
            max_tokens: T, [CLS] and [SEP] included. truncation: see `shared.wordpiece.kept_ends`.
            mode: "exact" or "fast".

        Raises:
            UserError: what `read_vocabulary` and `kept_ends` raise.
        """
        import tensorflow_text  # here, as a matched cell does not pay its 0.4 s

        assert mode in ("exact", "fast"), mode
        self.head, self.tail = kept_ends(max_tokens, truncation)
        self.max_tokens, self.mode = max_tokens, mode
        vocabulary = read_vocabulary(vocab_path)
        self.ids = {token: index for index, token in enumerate(vocabulary)}
        if mode == "fast":
            self.backend = tensorflow_text.FastBertTokenizer(
                list(vocabulary), token_out_type=tf.int32, lower_case_nfd_strip_accents=True
            )
        else:
            self.backend = tensorflow_text.FastWordpieceTokenizer(
                list(vocabulary),
                suffix_indicator=CONTINUATION,
                unknown_token=UNK,
                max_bytes_per_word=MAX_WORD_CHARACTERS * UTF8_BYTES,
                token_out_type=tf.int32,
                no_pretokenization=True,
            )
        special = [token for token in SPECIAL_TOKENS if token in self.ids]
        self.special = re.compile(f"({'|'.join(map(re.escape, special))})")
        self.normalizer, self.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()

    def __call__(self, texts: Sequence[str] | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ids (int32, n x T: [CLS] ... [SEP], then [PAD]) and lengths (int32, n) of n texts."""
        strings = tf.convert_to_tensor(texts, tf.string)
        if self.mode == "fast":
            found = self.backend.tokenize(strings)
        else:
            found = self.backend.tokenize(self.words(strings)).merge_dims(1, 2)
        found = self.truncated(found)
        first, last = (tf.fill([tf.size(strings), 1], self.ids[token]) for token in (CLS, SEP))
        ids = tf.concat([first, found, last], axis=1)
        return ids.to_tensor(self.ids[PAD], shape=[None, self.max_tokens]), tf.cast(ids.row_lengths(), tf.int32)

    def truncated(self, found: tf.RaggedTensor) -> tf.RaggedTensor:
        """The ends of each row that `kept_ends` keeps; of a row that fits, all."""
        place = tf.ragged.range(found.row_lengths())
        tail_begin = tf.maximum(found.row_lengths() - self.tail, self.head)[:, tf.newaxis]
        return tf.ragged.boolean_mask(found, (place < self.head) | (place >= tail_begin))

    def words(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """The words (n x words) of n texts, prepared as the other wing prepares them."""
        flat, lengths = tf.numpy_function(self.prepare, [strings], (tf.string, tf.int64), stateful=False)
        return tf.RaggedTensor.from_row_lengths(tf.ensure_shape(flat, [None]), tf.ensure_shape(lengths, [None]))

    def prepare(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The words of all texts in one array of bytes objects, and how many each text has (int64)."""
        rows = [self.words_of(text.decode("utf-8", errors="replace")) for text in texts]
        flat = [word.encode() for row in rows for word in row]
        return np.array(flat, object), np.array([len(row) for row in rows], np.int64)

    def words_of(self, text: str) -> list[str]:
        """Special tokens, which WordPiece finds whole in the vocabulary, and the normalised words between them."""
        words = []
        for place, piece in enumerate(self.special.split(text)):
            if place % 2:
                words.append(piece)
                continue
            for word, _ in self.pre_tokenizer.pre_tokenize_str(self.normalizer.normalize_str(piece)):
                words.append(word if len(word) <= MAX_WORD_CHARACTERS else UNK)
        return words


def tokens(task: Task) -> Arrays:
    """Ids of a tokenised store's texts, in each mode that this wing has."""
    store = open_store(task.store)
    source = store.manifest["source"]
    texts = compared_texts(store)
    arguments = (store.path / VOCABULARY, source["max_tokens"], source["truncation"])
    return {mode: Tokenizer(*arguments, mode=mode)(texts)[0].numpy() for mode in ("exact", "fast")}
