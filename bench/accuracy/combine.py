"""The ensembles of one split: each framework's own members, and all members of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.accuracy.ensemble import combine, equal_weights, search_weights
from bench.accuracy.predictions import USED, Probabilities, figures_of
from bench.accuracy.results import BOTH, ENSEMBLE, EQUAL, SEARCHED, AccuracyRecord, Part
from shared.store import SPLITS


def ensemble_records(
    members: Sequence[AccuracyRecord], predictions: Mapping[str, Probabilities], labels: np.ndarray, codes: np.ndarray
) -> list[AccuracyRecord]:
    """Two records an ensemble, one a rule: equal weights, and those searched on validation.

    Args:
        members: the records of all members on one split, of every framework.
        predictions: result id to class probabilities, of those that ended well.
        labels, codes: int, N: of every document of the store.
    """
    frameworks = list(dict.fromkeys(record.framework for record in members))
    groups: dict[str, list[AccuracyRecord]] = {
        framework: [r for r in members if r.framework == framework] for framework in frameworks
    }
    if len(frameworks) > 1:
        groups[BOTH] = [record for group in groups.values() for record in group]
    return [
        ensemble_record(framework, rule, group, predictions, labels, codes)
        for framework, group in groups.items()
        for rule in (EQUAL, SEARCHED)
        if len(group) > 1
    ]


def ensemble_record(
    framework: str,
    rule: str,
    members: Sequence[AccuracyRecord],
    predictions: Mapping[str, Probabilities],
    labels: np.ndarray,
    codes: np.ndarray,
) -> AccuracyRecord:
    """One ensemble with one rule for its weights; skipped where a member failed."""
    first = members[0]
    verified = all(member.certificate == "verified" for member in members)
    record = AccuracyRecord(
        run_id=first.run_id,
        result_id=f"{framework}-{ENSEMBLE}-{rule}-{first.split:02}",
        protocol=first.protocol,
        stage="split",
        split=first.split,
        seed=first.seed,
        framework=framework,  # type: ignore[arg-type]  # checked by pydantic
        member=ENSEMBLE,
        rule=rule,  # type: ignore[arg-type]
        workload=None,
        preset=None,
        spec_hash=None,
        training=None,
        epochs=None,
        weights_origin=None,
        data_name=first.data_name,
        data_digest=first.data_digest,
        classes=first.classes,
        device=first.device,
        device_name=first.device_name,
        replicas=first.replicas,
        status="skipped",
        certificate="verified" if verified else "unverified",
    )
    failed = [member for member in members if member.result_id not in predictions]
    if failed:
        reason = f"{failed[0].result_id}: {failed[0].status}"
        return record.model_copy(update={"reason": reason})
    given = [predictions[member.result_id] for member in members]
    weights, step = equal_weights(len(members)), None
    if rule == SEARCHED:
        search = search_weights([each["val"] for each in given], labels[codes == SPLITS.index("val")])
        weights, step = search.weights, search.step
    combined = {split: combine([each[split] for each in given], weights) for split in USED}
    parts = [
        Part(framework=member.framework, member=member.member, weight=weight)  # type: ignore[arg-type]
        for member, weight in zip(members, weights, strict=True)
    ]
    figures = figures_of(combined, labels, codes, first.classes)
    return record.model_copy(update={"status": "ok", "parts": parts, "search_step": step, **figures})
