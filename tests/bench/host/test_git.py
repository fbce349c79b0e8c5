"""Which revision a checkout has: known, not there, or not known and why."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.host import git, machine


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "repository" / "tools" / "project"
    (root / "bench" / "host").mkdir(parents=True)
    (root / "bench" / "host" / "machine.py").touch()
    own = ("-c", "user.name=a", "-c", "user.email=a@b")
    git.ask(root.parents[1], "init", "--quiet")
    git.ask(root, "add", "--all")
    git.ask(root, *own, "commit", "--quiet", "--message", "first")
    return root


def test_a_folder_of_a_repository_has_its_revision(project: Path) -> None:
    commit, unknown = git.describe(project)
    assert commit == git.ask(project, "rev-parse", "HEAD")
    assert unknown is None
    (project / "bench" / "host" / "machine.py").write_text("# changed\n")
    assert git.describe(project) == (f"{commit}-dirty", None)


def test_what_lies_in_anothers_repository_has_none(project: Path) -> None:
    """An environment in a checkout of something else, as a rule ignored there."""
    installed = project / ".venv" / "site-packages"
    (installed / "bench" / "host").mkdir(parents=True)
    (installed / "bench" / "host" / "machine.py").touch()
    assert git.describe(installed) == (None, None)
    assert git.describe(Path(project.anchor)) == (None, None)


def test_a_failed_question_is_no_answer(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = project.parents[1]
    (root / ".git" / "HEAD").write_text("nonsense\n")
    commit, unknown = git.describe(project)
    assert commit is None
    assert unknown is not None
    assert unknown.startswith("git: ")
    monkeypatch.setattr(machine, "PROJECT_ROOT", project)
    assert machine.revision() is None
    assert machine.describe()["revision_unknown"] == unknown
    assert machine.revision_notes() == [f"revision not known: {unknown}"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.revision_notes() == ["revision not known: git is not installed"]


def test_a_checkout_without_a_commit_is_not_known(tmp_path: Path) -> None:
    git.ask(tmp_path, "init", "--quiet")
    commit, unknown = git.describe(tmp_path)
    assert commit is None
    assert unknown is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to somebody else")
def test_whoever_owns_the_checkout(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no settings of the user's own
    for path in (project.parents[1], *project.parents[1].rglob("*")):
        os.chown(path, 12345, 12345)
    refused = subprocess.run(["git", "-C", str(project), "describe", "--always"], capture_output=True, check=False)
    assert refused.returncode != 0
    assert git.describe(project)[1] is None
    assert git.describe(project)[0] is not None


def test_a_revision_that_is_known_needs_no_note(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROJECT_ROOT", project)
    assert machine.revision_notes() == []
    assert "revision_unknown" not in machine.describe()
