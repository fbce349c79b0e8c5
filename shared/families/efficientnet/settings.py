"""The tables of an EfficientNet workload."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.sections import Finetune, Model, PageInput, Rate, Sgd, SlantedTriangular
from shared.spec import Workload


class EfficientNetModel(Model):
    family: Literal["efficientnet"]
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"]
    dropout: Rate
    drop_connect: Rate
    norm_momentum: Annotated[float, Field(gt=0, lt=1)]
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)]
    norm_statistics: Literal["batch", "fixed"] = "batch"  # fixed: the running ones, which then do not move
    padding: Literal["same"]


class EfficientNetWorkload(Workload):
    """Page images into an EfficientNet."""

    model: EfficientNetModel
    input: PageInput
    optimizer: Sgd
    schedule: SlantedTriangular
    finetune: Finetune


def of_family(workload: Workload) -> EfficientNetWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, EfficientNetWorkload), workload.model.family
    return workload
