"""A checkout with few requirements, and wheels that hold nothing but a name: pip installs them without a network."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.host.environments import install

PIP = ("-m", "pip", "--disable-pip-version-check")
PYPROJECT = """
[project]
name = "twinbench"
dependencies = ["fakebase>=1"]

[project.optional-dependencies]
pt = ["torch>=2.6", "fakehub>=1"]
tf = ["tensorflow>=2.18"]
"""
CONSTRAINTS = "# pins\ntorch==2.13.0\ntensorflow==2.21.0\nfakebase==1.1.0\nfakehub==1.0\nfakelib==3.0\n"


def make_checkout(root: Path) -> Path:
    """The two files that an environment's requirements are read from."""
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "constraints.txt").write_text(CONSTRAINTS)
    return root


def make_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> None:
    """A wheel that installs its metadata alone."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, content)


def make_index(folder: Path) -> Path:
    """Two versions of torch, which want different versions of a library, and what else the checkout requires."""
    make_wheel(folder, "torch", "2.13.0+cpu", ["fakelib>=3"])
    make_wheel(folder, "torch", "2.12.0", ["fakelib<3", "nvidia-cublas"])
    make_wheel(folder, "nvidia_cublas", "13.0")
    for version in ("2.0", "3.0"):
        make_wheel(folder, "fakelib", version)
    for name, version in (("fakebase", "1.1.0"), ("fakebase", "1.2.0"), ("fakehub", "1.0"), ("fakehub", "1.5")):
        make_wheel(folder, name, version)
    return folder


def use_index(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let pip see these wheels and nothing else; this interpreter's pip, for a new one takes seconds to unpack."""
    patch.setattr(install, "VENV", (*install.VENV, "--without-pip"))
    patch.setattr(install, "pip_of", lambda path: [sys.executable, *PIP, "--python", str(path / "bin" / "python")])
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        patch.delenv(name, raising=False)
    patch.setenv("PIP_CONFIG_FILE", "/dev/null")
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(folder))
