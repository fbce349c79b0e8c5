"""The tables of a BERT workload."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections import AdamW, Constant, Dropout, Model, TextInput, WarmupLinear
from shared.spec import Workload


class BertModel(Model):
    family: Literal["bert"]
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


class BertWorkload(Workload):
    """Text into BERT."""

    model: BertModel
    input: TextInput
    optimizer: AdamW
    schedule: Annotated[WarmupLinear | Constant, Field(discriminator="name")]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.model.hidden_size % self.model.num_heads:
            raise ValueError(f"hidden_size {self.model.hidden_size} is not a multiple of {self.model.num_heads} heads")
        if self.input.max_tokens > self.model.max_positions:
            raise ValueError(
                f"{self.input.max_tokens} max_tokens need as many positions; the model has {self.model.max_positions}"
            )
        if any(bucket >= self.input.max_tokens for bucket in self.input.buckets):
            raise ValueError(f"buckets {self.input.buckets}: each must be below max_tokens, {self.input.max_tokens}")
        return self


def of_family(workload: Workload) -> BertWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, BertWorkload), workload.model.family
    return workload
