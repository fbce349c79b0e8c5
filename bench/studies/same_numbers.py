"""Whether a change of the code left the numbers as they were, to the bit.

`python -m bench.studies.same_numbers --base REV`.

In both revisions each wing computes what the ladder asks of it (parameters, input, logits, gradients, the trajectory of
ten optimizer steps with drops), from the same seeds; the answers are compared without any tolerance. The probes run one
thread each, so a machine gives the same bits every time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from bench.gate.revisions import Repository, checkouts
from bench.host.files import write_atomically
from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError
from shared.frameworks import KEYS
from shared.outside import read_arrays

WORKLOADS = ("effnet-b0", "effnet-b2", "bert-6l")
PRESET = "quick"
SKIPPED = ("predictions",)  # minutes, and nothing that the trajectory does not show
# In a process of either revision, with that revision's own code. What it uses of the ladder has had these names since
# the first revision that this is meant for.
PROGRAM = """
import sys
from pathlib import Path
from bench.verify.samples import make_material
from bench.verify.tasks import make_tasks
from bench.verify.wings import Probe, ask
from shared import spec
workload, preset, wings, folder, *skipped = sys.argv[1:]
chosen, folder = spec.load(workload, preset), Path(folder)
tasks = [task for task in make_tasks(chosen, make_material(chosen, folder)) if task.kind not in skipped]
probes = [Probe(wing, tasks, folder / wing) for wing in wings.split(",")]
try:
    missing = []
    ask(probes, tasks, lambda task, pt, tf, why: missing.append(why) if pt is None or tf is None else None)
finally:
    for probe in probes:
        probe.close()
sys.exit("; ".join(missing) or 0)
"""


def answers(checkout: Path, workload: str, folder: Path) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Both wings' answers in a revision: (wing, task) to arrays by name.

    Raises:
        UserError: a wing gave none.
    """
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", PROGRAM, workload, PRESET, ",".join(KEYS), str(folder), *SKIPPED]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{checkout}: {workload}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return {
        (path.parent.name, path.stem): dict(read_arrays(path))
        for wing in KEYS
        for path in sorted((folder / wing).glob("*.npz"))
    }


def differences(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """The names of arrays that are not the same to the bit, or that only one of the two has.

    >>> differences({"a": np.array([1.0])}, {"a": np.array([1.0]), "b": np.array([0])})
    ['b']
    """
    names = sorted({*before, *after})
    return [name for name in names if name not in before or name not in after or not same(before[name], after[name])]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in kind, shape and every bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def rows(workload: str, before: Path, after: Path, folder: Path) -> list[tuple[str, ...]]:
    """A line per wing and task: how many arrays were compared, and which differ."""
    old, new = answers(before, workload, folder / "before"), answers(after, workload, folder / "after")
    lines: list[tuple[str, ...]] = []
    for key in sorted({*old, *new}):
        found = compared(old.get(key, {}), new.get(key, {}))
        lines.append((workload, *key, *found))
    return lines


def compared(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> tuple[str, str]:
    """Numbers of arrays in both revisions that are the same, and of those that are not or that one lacks."""
    differing = differences(old, new)
    both = [name for name in old if name in new]
    alike = len([name for name in both if name not in differing])
    lone = sorted({*old} ^ {*new})
    unlike = [name for name in differing if name in both]
    text = "none" if not unlike else f"{len(unlike)}: {', '.join(unlike[:3])}"
    return str(alike), text + (f"; in one alone: {', '.join(lone[:5])}" if lone else "")


COLUMNS = ("workload", "wing", "task", "arrays equal to the bit", "arrays that differ")


def markdown(lines: Sequence[Sequence[str]], base: str) -> str:
    """The table, and the command that printed it."""
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    table += ["| " + " | ".join(line) + " |" for line in lines]
    head = (
        f"Numbers of this revision against those of {base}, preset `{PRESET}` at the ladder's size, printed by\n"
        f"`python -m bench.studies.same_numbers --base {base} --out FILE`.\n"
    )
    return "\n".join([head, *table]) + "\n"


@click.command()
@click.option("--base", required=True, help="The revision to compare with.")
@click.option("--workload", "workloads", multiple=True, default=WORKLOADS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Markdown.")
def command(base: str, workloads: tuple[str, ...], out: Path | None) -> None:
    """Compare the wings' numbers in two revisions, to the bit. Exit status 1: some differ."""
    lines: list[tuple[str, ...]] = []
    repository = Repository(PROJECT_ROOT)
    revision = repository.resolve(base, "--base")
    with tempfile.TemporaryDirectory(prefix="twinbench-") as temporary:
        place = Path(temporary)
        with checkouts(repository, [revision], place) as (checkout,):
            for workload in workloads:
                folder = place / workload
                folder.mkdir()
                lines += rows(workload, checkout, PROJECT_ROOT, folder)
    text = markdown(lines, base)
    if out is not None:
        write_atomically(out, text)
    click.echo(text)
    sys.exit(0 if all(line[-1].startswith("none") for line in lines) else 1)


if __name__ == "__main__":
    command()
