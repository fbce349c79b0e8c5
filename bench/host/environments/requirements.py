"""What goes into an environment: the framework in an exact version, the project's other requirements, the pins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared import spec
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS


@dataclass(frozen=True)
class Requirements:
    """Of one environment, from the checkout's own files."""

    framework: str
    version: str  # exact: an open request for torch may bring the CUDA build and gigabytes of libraries with it
    cuda: bool
    base: tuple[str, ...]  # the project's dependencies
    extra: tuple[str, ...]  # the framework's: what follows its version
    pins: dict[str, str]  # distribution to version, of constraints.txt

    @property
    def name(self) -> str:
        """The environment's."""
        return f"{self.framework}-{self.version}"

    @property
    def build(self) -> str:
        """That was asked for, as `Environment` calls it."""
        return "cuda" if self.cuda else "cpu"

    @property
    def digest(self) -> str:
        """Of what an environment is made from; another one's is to be made anew.

        The build is not in it: an environment keeps the one that it has until it is taken away.
        """
        return spec.digest([self.name, sorted(self.base), sorted(self.extra), sorted(self.constraints())])

    @property
    def first(self) -> str:
        """What is installed first, and decides the rest."""
        framework = FRAMEWORKS[self.framework]
        extra = framework.cuda_extra if self.cuda else ""
        return f"{framework.module}{extra}=={self.version}"

    @property
    def is_pinned_version(self) -> bool:
        """Whether the version is that of constraints.txt: then all its pins hold."""
        return normalised_version(self.pins[FRAMEWORKS[self.framework].module]) == self.version

    def constraints(self, brought: Sequence[str] = ()) -> list[str]:
        """The pins that hold beside the framework.

        Of another version than the pinned one, what the framework brought stays as it came (our pins of those were
        made beside another version and may contradict it), and only our direct dependencies keep their pins.

        Args:
            brought: `name==version` of what is installed once the framework is.
        """
        if self.is_pinned_version:
            return [f"{name}=={version}" for name, version in self.pins.items()]
        there = {normalised(line.partition("==")[0]) for line in brought}
        direct = {distribution(requirement) for requirement in self.base}
        ours = [
            f"{name}=={version}"
            for name, version in self.pins.items()
            if normalised(name) in direct and normalised(name) not in there
        ]
        return [*brought, *ours]


def read_requirements(root: Path, framework: str, version: str | None, cuda: bool) -> Requirements:
    """The requirements of a framework's environment.

    Args:
        root: the checkout.
        version: of the framework; None: that of constraints.txt.

    Raises:
        UserError: no checkout, or no version.
    """
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        pins = read_pins(root)
    except OSError as error:
        raise UserError(f"{error.filename}: missing; `bench env create` needs a checkout of the project") from None
    chosen = pins[FRAMEWORKS[framework].module] if version is None else version
    base, extra = project["dependencies"], project["optional-dependencies"][framework]
    return Requirements(framework, normalised_version(chosen), cuda, tuple(base), tuple(extra), pins)


def read_pins(root: Path) -> dict[str, str]:
    """Distribution to version, of a checkout's constraints.txt.

    Raises:
        OSError: it has none.
    """
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.strip().split("==") for line in lines if "==" in line and not line.startswith("#"))


def distribution(requirement: str) -> str:
    """The name in a requirement, as indexes compare it."""
    return normalised(re.split(r"[<>=!~\[; ]", requirement)[0])


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normalised_version(version: str) -> str:
    """A version as its release is called: 2.13 is 2.13.0.

    Raises:
        UserError: not a version.
    """
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:
        raise UserError(f"--version {version}: not a version; write for example 2.13.0") from None
    if parsed.local or parsed.is_prerelease or parsed.is_postrelease:
        return str(parsed)
    return ".".join(str(part) for part in (*parsed.release, 0, 0)[: max(3, len(parsed.release))])
