"""LayoutLMv2 on the equality ladder.

The rungs' pages are small, but no part of the network is left out: distances lie on either side of what the bins tell
apart, in the text (128) and on the page (256), and every convolution is grouped or halves the map as in the release.
"""

from __future__ import annotations

from dataclasses import replace

from shared.families.layoutlmv2.architecture import Architecture
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.ladder import Ladder, Mutation, Tolerance

TOKENS = 144
VOCABULARY_SIZE = 512
REPLICAS_RATE = 0.001  # of rung 6, the encoder's and the classifier's

# Scalars of the released bodies, by layers and features. They count what is never trained here, see `counts`.
PUBLISHED = {(12, 768): 200_081_984, (24, 1024): 425_991_872}
RELEASED_BLOCKS = (3, 4, 23, 3)
PUBLISHED_VOCABULARY, PUBLISHED_POSITIONS = 30_522, 512


def counts(workload: LayoutWorkload) -> tuple[int, int] | None:
    """Trained scalars of the body at its published size, as counted here and as published.

    The release also counts a pooler (H^2 + H) that no head of ours reads, and the outputs of three levels of the
    pyramid (3x3 convolutions of its width, with biases) that nothing reads.
    """
    from shared.families.layoutlmv2 import FAMILY

    arch = FAMILY.architecture(workload)
    published = PUBLISHED.get((arch.num_layers, arch.hidden_size))
    whole = (
        arch.visual
        and arch.spatial_attention
        and arch.layout == "concatenated"
        and arch.backbone.blocks == RELEASED_BLOCKS
    )
    if published is None or not whole:
        return None
    full = replace(
        arch,
        backbone=replace(arch.backbone, frozen=0),
        max_positions=PUBLISHED_POSITIONS,
        vocabulary_size=PUBLISHED_VOCABULARY,
        head="document",
        num_classes=1,
    )
    classifier = full.num_features + 1
    return FAMILY.num_trained(full) - classifier + never_read(full), published


def never_read(arch: Architecture) -> int:
    """Scalars of the release that our network does not have."""
    width = arch.backbone.pyramid_channels
    return arch.hidden_size * (arch.hidden_size + 1) + 3 * (width * width * 9 + width)


LADDER = Ladder(
    batch=4,
    size=("input.max_tokens", TOKENS),
    unit="tokens",
    logits=Tolerance(1e-12, 1e-5),
    gradients=Tolerance(1e-11, 1e-4),
    trajectory=Tolerance(1e-12, 1e-4),
    statistics=Tolerance(0.0, 0.0),  # its norms are constants
    inputs={"images": Tolerance(1e-12, 1e-6)},  # two orders of one subtraction and one division
    small={
        "input.stride": 32,
        "input.image_size": 64,
        "model.pool": 4,
        "model.vocabulary_size": VOCABULARY_SIZE,
        "model.backbone_blocks": (1, 2, 1, 1),
    },
    easy={
        "model.num_layers": 2,  # a deep one learns nothing from random weights in so few steps
        "model.hidden_size": 128,
        "model.num_heads": 2,
        "model.intermediate_size": 512,
        "model.coordinate_size": 24,
        "model.shape_size": 16,
        "model.backbone_groups": 4,
        "model.backbone_group_width": 4,
        "model.backbone_stem": 16,
        "model.backbone_channels": 32,
        "model.backbone_pyramid": 32,
        "model.hidden_dropout": 0.0,
        "model.classifier_dropout": 0.0,
        "optimizer.layer_decay": 1.0,
        # low rates and few steps: the task is soon learnt by all, and documents that everybody gets right show nothing
        "optimizer.head_rate": 3e-4,
        "schedule.peak_rate": 3e-4,
        "train.batch_per_replica": 16,
    },
    easy_steps=20,
    # Adam divides a gradient by its own size: a sum over replicas in place of a mean would hardly show, and the
    # rounding errors of gradients near zero would. Under a large epsilon its step is nearly that of plain descent.
    replicas={"optimizer.epsilon": 0.5, "optimizer.head_rate": REPLICAS_RATE, "optimizer.layer_decay": 1.0},
    counts=counts,
    mutations=(
        Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("layers.0.output.weight", 1e-4)),
        Mutation("top edge for bottom edge in the bias", "pt", "forward-fp64", "top_edge"),
        Mutation("red first for blue first", "tf", "input-fp64", "red_first"),
        Mutation("a bin off by one", "pt", "forward-fp64", "bin_off_by_one"),
        Mutation("biases by distance frozen", "tf", "backward-fp64", "frozen_biases"),
        Mutation("visual tokens before the text", "pt", "forward-fp64", "visual_first"),
        Mutation("[SEP] has the far corner for a box", "pt", "input-fp64", "box_of_sep"),
        Mutation("mean of the image behind the layers twice", "tf", "forward-fp64", "mean_behind_twice"),
        Mutation("a coarser level of the pyramid", "pt", "forward-fp64", "coarser_level"),
        Mutation("stride in the first convolution of a block", "pt", "forward-fp64", "stride_first"),
        Mutation("padding mask off", "tf", "forward-fp64", "padding_mask_off"),
        Mutation("a place of dropout drawn twice", "tf", "trajectory-fp64", "place_drawn_twice"),
        Mutation("a rate of dropout off by 1/256", "tf", "input-fp64", "other_rate_of_dropout"),
    ),
)
