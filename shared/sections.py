"""The tables of a workload's TOML file: what each key may be. `shared.spec` puts them together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the TOML file: unknown keys and wrong types are errors, values never change after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Positive = Annotated[float, Field(gt=0, strict=False)]
Rate = Annotated[float, Field(ge=0, lt=1, strict=False)]


Dropout = Annotated[float, Field(ge=0, le=0.9, strict=False)]  # drawn in steps of 1/256: near 1 nothing would be left
Share = Annotated[float, Field(ge=0, le=1, strict=False)]
NumClasses = Annotated[int, Field(ge=2, le=100_000)]


class Model(Section):
    """What every network has; a family adds its own keys."""

    family: str
    num_classes: NumClasses


class WordModel(Model):
    """What every network has that reads whole words (`shared.word_tokens`)."""

    vocabulary_size: Annotated[int, Field(ge=4, le=10_000_000)]  # padding and the unknown word included
    vector_size: Annotated[int, Field(ge=1, le=4096)]  # of a word
    static_vectors: bool  # whether word vectors stay as they are; else they are trained


class Pretraining(Section):
    """What is hidden of a page to be found again (`shared.pretraining`)."""

    masked: Rate  # share of the tokens
    covered: Rate  # share of the lines, on the image
    replaced: Rate  # share of the images that are another page's
    dropped: Rate  # share of the images that are left out
    alignment: bool  # whether each token is said to be covered or not
    matching: bool  # whether the image is said to be the page's or not


class Distillation(Section):
    """What a network learns from a teacher's logits beside its labels (`shared.distillation`)."""

    weight: Annotated[float, Field(ge=0, strict=False)]  # of the divergence, over that of the labels' own loss
    direction: Literal["student", "teacher"]  # whose probabilities it is the mean under
    temperature: Positive  # both logits are divided by it, and the divergence is multiplied by its square
    # the classes as one choice or each by itself, or the logits' squared differences; task: as the labels have it
    form: Literal["task", "softmax", "bernoulli", "mse"]


class Average(Section):
    """The exponential average of the weights over the steps, which stands in their place where a network is evaluated
    and saved (`shared.average`)."""

    decay: Annotated[float, Field(gt=0, lt=1)]
    start: Literal["zero", "copy"]  # copy: of every tensor, as in the code of `shared.average`


class Stopping(Section):
    """Evaluates the validation split after every epoch and keeps the weights of the best one."""

    patience: Annotated[int, Field(ge=1, le=100_000)]  # epochs without a better one, after which the training ends


class PageInput(Section):
    image_size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)]
    shear_degrees: Annotated[float, Field(ge=0, le=45, strict=False)]
    mean: Annotated[tuple[float, float, float], Field(strict=False)]
    std: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)]


class TextInput(Section):
    max_tokens: Annotated[int, Field(ge=8, le=8192)]
    truncation: Literal["head", "head+tail"]
    # A batch is padded to the first of these widths that holds its longest document, or to max_tokens. A fixed set:
    # a width that was not announced would make TensorFlow trace its step anew.
    buckets: Annotated[tuple[Annotated[int, Field(ge=8)], ...], Field(strict=False)] = ()


class WordInput(Section):
    """A text as one row of words, of which the first are kept."""

    max_words: Annotated[int, Field(ge=8, le=65_536)]
    buckets: Annotated[tuple[Annotated[int, Field(ge=8)], ...], Field(strict=False)] = ()  # as those of TextInput
    # masked: a text's outcome does not depend on the width of its batch; read: padding is words that are not known
    padding: Literal["masked", "read"]


class SentenceInput(Section):
    """A text as sentences, the first of them, each a row of words, of which the first are kept."""

    max_sentences: Annotated[int, Field(ge=1, le=4096)]
    max_words: Annotated[int, Field(ge=2, le=4096)]  # of a sentence
    buckets: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()  # sentences, see TextInput
    padding: Literal["masked", "read"]  # as that of WordInput


class Sgd(Section):
    name: Literal["sgd"]
    momentum: Rate
    weight_decay: Annotated[float, Field(ge=0, lt=1, strict=False)]
    decay_rule: Literal["l2"]  # added to the gradient, before the momentum; on every trained tensor


class AdamW(Section):
    name: Literal["adamw"]
    beta1: Rate
    beta2: Rate
    epsilon: Annotated[float, Field(gt=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, lt=1, strict=False)]
    decay_rule: Literal["decoupled"]  # of the weight itself, scaled with the rate; not of biases, norms and the head
    head_rate: Positive  # of the classifier; the schedule's peak is that of the encoder
    layer_decay: Annotated[float, Field(gt=0, le=1, strict=False)]  # rate of a layer over that of the one above it


class Adam(Section):
    """Without decay: the update rule of shared.adamw with none."""

    name: Literal["adam"]
    beta1: Rate
    beta2: Rate
    epsilon: Annotated[float, Field(gt=0, lt=1)]

    @property
    def weight_decay(self) -> float:
        """There is none."""
        return 0.0


Optimizer = Sgd | AdamW | Adam


class SlantedTriangular(Section):
    name: Literal["slanted_triangular"]
    peak_rate: Positive  # at `reference_batch` samples per step; scales linearly with the global batch
    reference_batch: Annotated[int, Field(ge=1)]
    cut_fraction: Annotated[float, Field(gt=0, lt=1)]
    ratio: Annotated[float, Field(gt=1, strict=False)]


class WarmupLinear(Section):
    name: Literal["warmup_linear"]
    peak_rate: Positive  # whatever the global batch
    warmup_fraction: Share  # of the steps, climbing from 0; the rest falls to 0


class Constant(Section):
    name: Literal["constant"]
    peak_rate: Positive  # whatever the global batch


Schedule = SlantedTriangular | WarmupLinear | Constant


class Train(Section):
    batch_per_replica: Annotated[int, Field(ge=1, le=65_536)]
    epochs: Annotated[int, Field(ge=1, le=100_000)]


class Finetune(Section):
    """The paper's second stage: everything but the classifier is frozen (section 4.1, "Fine-Tuning")."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    peak_rate: Positive


class Measure(Section):
    warmup_steps: Annotated[int, Field(ge=1, le=100_000)]
    measured_steps: Annotated[int, Field(ge=1, le=1_000_000)]


class Data(Section):
    """The synthetic pages that stand in where the user names no store."""

    synthetic_pages: Annotated[int, Field(ge=32, le=1_000_000)]
