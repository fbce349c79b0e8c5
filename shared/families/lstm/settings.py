"""The tables of a workload of a bidirectional LSTM."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections import Adam, Constant, Dropout, WordInput, WordModel
from shared.spec import Workload


class LstmModel(WordModel):
    family: Literal["lstm"]
    hidden_size: Annotated[int, Field(ge=1, le=16_384)]  # of each direction
    dropout: Dropout  # before the classifier
    weight_drop: Dropout  # of the forward direction's recurrent matrix, one draw a step
    embedding_dropout: Dropout  # of whole words of the vocabulary, one draw a step


class LstmWorkload(Workload):
    """Words into a bidirectional LSTM."""

    model: LstmModel
    input: WordInput
    optimizer: Adam
    schedule: Constant

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if any(bucket >= self.input.max_words for bucket in self.input.buckets):
            raise ValueError(f"buckets {self.input.buckets}: each must be below max_words, {self.input.max_words}")
        return self


def of_family(workload: Workload) -> LstmWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, LstmWorkload), workload.model.family
    return workload
