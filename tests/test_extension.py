"""A family and a task that the project does not have: added by files of their own and two names, they do everything.

The files below tests/extension/ are laid over a copy of the project, as somebody would add them; docs/extending.md
explains them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if not all(map(find_spec, ("torch", "tensorflow"))):
    pytest.skip("both frameworks are needed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = Path(__file__).with_name("extension")
PACKAGES = ("bench", "shared", "pt_impl", "tf_impl")
REGISTRIES = {"shared/families/__init__.py": "softmax", "shared/tasks/__init__.py": "top2"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the extension."""
    place = tmp_path_factory.mktemp("extended")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", place)
    shutil.copy(ROOT / "pyproject.toml", place)
    for package in PACKAGES[1:]:
        shutil.copytree(EXTENSION / package, place / package, dirs_exist_ok=True)
    for file, name in REGISTRIES.items():
        path = place / file
        registered, count = re.subn(r'^(NAMES = \(.*")\)$', rf'\1, "{name}")', path.read_text(), flags=re.MULTILINE)
        assert count == 1, file
        path.write_text(registered)
    return place


def bench(project: Path, *arguments: str) -> str:
    """What a command of the extended project prints; it must end well."""
    environment = os.environ | {"PYTHONPATH": str(project), "TWINBENCH_RESULTS": str(project / "results")}
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ladder(project: Path) -> str:
    """What the ladder says of it; its certificate is kept."""
    return bench(project, "verify", "--workload", "softmax")


def test_only_its_own_files_are_new() -> None:
    """Nothing of the project is replaced: the extension's files are in rooms of their own."""
    files = [path.relative_to(EXTENSION) for path in EXTENSION.rglob("*") if path.suffix in (".py", ".toml")]
    assert len(files) >= 6
    assert [str(file) for file in files if (ROOT / file).exists()] == []


def test_it_is_listed(project: Path) -> None:
    assert re.search(r"softmax +full +softmax +64 px", bench(project, "list"))


def test_the_ladder_proves_it(ladder: str) -> None:
    assert "BROKEN" not in ladder
    assert {line.split()[3] for line in ladder.splitlines() if " ok " in line} == set("1234567")


def test_the_ladder_can_fail(project: Path) -> None:
    said = bench(project, "verify", "--workload", "softmax", "--mutations")
    assert "every mutation was caught" in said
    assert "the bias forgotten" in said and "half the gradient" in said


def test_it_is_run_reported_and_drawn(project: Path, ladder: str) -> None:
    run = project / "results" / "runs" / "extended"
    asked = ("--workload", "softmax", "--framework", "both", "--gpus", "1,2", "--device", "cpu", "--out", str(run))
    bench(project, "run", *asked, "--cores-per-replica", "1")
    records = [json.loads(path.read_text()) for path in sorted((run / "records").glob("*.json"))]
    assert [(each["framework"], each["replicas"], each["status"]) for each in records] == [
        ("pt", 1, "ok"), ("pt", 2, "ok"), ("tf", 1, "ok"), ("tf", 2, "ok"),
    ]  # fmt: skip
    for record in records:
        assert (record["task"], record["headline"], record["network"]) == ("top2", "top2", "softmax")
        assert record["certificate"] == "verified"
        scores = record["scores"]["train"]["test"]
        assert set(scores) == {"top2", "accuracy"}
        assert scores["top2"] >= scores["accuracy"] > 1 / 16
    # equal trainings at the same number of replicas
    by_cell = {(each["framework"], each["replicas"]): each["scores"] for each in records}
    assert by_cell["pt", 1] == by_cell["tf", 1]
    assert "among the first two" in (run / "summary.md").read_text()
    assert (run / "figures" / "throughput.png").stat().st_size > 0
    page = project / "page.html"
    bench(project, "report", str(run), "--out", str(page))
    assert "among the first two" in page.read_text()
    bench(project, "plot", str(run))


def test_the_library_s_network_runs_too(project: Path) -> None:
    run = project / "results" / "runs" / "native"
    asked = ("--workload", "softmax", "--framework", "both", "--gpus", "1", "--device", "cpu", "--out", str(run))
    bench(project, "run", *asked, "--arm", "native", "--epochs", "0")
    records = [json.loads(path.read_text()) for path in (run / "records").glob("*.json")]
    assert {(each["arm"], each["status"]) for each in records} == {("native", "ok")}
