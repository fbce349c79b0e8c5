"""The `native` arm's BERT: `transformers`', and its tokeniser. Mirror: `tf_impl/families/bert/native.py`.

As shipped: its own initial weights, its own draws of dropout (attention weights included), its best attention kernel.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.families.bert.inputs import Inputs
from pt_impl.tokenizer import Tokenizer
from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.batch import TextBatch
from shared.families.bert.convert import transformers_name
from shared.families.bert.settings import of_family
from shared.modalities import text_strings
from shared.protocol import Cell
from shared.store import VOCABULARY

SETTINGS = {
    "version.transformers": version("transformers"),
    "attention": "scaled_dot_product_attention",
    "gelu": "exact",
    "tokenizer": "BertTokenizerFast, while batches are assembled",
}


class NativeNetwork(nn.Module):
    """`transformers.BertForSequenceClassification` with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        workload = of_family(cell.workload)
        model = workload.model
        self.arch = family_of(cell.workload).architecture(cell.workload)
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
        self.classifier = self.whole.classifier

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by canonical name."""
        theirs = dict(self.whole.named_parameters())
        return {name: theirs[transformers_name(name)] for name in parameter_shapes(self.arch)}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, H); the library draws its own drops."""
        self.train(training)
        tokens, mask = inputs.tokens.long(), (inputs.bias[:, 0, 0] == 0).long()
        return self.whole.bert(input_ids=tokens, attention_mask=mask).pooler_output

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, H) to logits (N, K)."""
        self.whole.dropout.train(drops is not None)
        return self.whole.classifier(self.whole.dropout(features))

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K), under autocast where the bias is not float32."""
        dtype, device = inputs.bias.dtype, inputs.bias.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(inputs, drops, training), drops)


class NativeTexts:
    """Batches that the library's own tokeniser makes of the texts, ahead of the step."""

    def __init__(self, batches: TrainBatches | EvalBatches, cell: Cell) -> None:
        self.batches = batches
        store, settings = batches.store, of_family(cell.workload).input
        self.vocabulary = store.path / VOCABULARY
        self.arguments = (settings.max_tokens, settings.truncation, "fast")
        self._tokenizer: Tokenizer | None = None

    def batch(self, step: int, replica: int) -> TextBatch:
        """A replica's texts of a step."""
        samples = self.batches.samples(step, replica)
        batch = self.batches.batch(step, replica)
        assert isinstance(batch, TextBatch)
        return batch._replace(tokens=text_strings(self.batches.store, samples, len(batch.tokens)))

    def finish(self, batch: TextBatch) -> TextBatch:
        """The texts as tokens; called where batches are assembled."""
        if self._tokenizer is None:  # in that process, once
            self._tokenizer = Tokenizer(self.vocabulary, *self.arguments)
        tokens, lengths = self._tokenizer([text.decode() for text in batch.tokens])
        return batch._replace(tokens=tokens.numpy(), lengths=lengths.numpy())
