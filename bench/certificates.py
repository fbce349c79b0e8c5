"""Certificates of `bench verify`: what was proven, for which computation, code and framework versions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.locations import PROJECT_ROOT, results_directory
from bench.records import write_atomically
from shared.spec import Workload

PROVEN_PACKAGES = ("shared", "pt_impl", "tf_impl")
FRAMEWORK_PACKAGES = ("torch", "tensorflow", "keras")


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


def framework_versions() -> dict[str, str | None]:
    """Installed versions of the frameworks, without importing them."""

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {package: installed(package) for package in FRAMEWORK_PACKAGES}


def certificate_path(computation_hash: str) -> Path:
    """Where the certificate of a computation by the present code lies."""
    return results_directory() / "certificates" / f"{computation_hash}-{code_hash()}.json"


def new(workload: Workload, passed: bool, rungs: list[dict[str, Any]]) -> Certificate:
    """A certificate for the present code and versions; `store` keeps it."""
    versions = framework_versions()
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
    """Keep a certificate, passed or not, in place of an earlier one for the same computation and code."""
    path = certificate_path(certificate.computation_hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, certificate.model_dump_json(indent=1) + "\n")
    return path


def find(workload: Workload) -> Certificate | None:
    """The certificate that holds for a workload now: passed, for this code and these framework versions."""
    try:
        certificate = Certificate.model_validate_json(certificate_path(workload.computation_hash).read_bytes())
    except (OSError, ValidationError):
        return None
    proven = (certificate.computation_hash, certificate.code_hash, certificate.versions)
    present = (workload.computation_hash, code_hash(), framework_versions())
    return certificate if certificate.passed and proven == present else None
