"""BERT on the equality ladder.

Tolerances: the figures seen on `bert-6l`, with a decade of room for other machines' rounding.
"""

from __future__ import annotations

from dataclasses import replace

from shared.families.bert.settings import BertWorkload
from shared.ladder import Ladder, Mutation, Tolerance
from shared.tasks import DEFAULT

TOKENS = 64
VOCABULARY_SIZE = 512
REPLICAS_RATE = 0.001  # of rung 6, the encoder's and the classifier's

# trained scalars by layers and features, with the published vocabulary and 512 positions, without the classifier
PUBLISHED = {(6, 768): 66_955_008, (12, 768): 109_482_240, (24, 1024): 335_141_888}
PUBLISHED_VOCABULARY, PUBLISHED_POSITIONS = 30_522, 512


def counts(workload: BertWorkload) -> tuple[int, int] | None:
    """Trained scalars of the encoder at its published size, as counted here and as published."""
    from shared.families.bert import FAMILY

    arch = FAMILY.architecture(workload)
    published = PUBLISHED.get((arch.num_layers, arch.hidden_size))
    if published is None:
        return None
    full = replace(arch, max_positions=PUBLISHED_POSITIONS, vocabulary_size=PUBLISHED_VOCABULARY, num_classes=1)
    return FAMILY.num_trained(full) - (arch.hidden_size + 1), published


LADDER = Ladder(
    batch=4,
    size=("input.max_tokens", TOKENS),
    unit="tokens",
    logits=Tolerance(1e-12, 1e-5),
    gradients=Tolerance(1e-11, 1e-4),
    trajectory=Tolerance(1e-12, 1e-4),
    statistics=Tolerance(0.0, 0.0),  # it has none
    small={"input.buckets": (), "model.vocabulary_size": VOCABULARY_SIZE},
    easy={
        "task": DEFAULT,
        "model.num_layers": 2,  # a deep one learns nothing from random weights in so few steps
        "model.hidden_size": 128,
        "model.num_heads": 2,
        "model.intermediate_size": 512,
        "model.hidden_dropout": 0.0,
        "model.classifier_dropout": 0.0,
        "optimizer.layer_decay": 1.0,
        "optimizer.head_rate": 1e-3,
        "schedule.peak_rate": 2e-3,
        "train.batch_per_replica": 16,
    },
    easy_steps=60,
    # Adam divides a gradient by its own size: a sum over replicas in place of a mean would hardly show, and the
    # rounding errors of gradients near zero would. Under a large epsilon its step is nearly that of plain descent.
    replicas={"optimizer.epsilon": 0.5, "optimizer.head_rate": REPLICAS_RATE, "optimizer.layer_decay": 1.0},
    counts=counts,
    mutations=(
        Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("layers.0.value.weight", 1e-4)),
        Mutation("norm epsilon 1e-10 for 1e-12", "pt", "forward-fp64", changes=(("model.norm_epsilon", 1e-10),)),
        Mutation("tanh-GELU", "pt", "forward-fp64", "tanh_gelu"),
        Mutation("padding mask off", "tf", "forward-fp64", "padding_mask_off"),
        Mutation("[SEP] missing", "pt", "input-fp64", "sep_missing"),
        Mutation("half the gradient of one bias", "tf", "backward-fp64", "half_the_gradient_of_a_bias"),
        Mutation("coupled weight decay", "pt", "trajectory-fp64", "coupled_decay"),
        Mutation("one layer's rate off by a thousandth", "pt", "trajectory-fp64", "other_rate_of_a_layer"),
        Mutation("Adam's epsilon 2e-8 for 1e-8", "pt", "trajectory-fp64", changes=(("optimizer.epsilon", 2e-8),)),
        Mutation("a rate of dropout off by 1/256", "tf", "input-fp64", "other_rate_of_dropout"),
        Mutation("a place of dropout drawn twice", "tf", "trajectory-fp64", "place_drawn_twice"),
        Mutation("two texts drop what the other should", "pt", "input-fp64", "samples_swapped"),
        Mutation("every epoch drops what the first did", "pt", "input-fp64", "epochs_drop_alike"),
    ),
)
