"""The tables of a workload of hierarchical attention."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections import Adam, Constant, Dropout, SentenceInput, WordModel
from shared.spec import Workload

Size = Annotated[int, Field(ge=1, le=16_384)]


class HanModel(WordModel):
    family: Literal["han"]
    word_hidden_size: Size  # of each direction of the GRU over the words of a sentence
    sentence_hidden_size: Size  # of each direction of the GRU over the sentences
    attention_size: Size  # of what attention compares with its context, of words and of sentences
    dropout: Dropout  # before the classifier


class HanWorkload(Workload):
    """Words of sentences into hierarchical attention."""

    model: HanModel
    input: SentenceInput
    optimizer: Adam
    schedule: Constant

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        most = self.input.max_sentences
        if any(bucket >= most for bucket in self.input.buckets):
            raise ValueError(f"buckets {self.input.buckets}: each must be below max_sentences, {most}")
        return self


def of_family(workload: Workload) -> HanWorkload:
    """A workload that is known to be of this family."""
    assert isinstance(workload, HanWorkload), workload.model.family
    return workload
