"""The tables of a workload of convolutions over words."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections import Adam, Constant, Dropout, WordInput, WordModel
from shared.spec import Workload

KernelSize = Annotated[int, Field(ge=1, le=64)]


class CnnModel(WordModel):
    family: Literal["cnn"]
    variant: Literal["kim", "xml"]
    kernel_sizes: Annotated[tuple[KernelSize, ...], Field(min_length=1, strict=False)]  # words that a filter sees
    num_filters: Annotated[int, Field(ge=1, le=65_536)]  # of each kernel size
    num_windows: Annotated[int, Field(ge=1, le=1024)] | None = None  # of the maximum over time; xml alone
    bottleneck_size: Annotated[int, Field(ge=1, le=65_536)] | None = None  # xml alone
    dropout: Dropout  # before the classifier

    @model_validator(mode="after")
    def _of_its_variant(self) -> Self:
        if len(set(self.kernel_sizes)) < len(self.kernel_sizes):
            raise ValueError(f"kernel_sizes {self.kernel_sizes}: one stands there twice")
        for name, value in (("num_windows", self.num_windows), ("bottleneck_size", self.bottleneck_size)):
            if self.variant == "xml" and value is None:
                raise ValueError(f"variant 'xml' needs {name}")
            if self.variant == "kim" and value is not None:
                raise ValueError(f"{name} is of variant 'xml'; variant 'kim' has one maximum of the whole text")
        return self


class CnnWorkload(Workload):
    """Words into convolutions."""

    model: CnnModel
    input: WordInput
    optimizer: Adam
    schedule: Constant

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if any(bucket >= self.input.max_words for bucket in self.input.buckets):
            raise ValueError(f"buckets {self.input.buckets}: each must be below max_words, {self.input.max_words}")
        return self


def of_family(workload: Workload) -> CnnWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, CnnWorkload), workload.model.family
    return workload
