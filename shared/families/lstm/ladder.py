"""A bidirectional LSTM on the equality ladder.

Tolerances: the figures seen on `lstm`, with a decade of room for other machines' rounding.
"""

from __future__ import annotations

from shared.families import family_of
from shared.families.lstm.architecture import published_counts
from shared.families.lstm.settings import LstmWorkload
from shared.ladder import Ladder, Mutation, Tolerance
from shared.tasks import DEFAULT

WORDS = 48
VOCABULARY_SIZE = 512


def counts(workload: LstmWorkload) -> tuple[int, int]:
    """Trained scalars at the published sizes: as counted and as published."""
    return published_counts(family_of(workload).architecture(workload))


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
        "model.hidden_size": 32,
        "model.dropout": 0.0,
        "model.weight_drop": 0.0,
        "model.embedding_dropout": 0.0,
        "schedule.peak_rate": 0.01,
        "train.batch_per_replica": 16,
    },
    easy_steps=60,
    # see shared/families/bert/ladder.py: under a large epsilon Adam's step is nearly that of plain descent
    replicas={"optimizer.epsilon": 0.5},
    counts=counts,
    mutations=(
        Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("lstm.backward.weight_hh", 1e-4)),
        Mutation("padding not masked", "tf", "forward-fp64", "padding_mask_off"),
        Mutation("backwards from the end of the padding", "pt", "forward-fp64", "backwards_from_the_padding"),
        Mutation("forget and input gate swapped", "pt", "forward-fp64", "gates_swapped"),
        Mutation("a maximum's gradient halved", "pt", "backward-fp64", "half_the_gradient_of_a_maximum"),
        Mutation("half the gradient of one bias", "tf", "backward-fp64", "half_the_gradient_of_a_bias"),
        Mutation("one bias vector, not two", "tf", "trajectory-fp64", "one_bias_vector"),
        Mutation("the forward matrix not dropped", "pt", "trajectory-fp64", "forward_matrix_not_dropped"),
        Mutation("the other direction's matrix dropped too", "tf", "trajectory-fp64", "both_matrices_dropped"),
        Mutation("words dropped one by one, not of the vocabulary", "tf", "trajectory-fp64", "words_dropped_by_place"),
        Mutation("the average from a copy, not from zero", "pt", "trajectory-fp64", "other_start_of_the_average"),
        Mutation("the average of the weights before the step", "tf", "trajectory-fp64", "average_before_the_step"),
        Mutation("Adam's epsilon 2e-8 for 1e-8", "pt", "trajectory-fp64", changes=(("optimizer.epsilon", 2e-8),)),
        Mutation("a rate of dropout off by 1/256", "tf", "input-fp64", "other_rate_of_dropout"),
        Mutation("every step drops what the first did", "pt", "input-fp64", "steps_drop_alike"),
    ),
)
