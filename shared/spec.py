"""Workloads: what is computed, as data. Read from TOML, checked, resolved with a preset, hashed.

`shared/workloads/NAME.toml` holds one workload: the paper's settings, a `[presets.X]` table per preset whose keys
override them, and `[sources]`, which names where each figure comes from. Results compare only where the spec hash is
equal; a certificate of `bench verify` covers every spec with the same computation hash.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import UserError

WORKLOADS = Path(__file__).parent / "workloads"
FULL = "full"  # the preset that overrides nothing: the settings as published


class Section(BaseModel):
    """A table of the TOML file: unknown keys and wrong types are errors, values never change after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Positive = Annotated[float, Field(gt=0, strict=False)]
Rate = Annotated[float, Field(ge=0, lt=1, strict=False)]


class Model(Section):
    family: Literal["efficientnet"]
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"]
    num_classes: Annotated[int, Field(ge=2, le=100_000)]
    dropout: Rate
    drop_connect: Rate
    norm_momentum: Annotated[float, Field(gt=0, lt=1)]
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)]
    norm_statistics: Literal["batch", "fixed"] = "batch"  # fixed: the running ones, which then do not move
    padding: Literal["same"]


class Input(Section):
    image_size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)]
    shear_degrees: Annotated[float, Field(ge=0, le=45, strict=False)]
    mean: Annotated[tuple[float, float, float], Field(strict=False)]
    std: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)]


class Optimizer(Section):
    name: Literal["sgd"]
    momentum: Rate
    weight_decay: Annotated[float, Field(ge=0, lt=1, strict=False)]
    decay_rule: Literal["l2"]  # added to the gradient, before the momentum; on every trained tensor


class Schedule(Section):
    name: Literal["slanted_triangular"]
    peak_rate: Positive  # at `reference_batch` samples a step; scales linearly with the global batch
    reference_batch: Annotated[int, Field(ge=1)]
    cut_fraction: Annotated[float, Field(gt=0, lt=1)]
    ratio: Annotated[float, Field(gt=1, strict=False)]


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


class Workload(Section):
    """One workload with its preset applied: everything that decides what a cell computes."""

    name: str
    preset: str
    model: Model
    input: Input
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    finetune: Finetune
    measure: Measure
    data: Data

    @property
    def spec_hash(self) -> str:
        """Hash of every setting; results compare only where it is equal."""
        return digest(self.model_dump(mode="json", exclude={"name", "preset"}))

    @property
    def computation_hash(self) -> str:
        """Hash of the settings that decide the mathematics of one step, not how many of them are taken.

        This is what a certificate is filed under: the ladder proves the step, the schedule and the input, whatever
        the number of epochs, pages, classes or samples a replica.
        """
        settings = self.model_dump(
            mode="json", include={"model": True, "input": True, "optimizer": True, "schedule": True, "finetune": True}
        )
        del settings["model"]["num_classes"]
        return digest(settings)

    def overridden(self, changes: Mapping[str, Any], origin: str) -> Workload:
        """A copy with dotted keys replaced, checked again.

        Raises:
            UserError: an impossible value; `origin` (an option's name, say) is named in it.
        """
        return check(merge(self.model_dump(), nest(changes)), origin)


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nest(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """{"train.epochs": 3} to {"train": {"epochs": 3}}."""
    tree: dict[str, Any] = {}
    for path, value in dotted.items():
        *parents, leaf = path.split(".")
        table = tree
        for parent in parents:
            table = table.setdefault(parent, {})
        table[leaf] = value
    return tree


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` replaced, table by table."""
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def check(settings: Mapping[str, Any], origin: str) -> Workload:
    """Validate settings into a Workload.

    Raises:
        UserError: the first key that is unknown, missing, of a wrong type or impossible, with what is allowed.
    """
    try:
        return Workload.model_validate(settings)
    except ValidationError as error:
        # a misspelt key is reported as a missing and as an unknown one: the second is what the user typed
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            allowed = "unknown key; allowed here: " + ", ".join(known_keys(first["loc"][:-1]))
            raise UserError(f"{origin}: {key}: {allowed}") from None
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise UserError(f"{origin}: {key}: {first['msg']}{got}") from None


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at a location may have."""
    table: Any = Workload
    for part in location:
        table = table.model_fields[str(part)].annotation
    return sorted(table.model_fields)


def workload_names() -> list[str]:
    """Names of the workloads that come with the suite."""
    return sorted(path.stem for path in WORKLOADS.glob("*.toml"))


def read_toml(name: str) -> tuple[Path, dict[str, Any]]:
    """Find and parse a workload: a name that `bench list` shows, or a path to a TOML file of the user's own."""
    path = Path(name) if name.endswith(".toml") else WORKLOADS / f"{name}.toml"
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(workload_names())
        raise UserError(f"unknown workload {name!r}; known: {known}, or a path to a .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path}: not a readable TOML file: {error}") from None


def preset_names(name: str) -> list[str]:
    """The presets of a workload, `full` first."""
    _, content = read_toml(name)
    return [FULL, *content.get("presets", {})]


def load(name: str, preset: str = FULL) -> Workload:
    """Read a workload, apply a preset, check it.

    Raises:
        UserError: unknown workload or preset, or a bad setting (file, key and what is allowed are named).
    """
    path, content = read_toml(name)
    presets = content.pop("presets", {})
    content.pop("sources", None)
    if preset != FULL and preset not in presets:
        raise UserError(f"{path.name}: unknown preset {preset!r}; known: {', '.join([FULL, *presets])}")
    settings = merge(content, presets.get(preset, {}))
    return check({**settings, "name": path.stem, "preset": preset}, path.name)


def sources(name: str) -> dict[str, str]:
    """Dotted key to the place its figure comes from."""
    return dict(read_toml(name)[1].get("sources", {}))
