"""The `native` arm's text model: `transformers`' BERT and tokeniser. Mirror: `tf_impl/native_text.py`.

As shipped: its own initial weights, its own draws of dropout (attention weights included), its best attention kernel.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor, nn

from pt_impl.tokenizer import Tokenizer
from shared.batches import EvalBatches, TrainBatches
from shared.convert_bert import transformers_name
from shared.networks import architecture_of, parameter_shapes
from shared.protocol import Cell
from shared.store import VOCABULARY
from shared.texts import TextBatch, with_strings

SETTINGS = {
    "version.transformers": version("transformers"),
    "attention": "scaled_dot_product_attention",
    "gelu": "exact",
    "tokenizer": "BertTokenizerFast, while batches are assembled",
}


class NativeTextNetwork(nn.Module):
    """`transformers.BertForSequenceClassification` with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        model = cell.workload.model
        self.arch = architecture_of(cell.workload)
        torch.manual_seed(cell.seed)
        self.whole = BertForSequenceClassification(
            BertConfig(
                vocab_size=model.vocabulary_size,
                hidden_size=model.hidden_size,
                num_hidden_layers=model.num_layers,
                num_attention_heads=model.num_heads,
                intermediate_size=model.intermediate_size,
                max_position_embeddings=model.max_positions,
                hidden_dropout_prob=model.hidden_dropout,
                attention_probs_dropout_prob=model.hidden_dropout,
                classifier_dropout=model.classifier_dropout,
                layer_norm_eps=model.norm_epsilon,
                num_labels=model.num_classes,
                attn_implementation="sdpa",
            )
        )

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by canonical name."""
        theirs = dict(self.whole.named_parameters())
        return {name: theirs[transformers_name(name)] for name in parameter_shapes(self.arch)}

    def forward(
        self,
        tokens: Tensor,
        bias: Tensor,
        noise: Tensor | None = None,
        noise_last: Tensor | None = None,
        keep_unit: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Token ids (N, T) to logits (N, K), under autocast where the bias is not float32; the library draws itself."""
        self.train(training)
        reduced = bias.dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(bias.device.type, dtype=bias.dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.whole(input_ids=tokens.long(), attention_mask=(bias[:, 0, 0] == 0).long()).logits


class NativeTexts:
    """Batches that the library's own tokeniser makes of the texts, ahead of the step."""

    def __init__(self, batches: TrainBatches | EvalBatches, cell: Cell) -> None:
        self.batches = batches
        store, settings = batches.store, cell.workload.input
        self.vocabulary = store.path / VOCABULARY
        self.arguments = (settings.max_tokens, settings.truncation, "fast")
        self._tokenizer: Tokenizer | None = None

    def batch(self, step: int, replica: int) -> TextBatch:
        """A replica's texts of a step."""
        samples = self.batches.samples(step, replica)
        return with_strings(self.batches.batch(step, replica), self.batches.store, samples)

    def finish(self, batch: TextBatch) -> TextBatch:
        """The texts as tokens; called where batches are assembled."""
        if self._tokenizer is None:  # in that process, once
            self._tokenizer = Tokenizer(self.vocabulary, *self.arguments)
        tokens, lengths = self._tokenizer([text.decode() for text in batch.tokens])
        return batch._replace(tokens=tokens.numpy(), lengths=lengths.numpy())
