"""What families of transformers have in common: the vocabulary that a store brings, how their layers are trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.family import ParameterGroup
from shared.store_facts import StoreFacts

TOP = ("pooler",)  # what is trained as the last layer is


def vocabulary_of(facts: StoreFacts, ours: int) -> dict[str, tuple[Any, str]]:
    """What a store changes of a workload by the vocabulary that its tokens are of, see `shared.family.Family.fit`."""
    theirs = facts.vocabulary_size
    if theirs in (None, ours):
        return {}
    line = f"the vocabulary has {theirs} entries, the workload's {ours}: the vocabulary's"
    return {"model.vocabulary_size": (theirs, line)}


def layered_groups(
    trained: Iterable[str], num_layers: int, head_factor: float, layer_decay: float, weight_decay: float
) -> dict[str, ParameterGroup]:
    """How each tensor of a transformer is trained.

    The classifier has its own rate; the last layer and a pooler have the schedule's; every layer below has
    `layer_decay` times the one above it, whatever comes before the layers is last (Sun et al., "How to fine-tune BERT
    for text classification", 2019, section 3.3). Biases, norms and the classifier do not decay.

    Args:
        trained: canonical names. head_factor: the classifier's rate over the schedule's.
    """
    groups = {}
    for name in trained:
        part, _, rest = name.partition(".")
        if part == "classifier":
            factor = head_factor
        else:
            layer = int(rest.partition(".")[0]) if part == "layers" else num_layers - 1 if part in TOP else -1
            factor = layer_decay ** (num_layers - 1 - layer)
        exempt = name.endswith("bias") or "norm." in name or part == "classifier"
        groups[name] = ParameterGroup(factor, 0.0 if exempt else weight_decay)
    return groups
