"""The revisions that a gate compares: found in git, checked out in worktrees of their own, gone at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import locks
from bench.locations import results_directory
from bench.processes import interrupts_deferred
from shared.errors import UserError

HERE = "."  # the checkout's HEAD; with --allow-dirty its files as they are
TIMEOUT_SECONDS = 120.0
SHORT = 10  # characters of a commit, for people
# a gate in a git hook is told of that hook's repository and index, which it would write to: only the folder counts
OF_A_REPOSITORY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)  # fmt: skip


@dataclass(frozen=True)
class Revision:
    """A state of the code."""

    name: str  # as typed
    commit: str
    dirty: bool = False  # the working tree's files, which differ from the commit

    @property
    def label(self) -> str:
        """For people: "main (0123456789)"."""
        short = self.commit[:SHORT]
        shown = short if self.name == HERE or self.commit.startswith(self.name) else f"{self.name} ({short})"
        return f"{shown}, dirty" if self.dirty else shown


class Repository:
    """The git repository that the gate was started in."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            UserError: no git, or no repository.
        """
        self.root = folder
        self.root = Path(self.git("rev-parse", "--show-toplevel", refusal=f"{folder}: not in a git repository; "
                                  "run `bench gate` in the checkout whose revisions it is to compare"))  # fmt: skip

    def git(self, *arguments: str, refusal: str | None = None) -> str:
        """What a git command prints.

        Args:
            refusal: what to tell the user where it fails; None: git's own last line.

        Raises:
            UserError: it failed, or there is no git.
        """
        environment = {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}
        command = ["git", "-C", str(self.root), *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, env=environment,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise UserError("git is not installed: `bench gate` checks both revisions out with it") from None
        except subprocess.TimeoutExpired:
            raise UserError(f"`git {arguments[0]}` did not end within {TIMEOUT_SECONDS:.0f} s") from None
        if done.returncode:
            words = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            said = f" (git: {words})" if done.stderr.strip() else ""
            raise UserError(f"{refusal}{said}" if refusal else f"`git {' '.join(arguments[:2])}` failed: {words}")
        return done.stdout.rstrip("\n")

    def resolve(self, name: str, option: str, allow_dirty: bool = False) -> Revision:
        """The commit of a revision; `.` is the checkout's own.

        Raises:
            UserError: no such commit, or a dirty worktree that nobody allowed.
        """
        refusal = (
            f"{option} {name}: no such commit in {self.root}; name a branch, tag or hash (a shallow clone lacks "
            "older ones: `git fetch --unshallow`)"
        )
        if name.startswith("-"):
            raise UserError(refusal)
        asked = "HEAD" if name == HERE else name
        commit = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}",
                          refusal=refusal)  # fmt: skip
        if name != HERE:
            return Revision(name, commit)
        changed = self.git("status", "--porcelain", "--untracked-files=normal").splitlines()
        if changed and not allow_dirty:
            first = changed[0][3:]
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise UserError(
                f"{option} {name}: the worktree is dirty ({first}{more}); commit or stash, or measure it as it is with "
                "--allow-dirty"
            )
        return Revision(name, commit, dirty=bool(changed))


def gate_directory() -> Path:
    """Where gates work: worktrees, environments, measurements, stores."""
    return results_directory() / "gate"


@contextmanager
def workplace() -> Iterator[Path]:
    """Hold the gate's folder, cleared of what killed gates left; what this one checks out and measures goes at the end.

    One gate at a time: two would measure each other.

    Raises:
        UserError: another gate is at work, or the folder cannot be written.
    """
    folder = gate_directory()
    with locks.held(
        folder / ".lock", f"{folder}: another `bench gate` is at work; two at once would measure each other"
    ):
        try:
            _clear(folder)
            yield folder
        finally:
            with interrupts_deferred():
                _clear(folder)


def _clear(folder: Path) -> None:
    for name in ("trees", "pairs"):
        shutil.rmtree(folder / name, ignore_errors=True)


@contextmanager
def checkouts(repository: Repository, revisions: list[Revision], folder: Path) -> Iterator[list[Path]]:
    """A folder with the files of each revision; equal ones share it, a dirty one is the working tree itself.

    Raises:
        UserError: git could not check one out.
    """
    repository.git("worktree", "prune")
    trees: dict[str, Path] = {}
    try:
        for revision in revisions:
            if not revision.dirty and revision.commit not in trees:
                tree = folder / "trees" / revision.commit[:SHORT]
                trees[revision.commit] = tree
                repository.git("worktree", "add", "--detach", "--force", str(tree), revision.commit)
        yield [repository.root if each.dirty else trees[each.commit] for each in revisions]
    finally:
        with interrupts_deferred():
            for tree in trees.values():
                shutil.rmtree(tree, ignore_errors=True)
            with suppress(UserError):
                repository.git("worktree", "prune")
