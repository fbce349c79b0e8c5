"""Hierarchical attention on the equality ladder.

Tolerances: the figures seen on `han`, with a decade of room for other machines' rounding.
"""

from __future__ import annotations

from shared.ladder import Ladder, Mutation, Tolerance
from shared.tasks import DEFAULT

SENTENCES, WORDS = 6, 12
VOCABULARY_SIZE = 512

LADDER = Ladder(
    batch=4,
    size=("input.max_sentences", SENTENCES),
    unit="sentences",
    logits=Tolerance(1e-12, 1e-5),
    gradients=Tolerance(1e-11, 1e-4),
    trajectory=Tolerance(1e-11, 1e-4),
    statistics=Tolerance(0.0, 0.0),  # static vectors, which nobody changes
    small={"input.buckets": (), "input.max_words": WORDS, "model.vocabulary_size": VOCABULARY_SIZE},
    easy={
        "task": DEFAULT,
        "model.vector_size": 32,
        "model.static_vectors": False,
        "model.word_hidden_size": 16,
        "model.sentence_hidden_size": 16,
        "model.attention_size": 32,
        "model.dropout": 0.0,
        "schedule.peak_rate": 0.01,
        "train.batch_per_replica": 16,
    },
    easy_steps=60,
    # see shared/families/bert/ladder.py: under a large epsilon Adam's step is nearly that of plain descent
    replicas={"optimizer.epsilon": 0.5},
    mutations=(
        Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("words.attention.weight", 1e-4)),
        Mutation("padding not masked", "tf", "forward-fp64", "padding_mask_off"),
        Mutation("attention without tanh", "pt", "forward-fp64", "attention_without_tanh"),
        Mutation("two sentences swapped", "tf", "input-fp64", "sentences_swapped"),
        Mutation("every sentence counts alike", "pt", "forward-fp64", "mean_of_sentences"),
        Mutation("one bias vector of a GRU", "tf", "trajectory-fp64", "one_bias_vector"),
        Mutation("half the gradient of one bias", "tf", "backward-fp64", "half_the_gradient_of_a_bias"),
        Mutation("Adam's epsilon 2e-8 for 1e-8", "pt", "trajectory-fp64", changes=(("optimizer.epsilon", 2e-8),)),
    ),
)
