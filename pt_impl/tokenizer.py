"""BERT's tokeniser as PyTorch's users have it: `transformers`. Mirror: `tf_impl/tokenizer.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from shared.probe import Arrays, Task
from shared.store import VOCABULARY, open_store
from shared.wordpiece import CLS, MASK, PAD, SEP, compared_texts, kept_ends, read_vocabulary


class Tokenizer:
    """Texts to ids. `transformers`' fast tokeniser is also the exact one, so both modes are the same here."""

    def __init__(self, vocab_path: str | Path, max_tokens: int, truncation: str, mode: str = "exact") -> None:
        """Read a `vocab.txt`.

        Args:
            max_tokens: T, [CLS] and [SEP] included. truncation: see `shared.wordpiece.kept_ends`.
            mode: "exact" or "fast".

        Raises:
            UserError: what `read_vocabulary` and `kept_ends` raise.
        """
        from transformers import BertTokenizerFast  # here, as a matched cell does not pay its 1.5 s

        assert mode in ("exact", "fast"), mode
        self.head, self.tail = kept_ends(max_tokens, truncation)
        self.max_tokens = max_tokens
        self.ids = {token: index for index, token in enumerate(read_vocabulary(vocab_path))}
        # a token that the vocabulary has not would be given an id behind its end
        mask = MASK if MASK in self.ids else None
        self.backend = BertTokenizerFast(vocab=self.ids, mask_token=mask).backend_tokenizer

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (int32, n x T: [CLS] ... [SEP], then [PAD]) and lengths (int32, n) of n texts."""
        first, last = self.ids[CLS], self.ids[SEP]
        ids = np.full((len(texts), self.max_tokens), self.ids[PAD], np.int32)
        lengths = np.zeros(len(texts), np.int32)
        for row, encoding in enumerate(self.backend.encode_batch_fast(list(texts), add_special_tokens=False)):
            found = encoding.ids
            if len(found) > self.head + self.tail:
                found = found[: self.head] + found[len(found) - self.tail :]
            lengths[row] = len(found) + 2
            ids[row, : lengths[row]] = [first, *found, last]
        return torch.from_numpy(ids), torch.from_numpy(lengths)


def tokens(task: Task) -> Arrays:
    """Ids of a tokenised store's texts, in each mode that this wing has."""
    store = open_store(task.store)
    source = store.manifest["source"]
    tokenizer = Tokenizer(store.path / VOCABULARY, source["max_tokens"], source["truncation"])
    return {"exact": tokenizer(compared_texts(store))[0].numpy()}
