"""EfficientNet on the equality ladder.

Tolerances: the figures seen on B0, B2 and B4, with a decade of room for other machines' rounding.
"""

from __future__ import annotations

from shared.families.efficientnet.architecture import architecture
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.ladder import Ladder, Mutation, Tolerance
from shared.tasks import DEFAULT

PIXELS = 64  # smaller maps make batch norms of few values, and rounding errors grow

# trained scalars at 1000 classes, as published and as counted in both public implementations
PUBLISHED = {"b0": 5_288_548, "b1": 7_794_184, "b2": 9_109_994, "b3": 12_233_232, "b4": 19_341_616}
PUBLISHED_CLASSES = 1000


def counts(workload: EfficientNetWorkload) -> tuple[int, int] | None:
    """Trained scalars of the variant at 1000 classes, as counted here and as published."""
    from shared.families.efficientnet import FAMILY

    variant = workload.model.variant
    if variant not in PUBLISHED:
        return None
    return FAMILY.num_trained(architecture(variant, PUBLISHED_CLASSES)), PUBLISHED[variant]


LADDER = Ladder(
    batch=8,
    size=("input.image_size", PIXELS),
    unit="px",
    logits=Tolerance(1e-12, 1e-4),
    gradients=Tolerance(1e-11, 1e-3),
    trajectory=Tolerance(1e-12, 1e-4),
    statistics=Tolerance(1e-12, 1e-4),
    inputs={"images": Tolerance(1e-12, 1e-5)},
    easy={
        "task": DEFAULT,
        "input.image_size": PIXELS,
        "model.norm_momentum": 0.8,  # statistics that settle as fast
        "model.drop_connect": 0.0,
        "model.dropout": 0.0,
        "schedule.peak_rate": 0.2,  # twice as high, and rounding errors move one document in a hundred
    },
    easy_steps=30,
    replicas={"model.norm_statistics": "fixed"},
    counts=counts,
    mutations=(
        Mutation(
            "one weight of 4 million off by 1e-4",
            "pt",
            "forward-fp64",
            weight_shift=("blocks.3.project.conv.weight", 1e-4),
        ),
        Mutation("epsilon 1.1e-3 for 1e-3", "pt", "forward-fp64", changes=(("model.norm_epsilon", 1.1e-3),)),
        Mutation("symmetric padding at stride 2", "pt", "forward-fp64", "symmetric_padding"),
        Mutation("biased running variance", "tf", "forward-fp64", "biased_running_variance"),
        Mutation("half the gradient of one bias", "pt", "backward-fp64", "half_the_gradient_of_a_bias"),
        Mutation("momentum 0.89 for 0.9", "pt", "trajectory-fp64", changes=(("optimizer.momentum", 0.89),)),
        Mutation("batch-norm momentum off by 0.001", "pt", "trajectory-fp64", "other_norm_momentum"),
        Mutation("decoupled weight decay", "pt", "trajectory-fp64", "decoupled_decay"),
        Mutation("one page of the first batch sheared the other way", "pt", "input-fp64", "sheared_the_other_way"),
    ),
)
