"""Asking git: whoever owns the checkout, and without anything of the user's that acts on files.

No hooks, no file monitor, no pager, no prompt, no lock that a command could do without, no clearing up in passing. What
decides a file's content (filters as of git-lfs, line ends) is left: without it a checkout would not be the revision's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 120.0
SETTINGS = {
    # who runs a checkout's code may ask which code it is, on a bind mount or a shared server, too
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "commit.gpgsign": "false",
}
# a command in a git hook is told of that hook's repository and index, which it would write to: only the folder counts
OF_A_REPOSITORY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
)  # fmt: skip


class GitError(Exception):
    """Git did not answer; its last words, in English."""


class NoGitError(GitError):
    """There is no git."""


def ask(folder: Path, *arguments: str, timeout: float = TIMEOUT_SECONDS) -> str:
    """What a git command prints, run in a folder.

    Raises:
        NoGitError: git is not installed.
        GitError: it failed, or did not end in time.
    """
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = ["git", "--no-pager", "--no-optional-locks", *settings, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="surrogateescape", timeout=timeout,
            env=environment | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise NoGitError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"`git {arguments[0]}` did not end within {timeout:.0f} s") from None
    except OSError as error:
        raise GitError(f"git cannot be started ({error.strerror})") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        raise GitError(words[-1] if words else f"exit status {done.returncode}")
    return done.stdout.rstrip("\n")


def describe(project: Path) -> tuple[str | None, str | None]:
    """The commit of a project's checkout, with `-dirty` where files differ from it; else why it is not known.

    Args:
        project: the folder that holds `bench/`: a repository's root, or a folder in one.

    Returns:
        (None, None) outside of a checkout: an installed package has no revision, not even in another repository.
    """
    if not any((folder / ".git").exists() for folder in (project, *project.parents)):
        return None, None
    try:
        if not ask(project, "ls-files", "--", "bench/host/machine.py", timeout=20) and not (project / ".git").exists():
            return None, None
        return ask(project, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*", timeout=60), None
    except GitError as error:
        return None, f"git: {error}" if not isinstance(error, NoGitError) else str(error)
