"""Convolutions over words on the equality ladder.

Tolerances: the figures seen on `kim-cnn` and `xml-cnn`, with a decade of room for other machines' rounding.
"""

from __future__ import annotations

from shared.ladder import Ladder, Mutation, Tolerance
from shared.tasks import DEFAULT

WORDS = 48
VOCABULARY_SIZE = 512

LADDER = Ladder(
    batch=4,
    size=("input.max_words", WORDS),
    unit="words",
    logits=Tolerance(1e-12, 1e-5),
    gradients=Tolerance(1e-11, 1e-4),
    trajectory=Tolerance(1e-11, 1e-4),
    statistics=Tolerance(0.0, 0.0),  # static vectors, which nobody changes
    small={"input.buckets": (), "model.vocabulary_size": VOCABULARY_SIZE},
    easy={
        "task": DEFAULT,
        "model.vector_size": 32,
        "model.static_vectors": False,
        "model.num_filters": 16,
        "model.dropout": 0.0,
        "schedule.peak_rate": 0.01,
        "train.batch_per_replica": 16,
    },
    easy_steps=60,
    # see shared/families/bert/ladder.py: under a large epsilon Adam's step is nearly that of plain descent
    replicas={"optimizer.epsilon": 0.5},
    mutations=(
        Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("classifier.weight", 1e-4)),
        Mutation("padding not masked", "tf", "forward-fp64", "padding_mask_off"),
        Mutation("windows of the maximum off by one", "pt", "forward-fp64", "windows_end_early"),
        Mutation("a filter's words in the other order", "tf", "forward-fp64", "filters_turned"),
        Mutation("padding on one side alone", "pt", "forward-fp64", "padding_on_one_side"),
        Mutation("a maximum's gradient halved", "pt", "backward-fp64", "half_the_gradient_of_a_maximum"),
        Mutation("half the gradient of one bias", "tf", "backward-fp64", "half_the_gradient_of_a_bias"),
        Mutation("Adam's epsilon 2e-8 for 1e-8", "pt", "trajectory-fp64", changes=(("optimizer.epsilon", 2e-8),)),
        Mutation("a rate of dropout off by 1/256", "tf", "input-fp64", "other_rate_of_dropout"),
        Mutation("two texts drop what the other should", "pt", "input-fp64", "samples_swapped"),
        Mutation("every epoch drops what the first did", "pt", "input-fp64", "epochs_drop_alike"),
    ),
)
