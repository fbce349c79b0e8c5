"""Packages that an arm or a command needs beside the frameworks, and the OCR engines."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

from bench.data import ocr_rapidocr, ocr_tesseract
from bench.doctor.findings import Finding, Host, good, notice, problem
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS


def asked_for(framework: str) -> Iterator[tuple[str, str]]:
    """Package and versions that the suite asks for with a framework, as in pyproject.toml; none if not installed."""
    from packaging.requirements import Requirement

    try:
        lines = requires("twinbench") or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        if requirement.marker and requirement.marker.evaluate({"extra": framework}):
            yield requirement.name, str(requirement.specifier)


def wing_packages(host: Host) -> list[Finding]:
    """What the native arm and the text workloads import beside each framework."""
    from packaging.specifiers import SpecifierSet

    found = []
    for framework, asked in host.probes.items():
        if not asked.installed or asked.failure:
            continue
        check, install = f"{FRAMEWORKS[framework].title} packages", f"`pip install 'twinbench[{framework}]'`"
        wanted = dict(asked_for(framework))
        missing = [name for name in wanted if name not in asked.packages]
        old = [f"{name} {asked.packages[name]} ({specifier} is asked for)" for name, specifier in wanted.items()
               if name not in missing and not SpecifierSet(specifier).contains(asked.packages[name], True)]  # fmt: skip
        if old:
            found.append(problem(check, f"too old: {', '.join(old)}", install))
        if missing:
            found.append(notice(check, f"missing: {', '.join(missing)}; the native arm does not run", install))
        if not old and not missing:
            found.append(good(check, ", ".join(f"{name} {asked.packages[name]}" for name in wanted) or "not listed"))
    return found


def companions(host: Host) -> list[Finding]:
    """Packages that are compiled against one minor version of a framework and do not load in another."""
    found = []
    for key, asked in host.probes.items():
        for name in FRAMEWORKS[key].companions:
            installed = asked.packages.get(name)
            if asked.version is None or installed is None:
                continue
            of = f"{FRAMEWORKS[key].title} {asked.version}"
            if minor(installed) == minor(asked.version):
                found.append(good(name, f"{installed} fits {of}"))
            else:
                fix = f"`pip install '{name}=={minor(asked.version)}.*'`"
                found.append(problem(name, f"{installed} does not fit {of}", fix))
    return found


def minor(version: str) -> str:
    """The first two numbers of a version.

    >>> minor("2.21.1rc1")
    '2.21'
    """
    return ".".join(version.split(".")[:2])


def ocr(host: Host) -> list[Finding]:
    """Engines that read pages; optional."""
    engines, failures = [], []
    for module in (ocr_tesseract, ocr_rapidocr):
        if module.installed():
            try:
                engine = module.find(None)
                engines.append(f"{engine.name} {engine.version}")
            except UserError as error:
                failures.append(str(error))
    if failures:
        return [notice("OCR", f"{', '.join(engines) or 'no engine works'}; {failures[0]}")]
    if not engines:
        fix = f"Debian: `apt-get install tesseract-ocr`; or {ocr_rapidocr.INSTALL}"
        return [notice("OCR", "no engine: `bench data prepare --ocr` can not read pages", fix)]
    return [good("OCR", ", ".join(engines))]
