"""Certificates of `bench verify`: what was proven, for which computation, code and framework versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.host.environments.choice import wing_pythons
from bench.host.files import write_atomically
from bench.host.interpreters import versions_of
from bench.host.locations import PROJECT_ROOT, results_directory
from bench.records.bounds import first_problem
from shared.frameworks import FRAMEWORKS
from shared.outside import OutsideError, read_json
from shared.protocol import Cell
from shared.spec import Workload, digest

PROVEN_PACKAGES = ("shared", *(framework.wing for framework in FRAMEWORKS.values()))

Pythons = Mapping[str, str | None]  # wing to its interpreter; None: this one


class Certificate(BaseModel):
    """The outcome of the equality ladder for one computation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    computation_hash: str
    code_hash: str
    versions: dict[str, str | None]  # distribution to version; None: not installed
    passed: bool
    created: str  # UTC, ISO 8601
    rungs: list[dict[str, Any]]


@cache
def code_hash() -> str:
    """First 16 hex digits of a SHA-256 over every source file of `shared`, `pt_impl` and `tf_impl`, names included."""
    digest = hashlib.sha256()
    for package in PROVEN_PACKAGES:
        for path in sorted((PROJECT_ROOT / package).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(PROJECT_ROOT).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def framework_versions(pythons: Pythons | None = None) -> dict[str, str | None]:
    """Versions of the frameworks in each wing's interpreter, without importing them.

    Args:
        pythons: the interpreter of each wing (None: this one); None as a whole: those that `bench run` takes.
    """
    chosen = wing_pythons() if pythons is None else pythons
    return {name: versions_of(chosen[wing])[name] for wing, each in FRAMEWORKS.items() for name in each.proven}


def certificate_path(computation_hash: str, versions: Mapping[str, str | None]) -> Path:
    """Where the certificate of a computation by the present code and some versions lies."""
    name = f"{computation_hash}-{code_hash()}-{digest(dict(versions))[:8]}"
    return results_directory() / "certificates" / f"{name}.json"


def new(workload: Workload, passed: bool, rungs: list[dict[str, Any]], pythons: Pythons | None = None) -> Certificate:
    """A certificate for the present code and the versions in some interpreters; `store` keeps it."""
    versions = framework_versions(pythons)
    text = f"{workload.computation_hash}-{code_hash()}-{sorted(versions.items())}"
    return Certificate(
        id=hashlib.sha256(text.encode()).hexdigest()[:12],
        computation_hash=workload.computation_hash,
        code_hash=code_hash(),
        versions=versions,
        passed=passed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        rungs=rungs,
    )


def store(certificate: Certificate) -> Path:
    """Keep a certificate, passed or not, in place of an earlier one for the same computation, code and versions."""
    path = certificate_path(certificate.computation_hash, certificate.versions)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, certificate.model_dump_json(indent=1) + "\n")
    return path


def read_certificate(path: Path) -> Certificate:
    """Read one certificate.

    Raises:
        OutsideError: absent, or no certificate.
    """
    try:
        return Certificate.model_validate(read_json(path))
    except ValidationError as error:
        raise OutsideError(path, f"no certificate ({first_problem(error)})") from None


def find(workload: Workload, pythons: Pythons | None = None) -> Certificate | None:
    """The certificate that holds for a workload now: passed, for this code and the versions in some interpreters."""
    versions = framework_versions(pythons)
    try:
        certificate = read_certificate(certificate_path(workload.computation_hash, versions))
    except OutsideError:
        return None
    proven = (certificate.computation_hash, certificate.code_hash, certificate.versions)
    present = (workload.computation_hash, code_hash(), versions)
    return certificate if certificate.passed and proven == present else None


def pairs_of(cells: Iterable[Cell]) -> Sequence[Pythons]:
    """The pairs of interpreters to prove so that every column of some cells is proven equal to every other.

    The first of PyTorch with each of TensorFlow, and the first of TensorFlow with each further one of PyTorch; where a
    framework has no cell, its side is the interpreter that `bench run` would take.
    """
    wings: dict[str, list[str | None]] = {wing: [] for wing in FRAMEWORKS}
    for cell in cells:
        if cell.python not in wings[cell.framework]:
            wings[cell.framework].append(cell.python)
    first = wing_pythons((wing, pythons[0]) for wing, pythons in wings.items() if pythons)
    return [first] + [{**first, wing: python} for wing, pythons in wings.items() for python in pythons[1:]]


def find_of_cell(cell: Cell, pairs: Iterable[Pythons]) -> Certificate | None:
    """The certificate that holds for a cell: of one of the pairs, with its interpreter in it."""
    for pair in pairs:
        if pair[cell.framework] == cell.python:
            certificate = find(cell.workload, pair)
            if certificate is not None:
                return certificate
    return None
