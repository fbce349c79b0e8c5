"""The workflows parse, have what a pull request needs, and their commands exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bench.cli.gate import command
from bench.host.locations import PROJECT_ROOT

WORKFLOWS = PROJECT_ROOT / ".github" / "workflows"


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((WORKFLOWS / name).read_text()))


@pytest.mark.parametrize("name", ["gate.yml", "tests.yml"])
def test_keys(name: str) -> None:
    content = read(name)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["cancel-in-progress"] is True
    assert "pull_request" in content[True]  # YAML 1.1 reads the key `on` so
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def test_the_gate_sees_both_revisions_and_leaves_its_results() -> None:
    steps = read("gate.yml")["jobs"]["gate"]["steps"]
    assert steps[0]["with"]["fetch-depth"] == 0
    uploads = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert uploads[0]["if"] == "always()"
    assert any("GITHUB_STEP_SUMMARY" in step.get("run", "") for step in steps)


def test_the_options_of_its_commands_exist() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    known = set(re.findall(r"--[a-z][a-z-]+", text))
    runs = [step["run"] for step in read("gate.yml")["jobs"]["gate"]["steps"] if "bench gate" in step.get("run", "")]
    assert runs
    for run in runs:
        assert set(re.findall(r"--[a-z][a-z-]+", run)) <= known
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert "\nsetup:" in makefile
    assert "\ntest:" in makefile
