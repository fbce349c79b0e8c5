"""The revisions that a gate compares: found in git, checked out in worktrees of their own, gone at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.host import locks
from bench.host.git import GitError, NoGitError, ask
from bench.host.locations import results_directory
from bench.host.processes import interrupts_deferred
from shared.errors import UserError

HERE = "."  # the checkout's HEAD; with --allow-dirty its files as they are
MARK = "bench/__main__.py"  # lies in the project's folder
WHERE = "run `bench gate` in the checkout whose revisions it is to compare"
SHORT = 10  # characters of a commit, for people


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
        Args:
            folder: the project's, which may be one in a larger repository, or one below it.

        Raises:
            UserError: no git, no repository, or none that has the project in it.
        """
        here = folder.resolve()
        try:
            self.root = Path(ask(here, "rev-parse", "--show-toplevel")).resolve()
        except NoGitError:
            raise UserError("git is not installed: `bench gate` checks both revisions out with it") from None
        except GitError as error:
            if "not a git repository" in str(error):
                raise UserError(f"{folder}: not in a git repository; {WHERE}") from None
            if "work tree" in str(error):
                raise UserError(f"{folder}: a repository without files (bare, or the .git folder); {WHERE}") from None
            raise UserError(f"{folder}: git cannot be asked for its repository ({error})") from None
        above = [path for path in (here, *here.parents) if path.is_relative_to(self.root)]
        found = [path for path in above if (path / MARK).is_file()]
        if not found:
            raise UserError(f"{folder}: no bench/ here or above, up to the repository's root {self.root}; {WHERE}")
        self.project = found[0]
        self.prefix = self.project.relative_to(self.root)  # of the project in the repository

    def git(self, *arguments: str, refusal: str | None = None) -> str:
        """What a git command prints.

        Args:
            refusal: what to tell the user where it fails, with git's last line; None: that line alone.

        Raises:
            UserError: it failed.
        """
        try:
            return ask(self.project, *arguments)
        except GitError as error:
            raise UserError(
                f"{refusal} (git: {error})" if refusal else f"`git {arguments[0]}` failed: {error}"
            ) from None

    def check_has_project(self, revision: Revision, option: str) -> None:
        """Whether a revision has the project, and where this checkout has it.

        Raises:
            UserError: not so.
        """
        try:
            ask(self.root, "cat-file", "-e", f"{revision.commit}:{(self.prefix / MARK).as_posix()}")
        except GitError:
            where = "at its root" if self.prefix == Path() else f"in {self.prefix}/"
            raise UserError(
                f"{option} {revision.name}: {revision.label} has no bench/ {where}; name one that has"
            ) from None

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
        try:
            commit = ask(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}")
        except GitError:  # quiet: the cause is the one that is named here
            raise UserError(refusal) from None
        revision = Revision(name, commit)
        self.check_has_project(revision, option)
        if name != HERE:
            return revision
        changed = self.git("status", "--porcelain", "--untracked-files=normal", "--", ".").splitlines()
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
    """The project's folder in each revision; equal ones share it, a dirty one is the working tree itself.

    Only worktrees of gates are touched: others of the repository may lie on a disk that is not there now.

    Raises:
        UserError: git could not check one out.
    """
    _remove_worktrees(repository, folder)
    trees: dict[str, Path] = {}
    try:
        for revision in revisions:
            if not revision.dirty and revision.commit not in trees:
                tree = folder / "trees" / revision.commit[:SHORT]
                trees[revision.commit] = tree
                # whole, whatever part of the files the user's own checkout has
                repository.git("-c", "core.sparseCheckout=false", "worktree", "add", "--detach", "--force", str(tree),
                               revision.commit, refusal=f"{revision.label} cannot be checked out")  # fmt: skip
        yield [repository.project if each.dirty else trees[each.commit] / repository.prefix for each in revisions]
    finally:
        with interrupts_deferred():
            _remove_worktrees(repository, folder)
            shutil.rmtree(folder / "trees", ignore_errors=True)


def _remove_worktrees(repository: Repository, folder: Path) -> None:
    """Take what gates checked out in a folder, this one and killed ones, out of the repository's list, too."""
    with suppress(UserError):
        listed = repository.git("worktree", "list", "--porcelain").splitlines()
        paths = [line.removeprefix("worktree ") for line in listed if line.startswith("worktree ")]
        for path in paths:
            if Path(path).is_relative_to((folder / "trees").resolve()):
                with suppress(UserError):
                    repository.git("worktree", "remove", "--force", "--force", path)
