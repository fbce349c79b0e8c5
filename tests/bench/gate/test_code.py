"""The gate measures what it names: each side's own code, wherever the project lies and whatever git is set to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bench.gate.code import check_code
from bench.gate.revisions import Repository, checkouts
from bench.gate.sides import dependencies, environment
from shared.errors import UserError
from tests.bench.gate.fake_repository import FakeRepository, Gate

ONE = ("--framework", "pt", "--max-pairs", "7")


def last_line(done: object) -> str:
    err = done.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in err, err
    return str(err.strip().splitlines()[-1])


def test_a_revision_that_would_run_other_code_is_refused(gate: Gate, repository: FakeRepository) -> None:
    """Without its own `shared`, its `bench run` would import the one that is installed."""
    shutil.rmtree(repository.root / "shared")
    repository.commit(step=0.01)
    done = gate("--base", "main~1", *ONE)
    assert done.returncode == 2
    told = last_line(done)
    assert "--head .: its shared would be imported from" in told or "--head .: has no shared/" in told


def test_a_revision_without_the_wing_that_is_asked_for_is_refused(gate: Gate, repository: FakeRepository) -> None:
    shutil.rmtree(repository.root / "tf_impl")
    repository.commit(step=0.01)
    done = gate("--base", "main~1", "--framework", "tf", "--max-pairs", "7")
    assert done.returncode == 2
    assert "tf_impl" in last_line(done)
    assert gate("--base", "main~1", *ONE).returncode == 0  # PyTorch's wing is there


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("bench", "shared", "pt_impl"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text("raise RuntimeError('imported')\n")
    return root


def test_nothing_is_imported_to_find_it(tree: Path, tmp_path: Path) -> None:
    check_code("--head x", tree, "python3", {"pt": None}, environment(tree, tmp_path))


def test_a_link_out_of_the_tree_is_other_code(tree: Path, tmp_path: Path) -> None:
    (tree / "pt_impl").rename(tmp_path / "elsewhere")
    (tree / "pt_impl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"its pt_impl would be imported from .*, not from its own files"):
        check_code("--head x", tree, "python3", {"pt": None}, environment(tree, tmp_path))


def test_workers_that_find_other_code_than_the_harness_are_refused(tree: Path, tmp_path: Path) -> None:
    """They start in another folder, so that only the search path tells them."""
    other = tmp_path / "other"
    shutil.copytree(tree, other)
    variables = environment(tree, tmp_path) | {"PYTHONPATH": str(other)}
    with pytest.raises(UserError, match="its shared would be imported from"):
        check_code("--head x", tree, "python3", {"pt": None}, variables)


def test_an_interpreter_that_does_not_answer_is_told(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not say where it finds the code"):
        check_code("--head x", tree, "true", {"pt": None}, environment(tree, tmp_path))
    with pytest.raises(UserError, match="does not answer"):
        check_code("--head x", tree, str(tmp_path / "none"), {"pt": None}, environment(tree, tmp_path))


@pytest.fixture
def inner(repository: FakeRepository) -> Path:
    """The project in a folder of a larger repository, in its second commit; the first has it at the root."""
    project = repository.root / "tools" / "twinbench"
    project.mkdir(parents=True)
    for name in ("bench", "shared", "pt_impl", "tf_impl", "settings.json"):
        (repository.root / name).rename(project / name)
    repository.root /= "tools/twinbench"  # where commits write their settings
    repository.commit(step=0.01)
    repository.commit(step=0.02)
    return project


def test_a_project_in_a_folder_of_a_repository(gate: Gate, inner: Path, repository: FakeRepository) -> None:
    done = gate("--base", "main~1", *ONE, cwd=inner)
    assert done.returncode == 1, done.stderr
    done = gate("--base", "main", *ONE, cwd=inner / "bench")  # from a folder below it
    assert done.returncode == 0, done.stderr
    (inner.parents[1] / "notes.txt").touch()  # not the project's: it is as clean as before
    assert gate("--base", "main", *ONE, cwd=inner).returncode == 0


def test_a_revision_without_the_project_is_refused(gate: Gate, inner: Path, repository: FakeRepository) -> None:
    done = gate("--base", "main~2", *ONE, cwd=inner)
    assert done.returncode == 2
    assert "has no bench/ in tools/twinbench/" in last_line(done)
    done = gate("--base", "main", *ONE, cwd=inner.parents[1])
    assert done.returncode == 2
    assert "no bench/ here or above, up to the repository's root" in last_line(done)


def test_the_users_hooks_and_monitors_do_not_run(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        hook = repository.root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit 2\n")
        hook.chmod(0o755)
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\necho monitor >> {ran}\nexit 1\n")
    monitor.chmod(0o755)
    for name, value in (("core.fsmonitor", str(monitor)), ("core.pager", "false"), ("gc.auto", "1")):
        repository.git("config", name, value)
    ran.unlink(missing_ok=True)
    done = gate("--base", "main", *ONE)
    assert done.returncode == 0, done.stderr
    assert not ran.exists(), ran.read_text()


def test_a_checkout_with_a_part_of_the_files_is_gated_whole(gate: Gate, repository: FakeRepository) -> None:
    repository.git("sparse-checkout", "set", "bench")
    assert not (repository.root / "pt_impl").exists()
    done = gate("--base", "main", *ONE)
    assert done.returncode == 0, done.stderr


def test_worktrees_of_others_stay_in_the_list(repository: FakeRepository, tmp_path: Path) -> None:
    """One on a disk that is not there now is not forgotten."""
    theirs = tmp_path / "theirs"
    repository.git("worktree", "add", "--detach", str(theirs))
    theirs.rename(tmp_path / "away")
    here = Repository(repository.root)
    with checkouts(here, [here.resolve("main", "--base")], tmp_path / "gate") as trees:
        assert (trees[0] / "bench" / "__main__.py").exists()
        assert len(repository.git("worktree", "list").splitlines()) == 3
    assert len(repository.git("worktree", "list").splitlines()) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to somebody else")
def test_a_checkout_of_somebody_else_is_gated(gate: Gate, repository: FakeRepository) -> None:
    for path in (repository.root, *repository.root.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    done = gate("--base", "main", *ONE)
    assert done.returncode == 0, done.stderr


def test_each_cause_has_its_own_refusal(repository: FakeRepository, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a repository without files"):
        Repository(repository.root / ".git")
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(UserError, match="not in a git repository"):
        Repository(outside)
    (outside / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(UserError, match=r"not in a git repository|git cannot be asked"):
        Repository(outside)


def test_what_no_measured_process_imports_asks_for_no_other_environment(tmp_path: Path) -> None:
    def digest(**extras: list[str]) -> str:
        lines = "".join(f"{name} = {packages}\n" for name, packages in extras.items())
        (tmp_path / "pyproject.toml").write_text(
            f'[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\n{lines}'
        )
        return dependencies(tmp_path)

    before = digest(pt=["torch>=2.6"], dev=["pytest>=8"])
    assert digest(pt=["torch>=2.6"], dev=["pytest>=9"], report=["pyarrow"]) == before
    assert digest(pt=["torch>=2.7"], dev=["pytest>=8"]) != before
