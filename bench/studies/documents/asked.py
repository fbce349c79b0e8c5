"""With which commands a run was made: as its run.json says, else as it was noted, else as its records tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bench.accuracy.protocol import load_protocol
from bench.accuracy.results import AccuracyRecord
from bench.cli import accuracy, options, run
from bench.records.directory import PLAN
from bench.records.record import Record
from bench.report.sources import Run
from bench.show.captions import SYNTHETIC
from shared import spec
from shared.errors import UserError
from shared.frameworks import KEYS
from shared.outside import OutsideError, read_json

Settings = Mapping[str, Any]  # parameter of a click command to its value; None: not typed
STORE = "STORE"
README = "after the README of revision 798d651"
# Runs that are kept without their run.json: what was noted when they were made, and where. Records do not tell
# everything: those of a store of synthetic pages are like those of pages that the run itself drew.
NOTED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "quick-synthetic": (("make bench REPEATS=5",), README),
    "bert-6l-synthetic": (
        ("bench run --workload bert-6l --framework both --gpus 1,2,4 --preset quick --repeats 5",),
        README,
    ),
    "accuracy-synthetic": (
        (
            "bench data prepare synthetic --pages 640 --size 64 --ocr tesseract --out STORE",
            "bench accuracy --framework both --preset quick --per-class 30 --data STORE --verify",
        ),
        README,
    ),
    "accuracy-rvl-cdip-mini": (
        (
            "bench data prepare rvl-cdip FOLDER --ocr tesseract --out STORE",
            "bench accuracy --framework both --preset quick --per-class 7 --data STORE --verify",
        ),
        README,
    ),
    "reuters-bert-quick": (
        ("bench run --workload bert-base --preset quick --data stores/reuters --gpus 1",),
        README,
    ),
    "attribution-bert-6l": (
        ("bench run --attribute --framework both --gpus 1,2 --repeats 5 --workload bert-6l",),
        README,
    ),
    "attribution-effnet-b0": (
        ("bench run --attribute --framework both --gpus 1,2 --repeats 5 --workload effnet-b0",),
        README,
    ),
    "noise-bert-6l": (
        ("bench run --workload bert-6l --framework both --gpus 1 --input device --epochs 0 --repeats 8",),
        "from noise.md",
    ),
}
ALWAYS = ("framework", "replicas", "workload", "image_workload", "text_workload")  # said although they are the defaults
Value = TypeVar("Value")


def commands_of(made: Run) -> tuple[Sequence[str], str]:
    """The commands of a run, and where they were read."""
    command, name = (accuracy.command, "bench accuracy") if made.accuracy_records else (run.command, "bench run")
    request = request_of(made.directory)
    if request is not None:
        return [command_line(command, name, request)], f"from {PLAN}"
    if made.name in NOTED:
        return NOTED[made.name]
    return [command_line(command, name, told_by_records(made))], "put together from the records"


def told_by_records(made: Run) -> Settings:
    """The settings that the records of a run tell of."""
    return of_accuracy(made.accuracy_records) if made.accuracy_records else of_records(made.records)


def request_of(directory: Path) -> Settings | None:
    """What was asked for, as run.json says; None: it is not there."""
    try:
        content = read_json(directory / PLAN)
    except OutsideError:
        return None
    request = content.get("request") if isinstance(content, dict) else None
    return request | {"framework": columns(request.get("frameworks", KEYS))} if isinstance(request, dict) else None


def columns(names: Sequence[str]) -> str:
    """Columns as they are typed."""
    return options.ALL if sorted(names) == sorted(KEYS) else ",".join(names)


def of_records(records: Sequence[Record]) -> Settings:
    """The settings of `bench run` that records tell of. What follows from the workload anyway is not among them."""
    first, attribution = records[0], records[0].kind == "attribution"
    own = defaults(first.workload, first.preset)
    return {
        "framework": columns(list(dict.fromkeys(record.column for record in records))),
        "replicas": sorted({record.replicas for record in records}),
        "workload": first.workload,
        "preset": first.preset,
        "data": None if first.data_name == SYNTHETIC else STORE,
        "device": first.device,
        "precision": first.precision,
        "arm": first.arm,
        "input_mode": None if attribution else first.input_mode,  # an attribution has cells of all
        "steps": unless(first.measured_steps, own and own.measure.measured_steps),
        "epochs": None if attribution else unless(first.epochs, own and own.train.epochs),
        "batch": unless(first.batch_per_replica, own and own.train.batch_per_replica),
        "finetune": any("finetune" in record.scores for record in records),
        "repeats": len({record.repeat for record in records}),
        "attribute": attribution,
        "seed": min(record.seed for record in records),
    }


def of_accuracy(records: Sequence[AccuracyRecord]) -> Settings:
    """The settings of `bench accuracy` that records tell of."""
    protocol = records[0].protocol
    published = load_protocol(protocol.name)
    members = {r.member: r for r in records if r.stage == "split" and r.member != "ensemble"}
    image, text, layout = (members.get(member) for member in ("image", "text", "layout"))
    any_member = image or text or layout
    split = next((record for record in records if record.stage == "split"), records[0])
    return {
        "protocol": protocol.name,
        "framework": columns([key for key in KEYS if key in {record.framework for record in records}]),
        "members": list(members),
        "image_workload": image and image.workload,
        "text_workload": text and text.workload,
        "layout_workload": layout and layout.workload,
        "preset": any_member and any_member.preset,
        "text_preset": unless(text and text.preset, any_member and any_member.preset),
        "layout_preset": unless(layout and layout.preset, any_member and any_member.preset),
        "data": None if split.data_name == SYNTHETIC else STORE,
        "pretrain": STORE if any(record.stage == "pretrain" for record in records) else None,
        "image_training": unless(image and image.training, "full"),
        "epochs": next((epochs for member in members.values() if (epochs := own_epochs(member)) is not None), None),
        "device": split.device,
        "replicas": split.replicas,
        "per_class": unless(protocol.per_class, published.per_class),
        "val_share": unless(protocol.val_share, published.val_share),
        "splits": unless(protocol.num_splits, published.num_splits),
        "seed": min(record.seed for record in records),
    }


def own_epochs(record: AccuracyRecord) -> int | None:
    """How many epochs a member was trained; None: as its workload says."""
    own = defaults(record.workload or "", record.preset or "")
    return None if record.training == "classifier" else unless(record.epochs, own and own.train.epochs)


def defaults(workload: str, preset: str) -> spec.Workload | None:
    """A workload as it stands now; None: there is no such one any more."""
    try:
        return spec.load(workload, preset)
    except UserError:
        return None


def unless(value: Value | None, default: object) -> Value | None:
    """A value, unless it is the default anyway."""
    return None if value == default else value


def command_line(command: click.Command, name: str, settings: Settings) -> str:
    """A command as it is typed; options that have their defaults are left out, and no folder is named."""
    words = [name]
    for option in command.params:
        value = settings.get(option.name or "")
        is_absent = value is False and option.default is not True and not option.secondary_opts  # a flag
        is_default = is_absent or typed(value) == typed(option.default)
        if value is None or (is_default and option.name not in ALWAYS):
            continue
        if isinstance(value, bool):
            words += [option.opts[0]] if value else option.secondary_opts[:1]
        else:
            is_path = isinstance(option.type, click.Path)
            words += [option.opts[0], (option.metavar or "PATH") if is_path else Path(typed(value)).name]
    return " ".join(words)


def typed(value: object) -> str:
    """A value as it is typed."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
