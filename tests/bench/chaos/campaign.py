"""Many trials of every kind at moments drawn by a seed, and their table."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.host.locations import PROJECT_ROOT
from tests.bench import fake_bench
from tests.bench.chaos.faults import FAULTS, run_trial
from tests.bench.chaos.trial import GONE_SECONDS, Bench, Finding, Trial

LATE_DRAWS = 20  # moments in a row that came after the run's end: then something else is wrong
FAKE_DISK, REAL_DISK = 4, 64  # MiB
COLUMNS = (
    "what happened", "times", "finished cells kept", "half-written records", "processes left",
    "longest until the last was gone, s", "resumed to the end",
)  # fmt: skip


def fake(folder: Path, environment: dict[str, str], gpus: str = "1,2") -> Bench:
    """`bench run` of fakes, two cells a number of replicas."""
    folder.mkdir(parents=True)
    store = fake_bench.make_store(folder / "store")
    (folder / "tiny.toml").write_text(fake_bench.TINY)
    options = ("--workload", str(folder / "tiny.toml"), "--data", str(store), "--device", "cpu", "--gpus", gpus)
    command = (sys.executable, "-m", "tests.bench.chaos.chaos_bench")
    return Bench(command, options, called_in(folder, environment), num_cells=2 * len(gpus.split(",")), hang_seconds=6.0)


def real(folder: Path, environment: dict[str, str]) -> Bench:
    """`bench run` of two cells, PyTorch's and TensorFlow's, two replicas each."""
    folder.mkdir(parents=True)
    options = ["--workload", "bert-6l", "--preset", "quick", "--device", "cpu", "--gpus", "2", "--steps", "8"]
    options += ["--epochs", "0"]
    command = (sys.executable, "-m", "bench")
    return Bench(command, tuple(options), called_in(folder, environment), num_cells=2, hang_seconds=40.0)


def called_in(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a call: results go to the folder."""
    return environment | {"PYTHONPATH": str(PROJECT_ROOT), "TWINBENCH_RESULTS": str(folder / "results")}


def calm_seconds(bench: Bench, folder: Path) -> float:
    """How long an undisturbed run takes, after one that makes its store; moments are drawn from that.

    Raises:
        AssertionError: it does not even end well when nothing happens to it.
    """
    seconds = 0.0
    for name in ("first", "calm"):
        (folder / name).mkdir(parents=True)
        begin = time.monotonic()
        trial = Trial(bench, folder / name, folder / name / "out")
        assert trial.process.wait(600) == 0, trial.said()
        seconds = time.monotonic() - begin
        assert len(trial.records()[0]) == bench.num_cells
    return seconds


def until_struck(bench: Bench, kind: str, index: int, folder: Path, seconds: float, disk: int, seed: int) -> Finding:
    """A trial; drawn again where the run was over before its moment came. Its folder stays where it is not sound."""
    rng = random.Random(f"{seed}/{kind}/{index}")
    for draw in range(LATE_DRAWS):
        place = folder / f"{kind}-{index}-{draw}"
        finding = run_trial(bench, kind, place, rng.uniform(0, seconds), rng, disk)
        if finding is None or finding.sound:
            shutil.rmtree(place, ignore_errors=True)
        if finding is not None:
            return finding
    raise AssertionError(f"{kind} {index}: {LATE_DRAWS} moments came after the run's end")


def campaign(
    bench: Bench, kinds: Sequence[str], times: int, folder: Path, jobs: int, disk: int, seed: int,
    say: Callable[[str], None],
) -> dict[str, list[Finding]]:  # fmt: skip
    """All trials, `jobs` at a time.

    Args:
        disk: MiB of the disk that is filled.
    """
    seconds = calm_seconds(bench, folder / "calm")
    say(f"an undisturbed run takes {seconds:.1f} s")
    found: dict[str, list[Finding]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for kind in kinds:

            def one(index: int, kind: str = kind) -> Finding:
                return until_struck(bench, kind, index, folder / "trials", seconds, disk, seed)

            found[kind] = []
            for index, finding in enumerate(pool.map(one, range(times))):
                found[kind].append(finding)
                if not finding.sound:
                    say(f"{kind} {index}: {finding}")
            say(row(kind, found[kind]))
    return found


def row(kind: str, findings: Sequence[Finding]) -> str:
    """A line of the table."""
    kept, lost = sum(f.kept for f in findings), sum(len(f.lost) for f in findings)
    cells = [
        FAULTS[kind].name,
        str(len(findings)),
        f"{kept} of {kept + lost}",
        str(sum(len(f.half_written) for f in findings)),
        str(sum(len(f.left) for f in findings)),
        f"{max((f.gone_seconds for f in findings), default=0.0):.1f}",
        f"{sum(not f.wrong for f in findings)} of {len(findings)}",
    ]
    return f"| {' | '.join(cells)} |"


def markdown(title: str, found: dict[str, list[Finding]]) -> str:
    """The table of a campaign, with what did not hold below it."""
    lines = [f"## {title}", "", f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    lines += [row(kind, findings) for kind, findings in found.items()]
    broken = [
        f"- {FAULTS[kind].name}, {index}: lost {finding.lost}, half-written {finding.half_written}, "
        f"left {finding.left}, {'; '.join(finding.wrong)}"
        for kind, findings in found.items()
        for index, finding in enumerate(findings)
        if not finding.sound
    ]
    lines += ["", *(broken or [f"Nothing left after {GONE_SECONDS:.0f} s, nothing lost, nothing half-written."]), ""]
    return "\n".join(lines)
