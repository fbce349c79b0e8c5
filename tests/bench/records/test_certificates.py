"""A certificate holds for its computation, its code and its framework versions, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.records import certificates
from shared import spec
from shared.spec import Workload

WORKLOAD = spec.load("effnet-b0", "quick")


def test_found_again() -> None:
    assert certificates.find(WORKLOAD) is None
    certificate = certificates.new(WORKLOAD, True, [{"rung": "forward", "passed": True}])
    certificates.store(certificate)
    assert certificates.find(WORKLOAD) == certificate


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({"train.epochs": 99}, True),
        ({"train.batch_per_replica": 3}, True),
        ({"model.num_classes": 5}, True),
        ({"measure.measured_steps": 7}, True),
        ({"optimizer.momentum": 0.8}, False),
        ({"input.image_size": 128}, False),
    ],
)
def test_what_it_covers(changes: dict[str, object], covered: bool) -> None:
    certificates.store(certificates.new(WORKLOAD, True, []))
    other: Workload = WORKLOAD.overridden(changes, "test")
    assert (certificates.find(other) is not None) is covered


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.model_copy(update={"passed": False}),
        lambda c: c.model_copy(update={"versions": {**c.versions, "torch": "0.0.1"}}),
        lambda c: c.model_copy(update={"computation_hash": "another"}),
    ],
)
def test_what_ends_it(spoil: Callable[[certificates.Certificate], certificates.Certificate]) -> None:
    good = certificates.new(WORKLOAD, True, [])
    path = certificates.store(good)
    path.write_text(spoil(good).model_dump_json())
    assert certificates.find(WORKLOAD) is None


def test_other_code_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates.store(certificates.new(WORKLOAD, True, []))
    monkeypatch.setattr(certificates, "code_hash", lambda: "0" * 16)
    assert certificates.find(WORKLOAD) is None


def test_a_damaged_certificate_is_none() -> None:
    path = certificates.store(certificates.new(WORKLOAD, True, []))
    path.write_text("{")
    assert certificates.find(WORKLOAD) is None
