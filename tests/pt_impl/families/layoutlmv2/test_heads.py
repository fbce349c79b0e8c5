"""Tags, spans and pre-training against `transformers`' own: LayoutLMv2, and BERT and LayoutLM, which it becomes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests import head_stores, tiny_layout, tiny_text

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from pt_impl.step import Step  # noqa: E402
from shared.families.layoutlmv2.batch import LayoutBatch  # noqa: E402
from shared.families.layoutlmv2.convert import PREFIX, transformers_name  # noqa: E402
from shared.families.layoutlmv2.settings import LayoutWorkload  # noqa: E402
from shared.store import NO_LABEL, Store  # noqa: E402
from tests.pt_impl.families.layoutlmv2.test_network import (  # noqa: E402
    gradients_of_both,
    library,
    library_output,
    make_step,
    on_device,
)
from tests.pt_impl.families.layoutlmv2.test_network import in_float64 as in_float64  # noqa: E402
from tests.row_stores import PAD  # noqa: E402

FUSED = ({}, {"model__fused_projections": False})


def batch_of(store: Store, settings: LayoutWorkload) -> LayoutBatch:
    batch = on_device(tiny_layout.train_batch(store, settings))
    assert len(set(batch.lengths.tolist())) > 1, "nothing is padded"
    return batch


def our_logits(step: Step, batch: LayoutBatch) -> Any:
    with torch.no_grad():
        return step.network(step.inputs(batch, training=True), None, training=True)


def factor(batch: LayoutBatch, labelled: torch.Tensor) -> float:
    """Our loss over the mean of what is labelled: 1 but for the precision of the samples' factors."""
    found = float(batch.weights[0, 0].double()) * int(labelled.sum()) / len(batch.labels)
    assert found == pytest.approx(1.0, rel=1e-7)
    return found


def of_answers(batch: LayoutBatch, output: Any) -> torch.Tensor:
    """The loss of an answer's both ends."""
    ends = zip((output.start_logits, output.end_logits), batch.labels.long().unbind(1), strict=True)
    return sum(nn.functional.cross_entropy(logits, labels, ignore_index=NO_LABEL) for logits, labels in ends) / 2


@pytest.mark.parametrize("changes", [*FUSED, {"model__spatial_attention": False}])
def test_tags_are_the_librarys(of_tasks: dict[str, Store], changes: dict[str, Any]) -> None:
    settings = head_stores.calm("tags", **changes)
    step, network, batch = make_step(settings), library(settings), batch_of(of_tasks["tags"], settings)
    labelled = batch.labels != NO_LABEL
    assert 0 < int(labelled.sum()) < int(batch.lengths.sum())
    loss, _ = step.loss_and_gradients(batch)
    found = library_output(network, batch, labels=batch.labels.long())
    assert found.logits.shape == (4, tiny_layout.TOKENS_WIDE, len(head_stores.TAGS))
    assert tiny_text.closeness(our_logits(step, batch), found.logits.detach()) < 1e-12
    expected = found.loss * factor(batch, labelled)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*gradients_of_both(step, network), 1e-9)


def segments_of(batch: LayoutBatch) -> torch.Tensor:
    """0 for the question, 1 for the page."""
    rows = [[0] * asked + [1] * (tiny_layout.TOKENS_WIDE - asked) for asked in batch.question_lengths[:, 0].tolist()]
    return torch.tensor(rows)


def with_answers(settings: LayoutWorkload, store: Store) -> LayoutBatch:
    """A batch of some rows that have an answer, and one that has not."""
    batch = batch_of(store, settings)
    labels = batch.labels.clone()
    labels[0], labels[1] = NO_LABEL, torch.tensor([3, 7])
    labelled = (labels[:, 0] != NO_LABEL).sum()
    return batch._replace(labels=labels, weights=(len(labels) / labelled).float().expand(len(labels), 1))


def but_for_padding(both: tuple[dict[str, np.ndarray], ...]) -> tuple[dict[str, np.ndarray], ...]:
    """Gradients of an answer's ends without those of the padding's vector: padding is among what an answer is looked
    for in, and ours learns its vector, which the library's table holds fast."""
    ours, theirs = both
    table = "embeddings.token.weight"
    assert ours[table][PAD].any() and not theirs[table][PAD].any()
    return {**ours, table: np.delete(ours[table], PAD, 0)}, {**theirs, table: np.delete(theirs[table], PAD, 0)}


@pytest.mark.parametrize("changes", [*FUSED, {"model__spatial_attention": False}])
def test_spans_are_the_librarys(of_tasks: dict[str, Store], changes: dict[str, Any]) -> None:
    """Without the vector that it adds to the visual tokens where nobody forbids it, and its bias at 0."""
    settings = head_stores.calm("spans", **changes)
    step, network = make_step(settings), library(settings, has_visual_segment_embedding=False)
    assert not network.qa_outputs.bias.any()
    batch = with_answers(settings, of_tasks["spans"])
    loss, _ = step.loss_and_gradients(batch)
    ends = torch.where(batch.labels == NO_LABEL, tiny_layout.TOKENS_WIDE, batch.labels).long()
    found = library_output(
        network, batch, token_type_ids=segments_of(batch), start_positions=ends[:, 0], end_positions=ends[:, 1]
    )
    theirs = torch.stack([found.start_logits, found.end_logits], -1).detach()
    assert tiny_text.closeness(our_logits(step, batch), theirs) < 1e-12
    expected = found.loss * factor(batch, batch.labels[:, 0] != NO_LABEL)
    assert expected.item() == pytest.approx(float(of_answers(batch, found).detach()), rel=1e-6)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*but_for_padding(gradients_of_both(step, network)), 1e-9)
    assert float(network.qa_outputs.bias.grad.abs().max()) < 1e-15, "a bias moves no softmax over tokens"


def test_the_librarys_vector_of_visual_tokens_is_all_that_it_adds(of_tasks: dict[str, Store]) -> None:
    settings = head_stores.calm("spans")
    step, batch = make_step(settings), batch_of(of_tasks["spans"], settings)
    ours = our_logits(step, batch)
    with pytest.raises(AssertionError, match="visual_segment_embedding"):
        library(settings)
    # the library writes the argument into the configuration, whatever stood there
    network = library(settings, has_visual_segment_embedding=False)
    body = network.layoutlmv2
    body.has_visual_segment_embedding = True
    for vector, same in ((0.0, True), (0.1, False)):
        body.visual_segment_embedding = nn.Parameter(torch.full((tiny_layout.FEATURES,), vector, dtype=torch.float64))
        body.visual_segment_embedding.data[0] *= 2  # an even vector, the norm would take off again
        found = library_output(network, batch, token_type_ids=segments_of(batch))
        theirs = torch.stack([found.start_logits, found.end_logits], -1).detach()
        assert (tiny_text.closeness(ours, theirs) < 1e-12) == same


# Without an image and biases by distance it is BERT where places are not read, and LayoutLM where they are summed.
PLAIN = {"model__visual": False, "model__spatial_attention": False}
OF_LAYOUT = {"none": "bert", "summed": "layoutlm"}
NETWORKS = {
    ("none", "tags"): "BertForTokenClassification",
    ("none", "spans"): "BertForQuestionAnswering",
    ("none", "pretraining"): "BertForMaskedLM",
    ("summed", "tags"): "LayoutLMForTokenClassification",
    ("summed", "spans"): "LayoutLMForQuestionAnswering",
    ("summed", "pretraining"): "LayoutLMForMaskedLM",
}
HIDDEN_HEAD = {
    "classifier.transform.weight": "cls.predictions.transform.dense.weight",
    "classifier.transform.bias": "cls.predictions.transform.dense.bias",
    "classifier.norm.weight": "cls.predictions.transform.LayerNorm.weight",
    "classifier.norm.bias": "cls.predictions.transform.LayerNorm.bias",
    "classifier.tokens_bias": "cls.predictions.bias",
}
APART = {
    "weight": ("query.weight", "key.weight", "value.weight"),
    "query_bias": ("query.bias",),
    "value_bias": ("value.bias",),
}


def parts_of(name: str, settings: LayoutWorkload) -> list[str]:
    """The library's tensors that make up one of ours, first rows first."""
    if ".projections." in name:
        layer, tensor = name.split(".projections.")
        return [part for each in APART[tensor] for part in parts_of(f"{layer}.{each}", settings)]
    if name.startswith("classifier."):
        of_spans = name.replace("classifier", "qa_outputs") if settings.task == "spans" else name
        return [HIDDEN_HEAD.get(name, of_spans)]
    return [transformers_name(name).replace(PREFIX, f"{OF_LAYOUT[settings.model.layout]}.")]


def plain_library(settings: LayoutWorkload) -> nn.Module:
    """`transformers`' BERT or LayoutLM with the same weights, in float64; keys have no bias where ours have none."""
    model, name = settings.model, NETWORKS[settings.model.layout, settings.task]
    kind = getattr(transformers, f"{name.partition('For')[0]}Config")
    config = kind(
        vocab_size=model.vocabulary_size,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        max_position_embeddings=model.max_positions,
        layer_norm_eps=model.norm_epsilon,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=model.num_classes,
        attn_implementation="eager",
    )
    network: nn.Module = getattr(transformers, name)(config).double()
    state = network.state_dict()
    missing = set(state)
    for ours, value in tiny_layout.weights(tiny_layout.architecture(settings), np.float64).items():
        theirs = parts_of(ours, settings)
        for part, rows in zip(theirs, np.split(value, len(theirs)), strict=True):
            state[part].copy_(torch.from_numpy(rows))
            missing.discard(part)
    keyless = "key.bias" if model.fused_projections else "none"
    rest = {each for each in missing if not each.endswith((keyless, "qa_outputs.bias")) and ".pooler." not in each}
    assert rest <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}, "which are tied"
    for each in missing - rest:
        assert ".pooler." in each or not state[each].any()
    return network


def plain_output(network: nn.Module, batch: LayoutBatch, settings: LayoutWorkload) -> Any:
    mask = (torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]).long()
    given = {"bbox": batch.boxes.long()} if settings.model.layout == "summed" else {}
    if settings.task == "spans":
        given["token_type_ids"] = segments_of(batch)
    return network(input_ids=batch.tokens.long(), attention_mask=mask, **given)


def plain_gradients(step: Step, network: nn.Module) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Ours and theirs by our names: all of ours."""
    ours = {name: parameter.grad.numpy() for name, parameter in step.network.canonical_parameters().items()}
    theirs = {name: parameter.grad for name, parameter in network.named_parameters()}
    whole = {name: np.concatenate([theirs[part].numpy() for part in parts_of(name, step.workload)]) for name in ours}
    return ours, whole


@pytest.mark.parametrize("changes", FUSED)
@pytest.mark.parametrize("layout", OF_LAYOUT)
def test_tags_of_text_are_those_of_bert_and_of_layoutlm(
    of_tasks: dict[str, Store], layout: str, changes: dict[str, Any]
) -> None:
    settings = head_stores.calm("tags", model__layout=layout, **PLAIN, **changes)
    step, network, batch = make_step(settings), plain_library(settings), batch_of(of_tasks["tags"], settings)
    loss, _ = step.loss_and_gradients(batch)
    logits = plain_output(network, batch, settings).logits
    assert tiny_text.closeness(our_logits(step, batch), logits.detach()) < 1e-12
    mean = nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.long().flatten(), ignore_index=NO_LABEL)
    expected = mean * factor(batch, batch.labels != NO_LABEL)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*plain_gradients(step, network), 1e-9)


@pytest.mark.parametrize("layout", OF_LAYOUT)
def test_spans_of_text_are_those_of_bert_and_of_layoutlm(of_tasks: dict[str, Store], layout: str) -> None:
    settings = head_stores.calm("spans", model__layout=layout, **PLAIN)
    step, network = make_step(settings), plain_library(settings)
    batch = with_answers(settings, of_tasks["spans"])
    loss, _ = step.loss_and_gradients(batch)
    found = plain_output(network, batch, settings)
    theirs = torch.stack([found.start_logits, found.end_logits], -1).detach()
    assert tiny_text.closeness(our_logits(step, batch), theirs) < 1e-12
    expected = of_answers(batch, found) * factor(batch, batch.labels[:, 0] != NO_LABEL)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*but_for_padding(plain_gradients(step, network)), 1e-9)


@pytest.mark.parametrize("layout", OF_LAYOUT)
def test_masked_tokens_of_text_are_those_of_bert_and_of_layoutlm(of_tasks: dict[str, Store], layout: str) -> None:
    """Which compute logits of every token, from vectors that they share with the token table."""
    settings = head_stores.calm("pretraining", model__layout=layout, **PLAIN)
    step, network, batch = make_step(settings), plain_library(settings), batch_of(of_tasks["pretraining"], settings)
    masked, most = batch.labels != NO_LABEL, batch.positions.shape[1]
    assert not masked[:, most:].any(), "there is no image"
    loss, _ = step.loss_and_gradients(batch)
    rows = torch.arange(len(batch.tokens))[:, None]
    logits = plain_output(network, batch, settings).logits[rows, batch.positions.long()]
    ours = our_logits(step, batch)
    assert ours.tokens.shape == (4, most, settings.model.vocabulary_size)
    assert not ours.alignment.any() and not ours.matching.any()
    assert tiny_text.closeness(ours.tokens, logits.detach()) < 1e-12
    labels = batch.labels[:, :most].long().flatten()
    mean = nn.functional.cross_entropy(logits.flatten(0, 1), labels, ignore_index=NO_LABEL)
    expected = mean * factor(batch, masked)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    tiny_text.assert_close(*plain_gradients(step, network), 1e-9)


def test_the_token_table_is_trained_from_both_ends(of_tasks: dict[str, Store]) -> None:
    settings = head_stores.calm("pretraining")
    step, batch = make_step(settings), batch_of(of_tasks["pretraining"], settings)
    step.loss_and_gradients(batch)
    table, head = step.network.embeddings.token.weight, step.network.classifier
    both = table.grad.clone()
    step.network.zero_grad()
    apart = table.detach().clone().requires_grad_()  # what the head reads, as a table of its own
    forward = head.forward
    head.forward = lambda features, inputs, _: forward(features, inputs, SimpleNamespace(weight=apart))
    step.loss_and_gradients(batch)
    assert apart.grad is not None
    assert tiny_text.closeness(table.grad + apart.grad, both) < 1e-12
    read = torch.bincount(batch.tokens.flatten(), minlength=settings.model.vocabulary_size) > 0
    assert not table.grad[~read].any()
    assert table.grad[read].any() and (apart.grad.abs().amax(1) > 0).all(), "every token might have been the hidden one"


def test_logits_of_masked_tokens_are_of_their_places_alone(of_tasks: dict[str, Store]) -> None:
    """Of each token of the text there is one of its line, and of the page one of its image."""
    settings = head_stores.calm("pretraining")
    step, batch = make_step(settings), batch_of(of_tasks["pretraining"], settings)
    most = batch.positions.shape[1]
    assert most < tiny_layout.TOKENS_WIDE // 4
    found = our_logits(step, batch)
    assert found.tokens.shape == (4, most, settings.model.vocabulary_size)
    assert found.alignment.shape == (4, tiny_layout.TOKENS_WIDE, 2)
    assert found.matching.shape == (4, 1, 2)
    turned = our_logits(step, batch._replace(positions=batch.positions.flip(1)))
    assert torch.equal(turned.alignment, found.alignment)
    assert tiny_text.closeness(turned.tokens.flip(1), found.tokens) < 1e-14
