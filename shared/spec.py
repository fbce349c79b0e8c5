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
from typing import Any, Self, get_args

from pydantic import ValidationError, model_validator

from shared import families, tasks
from shared.errors import UserError
from shared.outside import NO_SUCH_FILE, OutsideError, read_text
from shared.sections import (
    Average,
    Data,
    Distillation,
    Measure,
    Model,
    Optimizer,
    Schedule,
    Section,
    Stopping,
    Train,
)

WORKLOADS = Path(__file__).parent / "workloads"
MOST_TOML_BYTES = 1 << 20
OPTIONAL = ("distillation", "average", "stopping")  # tables: in the hashes of workloads that have them alone
FULL = "full"  # the preset that overrides nothing: the settings as published


class Workload(Section):
    """One workload with its preset applied: everything that decides what a cell computes.

    A family's own class adds its tables (shared/families/NAME/settings.py).
    """

    name: str
    preset: str
    task: str = tasks.DEFAULT
    model: Model
    optimizer: Optimizer
    schedule: Schedule
    train: Train
    measure: Measure
    data: Data
    distillation: Distillation | None = None  # what is learnt from a teacher, where that is the task
    average: Average | None = None  # of the weights over the steps; None: the weights are what is evaluated
    stopping: Stopping | None = None  # None: every epoch is trained, and the last one's weights are kept

    @model_validator(mode="after")
    def _has_what_its_task_asks(self) -> Self:
        if (self.distillation is not None) != (tasks.task(self.task).distils is not None):
            raise ValueError("the table distillation belongs to a distilled task, and such a task needs it")
        return self

    @property
    def spec_hash(self) -> str:
        """Hash of every setting; results compare only where it is equal."""
        return digest(self._settings())

    @property
    def computation_hash(self) -> str:
        """Hash of the settings that decide the mathematics of one step, not how many of them are taken.

        This is what a certificate is filed under: the ladder proves the step, the schedule and the input, whatever
        the number of epochs, documents, classes, words of the vocabulary or samples per replica, and whenever it stops.
        """
        settings = self._settings("train", "measure", "data", "stopping")
        for size in families.family_of(self).sizes:
            settings["model"].pop(size, None)
        return digest(settings)

    def _settings(self, *excluded: str) -> dict[str, Any]:
        """Every setting but some tables; the task stands in it as `Task.hashed` says."""
        absent = {name for name in OPTIONAL if getattr(self, name) is None}
        settings = self.model_dump(mode="json", exclude={"name", "preset", "task", *absent, *excluded})
        return merge(settings, tasks.task(self.task).hashed)

    def setting(self, key: str) -> Any:
        """The value of a dotted key."""
        value: Any = self
        for part in key.split("."):
            value = getattr(value, part)
        return value

    def overridden(self, changes: Mapping[str, Any], origin: str) -> Self:
        """A copy with dotted keys replaced, checked again.

        Raises:
            UserError: an impossible value; `origin` (an option's name, say) is named in it.
        """
        checked = check(merge(self.model_dump(), nest(changes)), origin)
        assert isinstance(checked, type(self))
        return checked


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
    model = settings.get("model")
    name = model.get("family") if isinstance(model, Mapping) else None
    if name not in families.NAMES:
        raise UserError(f"{origin}: model.family: one of {', '.join(families.NAMES)} expected, got {name!r}")
    family = families.family(name)
    chosen = settings.get("task", tasks.DEFAULT)
    able = [known for known in tasks.NAMES if tasks.task(known).head in family.heads]
    if chosen not in able:
        raise UserError(f"{origin}: task: one of {', '.join(able)} expected of {name}, got {chosen!r}")
    kind = family.workload
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        # a misspelt key is reported as a missing and as an unknown one: the second is what the user typed
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        location = tuple(part for part in first["loc"] if part not in SCHEDULE_TAGS)
        key = ".".join(map(str, location)) or "the workload"
        if first["type"] == "extra_forbidden":
            allowed = "unknown key; allowed here: " + ", ".join(known_keys(kind, location[:-1]))
            raise UserError(f"{origin}: {key}: {allowed}") from None
        composed = first["type"] == "missing" or not location  # no one value is to blame
        got = "" if composed else f", got {first['input']!r}"
        raise UserError(f"{origin}: {key}: {first['msg']}{got}") from None


SCHEDULE_TAGS = ("warmup_linear", "constant")  # the union's members appear in the location of an error


def known_keys(kind: type[Workload], location: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at a location may have."""
    table: Any = kind
    for part in location:
        table = table.model_fields[str(part)].annotation
    members = [each for each in get_args(table) or (table,) if each is not type(None)]
    return sorted({name for member in members for name in member.model_fields})


def workload_names() -> list[str]:
    """Names of the workloads that come with the suite."""
    return sorted(path.stem for path in WORKLOADS.glob("*.toml"))


def read_toml(name: str) -> tuple[Path, dict[str, Any]]:
    """Find and parse a workload: a name that `bench list` shows, or a path to a TOML file of the user's own."""
    path = Path(name) if name.endswith(".toml") else WORKLOADS / f"{name}.toml"
    try:
        content = tomllib.loads(read_text(path, MOST_TOML_BYTES))
    except OutsideError as error:
        if error.reason == NO_SUCH_FILE:
            known = ", ".join(workload_names())
            raise UserError(f"unknown workload {name!r}; known: {known}, or a path to a .toml file") from None
        raise UserError(f"{path}: not a readable TOML file: {error.reason}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not a readable TOML file: {' '.join(str(error).split())}") from None
    for table in ("presets", "sources"):
        if not isinstance(content.get(table, {}), dict):
            raise UserError(f"{path.name}: {table}: a table expected")
    for preset, settings in content.get("presets", {}).items():
        if not isinstance(settings, dict):
            raise UserError(f"{path.name}: presets.{preset}: a table expected")
    return path, on_base(path, content)


def on_base(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """A workload's tables laid over those of the one that its `base` names, where it names one.

    Raises:
        UserError: the base is none of the suite's own workloads, or has a base itself.
    """
    base = content.pop("base", None)
    if base is None:
        return content
    if base not in workload_names():
        raise UserError(f"{path.name}: base: {base!r} is no workload of the suite; `bench list` shows them")
    below = tomllib.loads(read_text(WORKLOADS / f"{base}.toml", MOST_TOML_BYTES))
    if "base" in below:
        raise UserError(f"{path.name}: base: {base} has a base itself; name that one")
    return merge(below, content)


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
    settings = merge(content, laid_over(presets, preset, path))
    return check({**settings, "name": path.stem, "preset": preset}, path.name)


def laid_over(presets: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """A preset's settings, over those of the preset that its `on` names, where it names one.

    Raises:
        UserError: there is no such preset, or it is laid over another itself.
    """
    own = dict(presets.get(name, {}))
    below = own.pop("on", None)
    if below is None:
        return own
    if below not in presets or "on" in presets[below]:
        raise UserError(f"{path.name}: presets.{name}.on: {below!r} is no preset that stands by itself")
    return merge(presets[below], own)


def sources(name: str) -> dict[str, str]:
    """Dotted key to the place its figure comes from."""
    return dict(read_toml(name)[1].get("sources", {}))
