"""What is installed from a wheel or an sdist works: away from the checkout, with nothing of it on the path."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_rules import ROOT, tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is built from it, of the project's tracked files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in tracked():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    # without isolation: what it needs to build is here, and nothing is fetched
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def installed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bench` of an environment in which only the wheel and what it requires are installed."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    site = next(place.glob("lib/python*/site-packages"))
    (wheel,) = archives.glob("*.whl")
    command = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--prefix", str(place)]
    subprocess.run([*command, "--ignore-installed", str(wheel)], check=True)
    # the requirements from here without the checkout: a path in a .pth file is searched, its own .pth files are not
    (site / "requirements.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    program = place / "bin" / "bench"
    text = program.read_text()
    program.write_text(text.replace(text.splitlines()[0], f"#!{place / 'bin' / 'python'}"))
    return program


def run(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"TWINBENCH_RESULTS": str(folder / "results"), "COLUMNS": "200"}
    return subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_archives_hold_what_belongs_in_them(archives: Path) -> None:
    (wheel,), (sdist,) = archives.glob("*.whl"), archives.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {"bench/cli/__init__.py", "shared/workloads/effnet-b0.toml", "bench/accuracy/small-tobacco.toml"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "results/"))]
    with tarfile.open(sdist) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "pt_impl/worker.py", "tf_impl/worker.py"} <= inside


def test_it_lists_its_workloads(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "list")
    assert done.returncode == 0, done.stderr
    assert "effnet-b0" in done.stdout and "bert-6l" in done.stdout


def test_it_looks_at_the_machine(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "doctor", "--quick", "--json", "found.json")
    assert done.returncode in (0, 1), done.stderr
    assert "check" in json.loads((tmp_path / "found.json").read_text())["findings"][0]


def test_it_plans_a_run(installed: Path, tmp_path: Path) -> None:
    if not all(map(find_spec, ("torch", "tensorflow"))):
        pytest.skip("plans for both frameworks")
    done = run(installed, tmp_path, "run", "--dry-run", "--gpus", "1,2", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "effnet-b0" in done.stdout
    assert not (tmp_path / "results" / "runs").exists()


def test_the_code_that_runs_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python")
    done = subprocess.run(
        [str(python), "-c", "import bench, shared; print(bench.__file__, shared.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert all(place.startswith(str(installed.parents[1])) for place in done.stdout.split())
