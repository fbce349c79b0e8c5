"""Slow-downs planted in a scratch clone for `bench.studies.gate.shown`: a sleep in the step, copies, a stall, and in
an inference a wait in the call.

Each is a commit on top of the clone's HEAD, made by replacing one line; where the line is gone the plant is refused.
"""

from __future__ import annotations

from pathlib import Path

from bench.host.git import GitError, ask
from shared import families
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

PLANTS = ("none", "sleep", "copy", "stall", "wait")
STALL_EVERY = 10  # steps
STEP = "        losses.append(wing.train_step(batch, float(learning_rate)))\n"
CALL = "        return self.server.answers(self.server.infer(self.hosts[number % len(self.hosts)]))\n"
AUTHOR = ("-c", "user.name=twinbench", "-c", "user.email=gate@twinbench.invalid")


def git(clone: Path, *arguments: str) -> str:
    """What git prints in a folder.

    Raises:
        UserError: it failed.
    """
    try:
        return ask(clone, *AUTHOR, *arguments).strip()
    except GitError as error:
        raise UserError(f"git {arguments[0]}: {error}") from None


def plant(clone: Path, kind: str, framework: str, family: str, amount: float) -> str:
    """Commit a plant on top of HEAD; the new commit.

    Args:
        family: of the network that is trained.
        amount: seconds of sleep per step, how many times what goes into a layer is copied, how many times as long every
            tenth step takes (it is taken as many times), or how much longer a call of an inference takes, a share.

    Raises:
        UserError: the line that it replaces is not there.
    """
    if kind == "sleep":
        path = clone / "shared" / "session.py"
        _replace(path, STEP, f"{STEP}        time.sleep({amount!r})\n")
    elif kind == "stall":
        loop = f"            for _ in range({int(amount) - 1}):\n"
        again = f"{loop}                wing.train_step(batch, float(learning_rate))\n"
        _replace(
            clone / "shared" / "session.py", STEP,
            f"{STEP}        if step % {STALL_EVERY} == {STALL_EVERY - 1}:\n{again}",
        )  # fmt: skip
    elif kind == "wait":
        answered = CALL.replace("return", "found =")
        wait = f"        time.sleep({amount!r} * (time.perf_counter() - began))\n        return found\n"
        _replace(clone / "shared" / "inference.py", CALL, f"        began = time.perf_counter()\n{answered}{wait}")
    elif kind == "copy":
        path, contest = (
            clone / FRAMEWORKS[framework].wing / f"families/{family}/network.py",
            families.family(family).contest,
        )
        if not contest.loop:
            raise UserError(f"--plant copy: a network of the family {family} has no loop over layers; plant a stall")
        line, copy = contest.loop, contest.copies[framework]
        _replace(path, line, f"{line}            for _ in range({int(amount)}):\n                x = {copy}\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", f"planted: {kind} {amount}")
    return git(clone, "rev-parse", "HEAD")


def _replace(path: Path, line: str, by: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(line) != 1:
        raise UserError(
            f"{path.name}: no single line {line.strip()!r} to plant in; bench/studies/gate/planted.py needs the new one"
        )
    path.write_text(text.replace(line, by), encoding="utf-8")
