"""Records of before schema 5, as schema 5 has them; nothing else of the suite knows how they were.

| schema | lacked |
| --- | --- |
| 1 | texts |
| 2 | monitors and attributions |
| 3 | the task and its scores by name, what a sample is, and of what kind of run a record is: told here by its marks |
| 4 | inference |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from bench.records.bounds import Pixels, Share

if TYPE_CHECKING:
    from bench.records.record import Record

FOLDED = (1, 2, 3, 4)
PRESENT = 5
ONE_LABEL, SEVERAL_LABELS = ("classification", "accuracy"), ("labels", "f1")  # task and headline

Shares = dict[str, Share]  # by split


class Lost(BaseModel):
    """The fields that schemas from 4 on have no more."""

    model_config = ConfigDict(frozen=True)

    image_size: Pixels | None = None  # None: a text workload
    max_tokens: Pixels | None = None  # None: an image workload
    accuracy: Shares = {}
    accuracy_finetuned: Shares = {}  # after the second stage
    f1: Shares = {}  # where a sample may have several labels

    @property
    def sample(self) -> dict[str, Any]:
        """What a sample is."""
        if self.max_tokens is not None:
            return {"sample": f"at most {self.max_tokens} tokens", "unit": "text", "cost": float(self.max_tokens)}
        size = self.image_size or 1
        return {"sample": f"{size} px", "unit": "page", "cost": float(size**2)}

    @property
    def scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """Stage to split to metric to value."""
        stages = {
            "train": {"f1": self.f1, "accuracy": self.accuracy},
            "finetune": {"accuracy": self.accuracy_finetuned},
        }
        return {stage: turned for stage, metrics in stages.items() if (turned := by_split(metrics))}


def by_split(metrics: Mapping[str, Shares]) -> dict[str, dict[str, float]]:
    """Split to metric to value, from metric to split to value.

    >>> by_split({"f1": {"test": 0.8}, "accuracy": {"train": 0.9, "test": 0.7}})
    {'test': {'f1': 0.8, 'accuracy': 0.7}, 'train': {'accuracy': 0.9}}
    """
    turned: dict[str, dict[str, float]] = {}
    for metric, shares in metrics.items():
        for split, share in shares.items():
            turned.setdefault(split, {})[metric] = share
    return turned


def folded(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record's JSON as schema 5 has it; of a schema that is not FOLDED, as it is.

    A network is told by its workload's name. Whether the run was an attribution is known here only of a cell that no
    plain run has (no exchange, or parts timed); `of_their_runs` tells it of the others.

    Raises:
        ValidationError: a field that schema 5 has no more, with what it could never be.
    """
    version = content.get("schema_version")
    if version not in FOLDED:
        return dict(content)
    if version == 4:  # it says itself what it is of
        return {**content, "schema_version": PRESENT}
    lost = Lost.model_validate({name: content[name] for name in Lost.model_fields if name in content})
    task, headline = SEVERAL_LABELS if lost.f1 else ONE_LABEL
    is_attribution = content.get("exchange") is False or bool(content.get("part_seconds"))
    kept = {name: value for name, value in content.items() if name not in Lost.model_fields}
    return kept | {
        "schema_version": PRESENT,
        "folded_from": version,
        "kind": "attribution" if is_attribution else "plain",
        "task": task,
        "headline": headline,
        "network": content.get("workload"),
        **lost.sample,
        "scores": lost.scores,
    }


def of_their_runs(records: Sequence[Record]) -> list[Record]:
    """Records with what only their runs as a whole tell of those that were folded.

    Args:
        records: all those of their runs.
    """
    attributions, several = attribution_runs(records), {run_of(r) for r in records if r.task == SEVERAL_LABELS[0]}
    found = []
    for record in records:
        changes: dict[str, Any] = {}
        if record.folded_from is not None and record.run_id in attributions:
            changes["kind"] = "attribution"
        if record.folded_from is not None and run_of(record) in several:  # a cell that failed scored nothing itself
            changes |= dict(zip(("task", "headline"), SEVERAL_LABELS, strict=True))
        found.append(record.model_copy(update=changes) if changes else record)
    return found


def run_of(record: Record) -> tuple[str, str]:
    """A run and the spec that was run in it."""
    return record.run_id, record.spec_hash


def attribution_runs(records: Iterable[Record]) -> set[str]:
    """The runs among records that are attributions, also those whose cells came to nothing.

    They have cells of kinds of their own, and cells of several input modes, of which a plain run has one.
    """
    runs: set[str] = set()
    modes: dict[str, set[str]] = {}
    for record in records:
        if record.kind == "attribution":
            runs.add(record.run_id)
        elif record.folded_from is not None:
            modes.setdefault(record.run_id, set()).add(record.input_mode)
    return runs | {run_id for run_id, found in modes.items() if len(found) > 1}
