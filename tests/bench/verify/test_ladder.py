"""The ladder itself, both frameworks running: it passes on the wings, and every planted difference is caught."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.verify import command
from bench.records import certificates
from bench.verify import ladder
from shared.spec import WORKLOADS, load
from tests.bench.verify.rungs_of import checks_of

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")

# a quarter of the work; `make bench` runs the ladder at the preset's own size
SMALLER = {"input = { image_size = 64 }": "input = { image_size = 32 }"}


@pytest.fixture(autouse=True)
def own_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINBENCH_RESULTS", str(tmp_path / "results"))


@pytest.mark.parametrize(("workload", "changes"), [("effnet-b0", SMALLER), ("bert-6l", {})])
def test_the_wings_pass_every_rung_and_get_a_certificate(
    workload: str, changes: dict[str, str], tmp_path: Path
) -> None:
    text = (WORKLOADS / f"{workload}.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    own = tmp_path / f"{workload}.toml"
    own.write_text(text, encoding="utf-8")
    outcome = CliRunner().invoke(command, ["--workload", str(own), "--preset", "quick"])
    assert outcome.exit_code == 0, outcome.output
    certificate = certificates.find(load(str(own), "quick"))
    assert certificate is not None
    assert {check["rung"] for check in certificate.rungs} == {1, 2, 3, 4, 5, 6, 7}
    assert certificate.id in outcome.output
    assert certificates.find(load(str(own))) is None, "another computation is not covered"


def test_a_wing_that_crashes_breaks_the_ladder(tmp_path: Path) -> None:
    """A crashed rung is a failure, never a stale or skipped one."""
    from bench.verify.samples import make_material
    from bench.verify.tasks import make_tasks

    spec = load("effnet-b0", "quick")
    tasks = make_tasks(spec, make_material(spec, tmp_path))[:2]
    checks = checks_of(tasks, tmp_path, "no_such_mutation")
    assert len(checks) == len(tasks)
    assert not any(check.passed for check in checks)
    assert all("no_such_mutation" in check.detail for check in checks)


def test_a_missing_framework_is_said_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ladder.versions_of(None)
    monkeypatch.setattr(ladder, "versions_of", lambda python: {**there, "tensorflow": None})
    with pytest.raises(ladder.UserError, match=r"twinbench\[tf\]"):
        ladder.certify(load("effnet-b0", "quick"), lambda _: None)
