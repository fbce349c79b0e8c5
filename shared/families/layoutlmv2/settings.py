"""The tables of a LayoutLMv2 workload."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections import AdamW, Constant, Dropout, Model, Positive, Pretraining, Section, WarmupLinear
from shared.spec import Workload
from shared.tasks import task_of

STRIDE = 4  # of the backbone's finest level
COARSEST = 32  # of its coarsest

Channels = Annotated[int, Field(ge=1, le=4096)]
Bins = Annotated[int, Field(ge=4, le=1024, multiple_of=4)]


class LayoutModel(Model):
    family: Literal["layoutlmv2"]
    num_layers: Annotated[int, Field(ge=1, le=96)]
    hidden_size: Annotated[int, Field(ge=8, le=16_384)]
    num_heads: Annotated[int, Field(ge=1, le=256)]
    intermediate_size: Annotated[int, Field(ge=8, le=65_536)]
    max_positions: Annotated[int, Field(ge=8, le=8192)]
    vocabulary_size: Annotated[int, Field(ge=64, le=1_000_000)]
    activation: Literal["gelu"]  # the exact one, by the error function
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)]
    hidden_dropout: Dropout
    classifier_dropout: Dropout
    coordinate_size: Annotated[int, Field(ge=1, le=4096)]  # features of an edge of a box
    shape_size: Annotated[int, Field(ge=1, le=4096)]  # of its width, and of its height
    fused_projections: bool  # queries, keys and values by one product, keys without a bias
    # what is made of a box: nothing; the sum of six vectors (LayoutLM), or all of them side by side
    layout: Literal["none", "summed", "concatenated"]
    visual: bool  # whether the page's image is read
    spatial_attention: bool  # whether attention has biases by distance
    distance_bins: Bins
    farthest: Annotated[int, Field(ge=2, le=1000)]
    spatial_bins: Bins
    spatial_farthest: Annotated[int, Field(ge=2, le=1000)]
    pool: Annotated[int, Field(ge=1, le=64)]  # visual tokens, across and down
    backbone_blocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(strict=False, min_length=4, max_length=4)
    ]
    backbone_groups: Channels
    backbone_group_width: Channels
    backbone_stem: Channels
    backbone_channels: Channels
    backbone_pyramid: Channels
    backbone_frozen: Annotated[int, Field(ge=0, le=5)]  # parts from the image on that are not trained, the stem first


class LayoutInput(Section):
    """A page's text, places and image. One width: attention has biases between all of a page."""

    max_tokens: Annotated[int, Field(ge=8, le=1000)]  # apart at most, as two coordinates are
    truncation: Literal["head"]  # of a page that is read as a whole
    stride: Annotated[int, Field(ge=0, le=512)]  # tokens that windows of a page share, where it is read in windows
    image_size: Annotated[int, Field(ge=32, le=2048, multiple_of=COARSEST)]
    mean: Annotated[tuple[float, float, float], Field(strict=False)]  # blue, green, red, of 0 to 255
    std: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)]


class LayoutWorkload(Workload):
    """Pages, words and boxes into LayoutLMv2."""

    model: LayoutModel
    input: LayoutInput
    optimizer: AdamW
    schedule: Annotated[WarmupLinear | Constant, Field(discriminator="name")]
    pretraining: Pretraining | None = None  # what is hidden, where that is the task

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        model, settings = self.model, self.input
        if model.hidden_size % model.num_heads:
            raise ValueError(f"hidden_size {model.hidden_size} is not a multiple of {model.num_heads} heads")
        if settings.max_tokens > model.max_positions:
            raise ValueError(
                f"{settings.max_tokens} max_tokens need as many positions; the model has {model.max_positions}"
            )
        if (self.pretraining is not None) != (task_of(self).head == "hidden"):
            raise ValueError("the table pretraining belongs to the task of that name, and that task needs it")
        if self.pretraining and not model.visual and (self.pretraining.alignment or self.pretraining.matching):
            raise ValueError("alignment and matching need the image: set model.visual, or leave them out")
        if task_of(self).parts != "documents" and settings.stride > settings.max_tokens // 2 - 2:
            raise ValueError(
                f"stride {settings.stride}: windows of {settings.max_tokens} tokens that hold a question of half the "
                f"width move on by less than a token; at most {settings.max_tokens // 2 - 2}"
            )
        if model.layout == "concatenated" and 4 * model.coordinate_size + 2 * model.shape_size != model.hidden_size:
            raise ValueError(
                f"four coordinate_size of {model.coordinate_size} and two shape_size of {model.shape_size} are "
                f"{4 * model.coordinate_size + 2 * model.shape_size} features, hidden_size is {model.hidden_size}"
            )
        if model.visual and settings.image_size // STRIDE % model.pool:
            raise ValueError(
                f"image_size {settings.image_size} gives a map of {settings.image_size // STRIDE} across, which "
                f"pool {model.pool} does not divide: 224 goes with 7, 96 with 6, 64 with 4"
            )
        if model.visual and model.pool**2 > model.max_positions:
            raise ValueError(f"pool {model.pool} gives {model.pool**2} tokens, the model has {model.max_positions}")
        if (2 * model.farthest < model.distance_bins) or (2 * model.spatial_farthest < model.spatial_bins):
            raise ValueError("farthest and spatial_farthest: at least half of their bins, whose distances lie below")
        return self


def of_family(workload: Workload) -> LayoutWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, LayoutWorkload), workload.model.family
    return workload
