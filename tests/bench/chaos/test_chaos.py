"""Trouble of every kind at a few moments of real runs of fakes; `python -m tests.bench.chaos` does it many times."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.chaos import campaign, chaos_bench, faults, trial
from tests.bench.chaos.faults import FAULTS, Fault
from tests.bench.chaos.trial import Bench, Finding, Trial

SECONDS = 3.0  # about what a run of two cells takes
SEED = 4


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return campaign.fake(tmp_path_factory.mktemp("bench") / "fake", dict(os.environ), gpus="2")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "trials").mkdir()
    return tmp_path / "trials"


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_lost_and_nothing_is_left(bench: Bench, folder: Path, kind: str) -> None:
    if FAULTS[kind].strike is None and not faults.disk_can_be_mounted(folder):
        pytest.skip("a disk to be filled cannot be mounted here (root is needed); file sizes are limited instead")
    finding = campaign.until_struck(bench, kind, 0, folder, SECONDS, campaign.FAKE_DISK, SEED)
    assert finding.sound, finding


@pytest.mark.slow
def test_processes_that_are_left_are_noticed(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without a guardian: the trial must be able to fail."""
    monkeypatch.setattr(trial, "GONE_SECONDS", 1.0)
    unguarded = replace(bench, environment=bench.environment | {chaos_bench.UNGUARDED: "1"})

    def kill_while_a_cell_runs(run: Trial, rng: random.Random) -> bool:
        run.wait_for(run.ranks)
        run.process.kill()
        return True

    monkeypatch.setitem(FAULTS, "kill", Fault("", kill_while_a_cell_runs, (-signal.SIGKILL,)))
    finding = faults.run_trial(unguarded, "kill", folder / "0", 0.0, random.Random(0), campaign.FAKE_DISK)
    assert finding is not None
    assert finding.left
    assert not finding.lost
    assert not finding.sound


@pytest.mark.slow
def test_a_damaged_record_is_noticed(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damage_the_first_record(run: Trial, rng: random.Random) -> bool:
        run.wait_for(lambda: [1] if trial.REPORTED.search(run.said()) else [])  # type: ignore[list-item]
        run.process.kill()
        path = next((run.out / "records").glob("*.json"))
        path.write_bytes(path.read_bytes()[:100])
        return True

    monkeypatch.setitem(FAULTS, "damage", Fault("", damage_the_first_record, (-signal.SIGKILL,)))
    finding = faults.run_trial(bench, "damage", folder / "0", 0.0, random.Random(0), campaign.FAKE_DISK)
    assert finding is not None
    assert len(finding.lost) == len(finding.half_written) == 1
    assert not finding.left


def test_the_table_counts_what_was_found() -> None:
    found = {
        "kill-rank": [Finding(kept=3), Finding(kept=1, lost=("a",), half_written=("a.json",), gone_seconds=0.25)],
        "interrupt": [Finding(left=(7, 8), wrong=("a traceback",))],
    }
    text = campaign.markdown("title", found)
    assert "| kill -9 of a rank | 2 | 4 of 5 | 1 | 0 | 0.2 | 2 of 2 |" in text
    assert "| Ctrl-C | 1 | 0 of 0 | 0 | 2 | 0.0 | 0 of 1 |" in text
    assert "- Ctrl-C, 0: lost (), half-written (), left (7, 8), a traceback" in text
    assert "Nothing left" in campaign.markdown("title", {"kill-rank": [Finding(kept=3)]})
