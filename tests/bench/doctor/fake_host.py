"""A machine made of files: what the checks would read of a real one."""

from __future__ import annotations

from pathlib import Path

from bench.doctor.findings import Finding, Host
from bench.doctor.frameworks import Probe

GIB = 2**30


def make(root: Path, files: dict[str, str] | None = None, cores: tuple[int, ...] = (0, 1)) -> Host:
    """A host with those files, by their path from the machine's root (`proc/...`, `sys/...`), and no others."""
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return Host(proc=root / "proc", sys=root / "sys", shm=root / "shm", results=root / "results", cores=cores)


def only(findings: list[Finding]) -> Finding:
    """The one finding of a check."""
    assert len(findings) == 1, findings
    return findings[0]


def healthy(framework: str, **changes: object) -> Probe:
    """A framework that starts, in an interpreter that both share."""
    facts: dict[str, object] = {"python": "python", "installed": True, "version": "2.21.0", "gloo": framework == "pt"}
    return Probe(**facts | changes)  # type: ignore[arg-type]
