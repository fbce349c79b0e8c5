"""`bench accuracy --verify`: the equality ladder for every training of a plan, before the first one starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.accuracy.plan import AccuracyPlan
from bench.accuracy.stages import Stage
from bench.records import certificates
from bench.run.execution import certified

Say = Callable[[str], None]


def verified_plan(plan: AccuracyPlan, say: Say) -> AccuracyPlan | None:
    """The plan with a certificate for each of its trainings, proven now where none holds; None where a ladder broke."""
    stages = [*plan.members, *([plan.stage1] if plan.stage1 else [])]
    if not all(certified(stage.workload, list(stage.cells.values()), say) for stage in stages):
        return None
    stage1 = None if plan.stage1 is None else with_certificate(plan.stage1)
    return replace(plan, members=tuple(map(with_certificate, plan.members)), stage1=stage1)


def with_certificate(stage: Stage) -> Stage:
    """A stage with the certificate that holds for its cells, each of them."""
    cells = list(stage.cells.values())
    pairs = certificates.pairs_of(cells)
    found = {cell.framework: certificates.find_of_cell(cell, pairs) for cell in cells}
    identities = {certificate.id for certificate in found.values() if certificate is not None}
    return replace(stage, certificate_id=identities.pop() if all(found.values()) and len(identities) == 1 else None)
