"""From a cell that has ended to its record."""

from __future__ import annotations

from typing import Any

from bench.accuracy.plan import AccuracyPlan, Job
from bench.accuracy.predictions import figures_of, read_predictions
from bench.accuracy.results import AccuracyRecord
from bench.cells.launch import LOG, Outcome
from bench.cells.summary import reported_settings, scores
from bench.records.record import last_scores
from shared.outside import read_array
from shared.tasks import task_of


def asked_for(plan: AccuracyPlan, job: Job, run_id: str) -> dict[str, Any]:
    """The fields of a record that are known before its cell starts."""
    stage, cell = job.stage, job.cell
    return {
        "run_id": run_id,
        "result_id": cell.cell_id,
        "protocol": plan.protocol,
        "stage": "pretrain" if job.split is None else "split",
        "split": job.split,
        "seed": cell.seed,
        "framework": cell.framework,
        "member": stage.member,
        "workload": stage.workload.name,
        "preset": stage.workload.preset,
        "spec_hash": stage.workload.spec_hash,
        "training": stage.training,
        "epochs": stage.epochs,
        "weights_origin": stage.weights_origin,
        "overlap": plan.stage1.overlap if plan.stage1 and stage.member == "image" else None,
        "data_name": stage.facts.name if job.split is None else plan.store.name,
        "data_digest": stage.facts.digest if job.split is None else plan.store.digest,
        "classes": plan.store.classes,
        "device": plan.device,
        "device_name": plan.device_name,
        "replicas": cell.replicas,
        "certificate": "verified" if stage.certificate_id else "unverified",
        "certificate_id": stage.certificate_id,
    }


def skipped_record(plan: AccuracyPlan, job: Job, run_id: str, reason: str) -> AccuracyRecord:
    """The record of a cell that could not be started."""
    return AccuracyRecord(**asked_for(plan, job, run_id), status="skipped", reason=reason)


def cell_record(
    plan: AccuracyPlan, job: Job, outcome: Outcome, run_id: str, environment: dict[str, str]
) -> AccuracyRecord:
    """The record of a cell that has ended, however it did.

    A cell that ended well but left no whole set of predictions is a crash like any other.
    """
    status, reason, figures = outcome.status, outcome.reason, dict[str, Any]()
    if status == "ok":
        try:
            reported = reported_accuracy(job, outcome)
            figures = {"accuracy": reported} if job.split is None else evaluated(plan, job, reported)
        except ValueError as error:
            status, reason = "crash", str(error)
    return AccuracyRecord(
        **asked_for(plan, job, run_id),
        status=status,
        reason=reason,
        log=f"cells/{job.cell.cell_id}/{LOG}",
        started=outcome.started,
        wall_seconds=outcome.wall_seconds,
        settings=reported_settings(outcome.events[0]) | environment,
        **figures,
    )


def reported_accuracy(job: Job, outcome: Outcome) -> dict[str, float]:
    """Split to accuracy after the last stage, as the cell's ranks counted it.

    Raises:
        ValueError: counts that are not the task's.
    """
    found = last_scores(scores(task_of(job.cell.workload), outcome.events))
    return {split: metrics["accuracy"] for split, metrics in found.items()}


def evaluated(plan: AccuracyPlan, job: Job, reported: dict[str, float]) -> dict[str, Any]:
    """The figures of a cell's predictions; the training split's accuracy is what the worker reported.

    Raises:
        ValueError: predictions that are missing, incomplete, or no numbers.
    """
    codes = read_array(job.splits_path)
    predictions = read_predictions(job.cell, codes, len(plan.store.classes))
    figures = figures_of(predictions, plan.store.labels, codes, plan.store.classes)
    return figures | {"accuracy": reported | figures["accuracy"]}
