"""The workloads for the reference: a line a preset, then every setting with its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from bench.studies.documents.markdown import code, joined, prose, table
from bench.terminal.printable import markdown_text
from shared import spec
from shared.families import family_of

HEADINGS = ("workload", "preset", "network", "sample", "batch per replica", "epochs", "steps measured", "spec")


def workloads_text() -> str:
    """All of them in one table, then each."""
    names = spec.workload_names()
    rows = [row(name, preset) for name in names for preset in spec.preset_names(name)]
    return joined([table(HEADINGS, rows), *(joined([f"### {name}", workload_text(name)]) for name in names)])


def row(name: str, preset: str) -> list[str]:
    """A workload with a preset, by HEADINGS."""
    workload = spec.load(name, preset)
    described = family_of(workload).describe(workload)
    numbers = (workload.train.batch_per_replica, workload.train.epochs, workload.measure.measured_steps)
    return [
        f"[{name}](#{name})",
        code(preset),
        described.network,
        described.sample,
        *map(str, numbers),
        code(workload.spec_hash),
    ]


def workload_text(name: str) -> str:
    """What its file says above its settings, and the settings: as published, in each preset, from where."""
    path, content = spec.read_toml(name)
    comment = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    presets = {preset: dict(leaves(table)) for preset, table in content.pop("presets", {}).items()}
    sources = content.pop("sources", {})
    published = dict(leaves(content))
    keys = [*published, *dict.fromkeys(key for of in presets.values() for key in of if key not in published)]
    rows = [
        [
            code(key),
            value(published, key),
            *(value(of, key) for of in presets.values()),
            markdown_text(sources.get(key, "")),
        ]
        for key in keys
    ]
    headings = ["setting", code(spec.FULL), *map(code, presets), "source"]
    return joined([prose(" ".join(line.lstrip("# ") for line in comment)), table(headings, rows)])


def leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every setting."""
    for key, found in content.items():
        if isinstance(found, dict):
            yield from leaves(found, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", found


def value(settings: Mapping[str, Any], key: str) -> str:
    """A setting as it is written; empty where it is not set."""
    return code(json.dumps(settings[key])) if key in settings else ""
