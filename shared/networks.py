"""From a workload to its network's structure, whatever the family."""

from __future__ import annotations

from shared import bert, efficientnet
from shared.sections import BertModel
from shared.spec import Workload

Architecture = efficientnet.Architecture | bert.Architecture


def architecture_of(workload: Workload) -> Architecture:
    """The network that a workload asks for."""
    model = workload.model
    if isinstance(model, BertModel):
        return bert.Architecture(
            num_layers=model.num_layers,
            hidden_size=model.hidden_size,
            num_heads=model.num_heads,
            intermediate_size=model.intermediate_size,
            max_positions=model.max_positions,
            vocabulary_size=model.vocabulary_size,
            num_classes=model.num_classes,
            norm_epsilon=model.norm_epsilon,
            hidden_dropout=model.hidden_dropout,
            classifier_dropout=model.classifier_dropout,
        )
    return efficientnet.architecture(model.variant, model.num_classes, model.dropout, model.drop_connect)


def parameter_shapes(arch: Architecture) -> dict[str, tuple[int, ...]]:
    """Canonical name of every tensor (statistics included) to its shape, in forward order."""
    return bert.parameter_shapes(arch) if isinstance(arch, bert.Architecture) else efficientnet.parameter_shapes(arch)


def num_trainable(arch: Architecture) -> int:
    """Number of trained scalars."""
    return bert.num_trainable(arch) if isinstance(arch, bert.Architecture) else efficientnet.num_trainable(arch)


def classifier_inputs(arch: Architecture) -> int:
    """Number of features that the classifier reads."""
    return arch.hidden_size if isinstance(arch, bert.Architecture) else arch.head_channels
