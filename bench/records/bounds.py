"""What the figures and names of a record can be: one definition a kind, checked wherever records are read or made.

A record may come from anybody. What lies outside costs the record its place, in one line that names the field; what
lies inside, the tables, intervals and figures can compute with: no division by zero, no overflow.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from bench.records.limits import LARGEST, MOST_BATCH, MOST_CORES, MOST_EPOCHS, MOST_REPLICAS, MOST_STEPS
from shared.outside import is_plain_name, stays_inside

YEARS = (1970, 2999)  # a moment outside has overflows in store: half the libraries count from the first


def check_plain(name: str) -> str:
    """Let a name pass that can be a file's in its folder and nothing else: a cell's id, a result's.

    Raises:
        ValueError: anything else; pydantic names the field.
    """
    if not is_plain_name(name):
        raise ValueError(f"{name[:80]!r} is not a plain name (letters, digits, . _ @ + -)")
    return name


def check_place(name: str) -> str:
    """Let the name of a file in the run's own directory pass, relative to it.

    Raises:
        ValueError: anything else; pydantic names the field.
    """
    if not stays_inside(name):
        raise ValueError(f"{name[:80]!r} is not in the run's directory")
    return name


def check_moment(text: str) -> str:
    """Let a date and time pass that says how far it is from UTC: others cannot be compared with each other.

    Raises:
        ValueError: anything else; pydantic names the field.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no offset from UTC in {text!r}")
    if not YEARS[0] < moment.year < YEARS[1]:  # the first and last year: an offset could leave them
        raise ValueError(f"the year {moment.year}")
    return text


CellName = Annotated[str, AfterValidator(check_plain)]
Place = Annotated[str, AfterValidator(check_place)]
Moment = Annotated[str, AfterValidator(check_moment)]
Speed = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]  # samples or tokens per second
Seconds = Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]  # a cell of thirty years is none
StepTime = Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)]  # seconds: no step takes none
Milliseconds = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Figure = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=int(LARGEST))]  # bytes, parameters
Replicas = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]
Batch = Annotated[int, Field(ge=1, le=MOST_BATCH)]
Steps = Annotated[int, Field(ge=0, le=MOST_STEPS)]
Repeat = Annotated[int, Field(ge=0, le=MOST_STEPS)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Epochs = Annotated[int, Field(ge=0, le=MOST_EPOCHS)]
Cores = Annotated[int, Field(ge=1, le=MOST_CORES)]
Pixels = Annotated[int, Field(ge=1, le=1 << 20)]  # or tokens
Cost = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]  # of a step per sample, relative
Word = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
]  # a name that the suite gives: of a task, a metric, a split
Phrase = Annotated[str, Field(min_length=1, max_length=100)]


class Figures(BaseModel):
    """A model whose every number is finite and no larger than LARGEST, however it is typed."""

    @model_validator(mode="after")
    def check_numbers(self) -> Any:
        """Look at every field's own numbers, and at those in its lists and mappings."""
        for name in type(self).model_fields:
            for number in numbers_in(getattr(self, name)):
                if not (math.isfinite(number) and abs(number) <= LARGEST):
                    raise ValueError(f"{name}: {number} is no figure of a machine")
        return self


def first_problem(error: ValidationError) -> str:
    """The first field that a check of pydantic refused, and why, in one line."""
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")]))


def numbers_in(value: Any) -> list[float]:
    """The numbers of a value: itself, or those in a list or a mapping of them."""
    if isinstance(value, dict):
        value = list(value.values())
    values = value if isinstance(value, list | tuple) else [value]
    return [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
