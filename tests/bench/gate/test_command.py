"""`bench gate` from the command line, in a scratch repository whose `bench run` only sleeps."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from bench.gate.result import GateResult
from bench.gate.show import notes, stalls
from bench.host.locations import PROJECT_ROOT
from tests import golden
from tests.bench.gate.fake_repository import FakeRepository, Gate, gate_process
from tests.bench.gate.test_outputs import make_result

ONE = ("--framework", "pt")


def last_line(done: object) -> str:
    err = done.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in err, err
    return str(err.strip().splitlines()[-1])


def nothing_is_left(repository: FakeRepository, results: Path) -> None:
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert not (results / "gate" / "trees").exists()
    assert not (results / "gate" / "pairs").exists()


def test_a_slower_head_fails_in_turns(gate: Gate, repository: FakeRepository, results: Path, tmp_path: Path) -> None:
    repository.commit(step=0.013)
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--max-pairs", "7", "--json", str(out))
    assert done.returncode == 1, done.stderr
    result = GateResult.model_validate_json(out.read_text())
    (one,) = result.benchmarks
    assert one.outcome == "regression"
    assert one.ratio == pytest.approx(1 / 1.3, rel=0.1)
    assert len(one.pairs) == 7
    assert all(pair.turns > 1 for pair in one.pairs)
    assert [pair.head_first for pair in one.pairs] == [False, True, False, True, False, True, False]
    assert result.base is not None
    assert result.base.commit == repository.base
    assert done.stdout.splitlines()[-2:] == [result.headline, str(out)]
    assert result.headline == "regression: bert-6l-pt-r1-device"
    nothing_is_left(repository, results)


def test_a_stall_counts_for_what_it_costs(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    """One step of the window takes 4 times as long: 25 % more of it, and nothing of the typical step."""
    repository.commit(step=0.01, stalls=3)
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--json", str(out))
    assert done.returncode == 1, done.stderr
    result = GateResult.model_validate_json(out.read_text())
    (one,) = result.benchmarks
    assert (one.outcome, one.ratio, one.typical) == ("regression", pytest.approx(0.8), pytest.approx(1.0))
    assert f"{one.name}: {stalls(one, result.threshold)}" in done.stdout.splitlines()


def test_stalls_that_faster_steps_make_up_for_do_not_pass(
    gate: Gate, repository: FakeRepository, tmp_path: Path
) -> None:
    repository.commit(step=0.008, stalls=3)  # 12 steps take as long as the base's
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--json", str(out))
    assert done.returncode == 1, done.stderr
    (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
    assert (one.outcome, one.ratio, one.typical) == ("intermittent", pytest.approx(1.0), pytest.approx(1.25))
    repository.commit(step=0.01)  # what comes after it does not stall, but its steps are slower: that shows, too
    assert gate("--base", "main~1", *ONE).returncode == 1
    repository.commit(step=0.01, stalls=3)
    assert gate("--base", "main", "--head", "main~1", *ONE).returncode == 0  # less stalls alone are no fault


def test_a_base_that_takes_no_turns_is_measured_apart(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    repository.commit(step=0.01, no_turns=True)
    repository.commit(step=0.005)
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--max-pairs", "7", "--json", str(out))
    assert done.returncode == 0, done.stderr
    (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
    assert one.apart
    assert one.reason is not None
    assert "takes no turns" in one.reason
    assert [pair.turns for pair in one.pairs] == [0] * 7


def test_a_crash_is_an_error_and_no_regression(
    gate: Gate, repository: FakeRepository, results: Path, tmp_path: Path
) -> None:
    repository.commit(step=0.01, crash=True)
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--json", str(out))
    assert done.returncode == 2
    (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
    log = results / "gate" / "failed" / "bert-6l-pt-r1-device-head-2.log"
    told = f"head ({repository.git('rev-parse', 'HEAD')[:10]}) failed: crash: it broke (log: {log})"
    assert (one.outcome, one.reason) == ("error", told)
    assert f"{one.name}: {told}" in done.stdout.splitlines()
    assert log.read_text() == "it broke"
    nothing_is_left(repository, results)


def test_one_failure_is_tried_again(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    repository.commit(step=0.01, crash_once=str(tmp_path / "crashed"))
    done = gate("--base", "main", *ONE, "--apart", "--threshold", "50%", "--max-pairs", "7")
    assert done.returncode == 0, done.stderr
    golden.check("gate-progress", done.stderr.replace(repository.git("rev-parse", "HEAD")[:10], "COMMIT"), tmp_path)


def test_other_specs_are_refused_unless_allowed(gate: Gate, repository: FakeRepository) -> None:
    repository.commit(step=0.001, spec="other")
    done = gate("--base", "main~1", *ONE)
    assert done.returncode == 2
    assert "train different specs (abc and other)" in last_line(done)


def test_other_data_is_refused_unless_allowed(gate: Gate, repository: FakeRepository) -> None:
    repository.commit(step=0.01, data="b" * 20)
    repository.commit(step=0.01, data="c" * 20)
    done = gate("--base", "main~1", *ONE)
    assert done.returncode == 2
    assert f"train on different data ({'b' * 16} and {'c' * 16})" in last_line(done)


def test_what_nobody_foresaw_is_an_error_and_no_regression(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (OSError(28, "No space left on device"), ZeroDivisionError("by nothing")):

        def fails(settings: object, say: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("bench.cli.gate.measure", fails)
        with pytest.raises(SystemExit) as left:
            main(["gate", "--base", "main"])
        assert left.value.code == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("bench: error: not measured: ")
        assert str(error) in last


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("regression", 1), ("intermittent", 1), ("error", 2)])
def test_where_its_result_cannot_be_written(
    outcome: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A closed output changes nothing, a full one makes it 2 and one line: never what says that the head is slower."""
    result = make_result(outcome)
    monkeypatch.setattr("bench.cli.gate.measure", lambda settings, say: result)

    def status(*arguments: str) -> object:
        with pytest.raises(SystemExit) as left:
            main(["gate", "--base", "main", *arguments])
        return left.value.code

    assert status() == code
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)  # as Python has it for `>&-`
        assert status() == code
    with monkeypatch.context() as patch, Path("/dev/full").open("w") as full:
        patch.setattr(sys, "stdout", full)
        assert status() == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert told == [f"bench: error: standard output cannot be written (No space left on device); the result: "
                        f"{result.headline}"]  # fmt: skip
    with monkeypatch.context() as patch, Path("/dev/full").open("w") as full:
        patch.setattr(sys, "stderr", full)  # nothing can be told at all
        assert status() == code
        assert status("--json", "/proc/nothing") == 2
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    out = tmp_path / "gone" / "gate.json"
    out.parent.mkdir()

    def gone(settings: object, say: object) -> GateResult:
        out.parent.rmdir()
        return result

    monkeypatch.setattr("bench.cli.gate.measure", gone)
    capsys.readouterr()
    assert status("--json", str(out)) == 2
    shown = capsys.readouterr()
    assert f"--json {out}: cannot be written" in shown.err
    assert shown.out.splitlines()[-1] == result.headline  # what was measured is told all the same


def test_an_interrupted_gate_keeps_its_pairs_and_goes_on(
    gate: Gate, repository: FakeRepository, results: Path, tmp_path: Path
) -> None:
    """A side waits for long from its fourth measurement on; the fourth pair is interrupted."""
    repository.commit(step=0.013, waits_after=[3, str(tmp_path)])
    process = gate_process(repository.root, "--base", "main~1", *ONE)
    wait_for(lambda: (tmp_path / "waits").exists())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    kept = results / "gate" / "pairs.jsonl"
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == (
        "bench: interrupted; 3 pairs are measured (bert-6l-pt-r1-device: head/base 0.769 over 3, go on); "
        f"kept in {kept}: the same command with --resume goes on"
    )
    assert len(kept.read_text().splitlines()) == 4
    with kept.open("a") as file:
        file.write('{"benchmark": "bert')  # a line that a full disk cut short
    done = gate("--base", "main~1", *ONE, "--threshold", "5%", "--resume")
    assert done.returncode == 2
    assert "of another gate (threshold: 0.03, now 0.05)" in last_line(done)
    (tmp_path / "waits").rename(tmp_path / "goes on")
    out = tmp_path / "gate.json"
    done = gate("--base", "main~1", *ONE, "--resume", "--json", str(out))
    assert done.returncode == 1, done.stderr
    (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
    assert [pair.head_first for pair in one.pairs] == [False, True, False, True, False, True, False]
    again = gate("--base", "main~1", *ONE, "--resume", "--json", str(out))  # nothing is left to measure
    assert again.returncode == 1
    assert GateResult.model_validate_json(out.read_text()).benchmarks[0].pairs == one.pairs
    kept.unlink()
    assert "no pairs are kept" in last_line(gate("--base", "main~1", *ONE, "--resume"))
    kept.write_text("no JSON\n")
    assert "is not what a gate wrote" in last_line(gate("--base", "main~1", *ONE, "--resume"))


def test_a_time_limit_that_is_over_still_measures_seven(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    out = tmp_path / "gate.json"
    # half as slow as is allowed: no look decides it
    repository.commit(step=0.01, alternates=True)
    done = gate("--base", "main~1", *ONE, "--time-limit", "0.001", "--json", str(out))
    assert done.returncode == 0, done.stderr
    (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
    assert len(one.pairs) == 7
    assert one.outcome == "undecided"
    assert one.reason == "ended by the time limit"


def test_nobody_needs_to_read_it(repository: FakeRepository, tmp_path: Path) -> None:
    """`bench gate | head -1`: the outputs are written, and the exit status is the gate's."""
    repository.commit(step=0.05)
    out = tmp_path / "gate.json"
    process = gate_process(repository.root, "--base", "main~1", *ONE, "--json", str(out))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 1
    assert GateResult.model_validate_json(out.read_text()).exit_code == 1
    process.communicate()


def test_bad_input_is_one_line(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    repository.commit(step=0.01, broken=True)
    done = gate("--base", "main~1", *ONE)
    assert done.returncode == 2
    assert last_line(done).endswith("`bench run` does not start: ModuleNotFoundError: No module named 'nothing'")

    assert "no such commit" in last_line(gate("--base", "nowhere"))
    assert "no such commit" in last_line(gate("--base=--all"))
    assert "name --base REV, --baseline FILE" in last_line(gate())
    assert "so few pairs give p = 0.0312 at best" in last_line(gate("--base", "main", "--max-pairs", "5"))
    assert "is no share" in last_line(gate("--base", "main", "--threshold", "150%"))
    assert "no file can be written there" in last_line(gate("--base", "main", "--json", str(tmp_path / "a" / "b")))
    assert "leave out --base" in last_line(gate("--base", "main", "--baseline", "x"))
    assert "--base: empty" in last_line(gate("--base", ""))
    assert "'nan' is not a number" in last_line(gate("--base", "main", "--time-limit", "nan"))
    nowhere = str(tmp_path / "a" / "history.jsonl")
    assert "no file can be written there" in last_line(gate("--baseline", nowhere, "--update"))
    assert "name it with --baseline" in last_line(gate("--base", "main", "--update"))
    assert "--base-python" in last_line(gate("--base", "main~1", "--head", "main~1", "--base-python", "no-python"))
    outside = tmp_path / "outside"
    outside.mkdir()
    assert "not in a git repository" in last_line(gate("--base", "main", cwd=outside))
    assert "git is not installed" in last_line(gate("--base", "main", PATH=str(outside)))


def test_a_dirty_worktree_is_refused_or_said(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    (repository.root / "new.txt").touch()
    done = gate("--base", "main", *ONE)
    assert done.returncode == 2
    assert "--head .: the worktree is dirty (new.txt)" in last_line(done)
    settings = repository.root / "settings.json"
    settings.write_text(json.dumps({"step": 0.005}))
    out = tmp_path / "gate.json"
    done = gate("--base", "main", *ONE, "--allow-dirty", "--max-pairs", "7", "--json", str(out))
    assert done.returncode == 0, done.stderr
    result = GateResult.model_validate_json(out.read_text())
    assert result.head.dirty
    assert notes(result)[-1] in done.stdout.splitlines()
    assert settings.exists()


def test_revisions_that_cannot_be_built(gate: Gate, repository: FakeRepository) -> None:
    (repository.root / "constraints.txt").write_text("nothing==1\n")
    (repository.root / "Makefile").write_text("setup:\n\t@echo 'no package nothing==1'; exit 1\n")
    repository.commit(step=0.01)
    (repository.root / "constraints.txt").write_text("nothing==2\n")
    repository.commit(step=0.01)
    done = gate("--base", "main~1", *ONE)
    assert done.returncode == 2
    assert "`make setup` of this revision failed" in last_line(done)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_gate_leaves_nothing(
    repository: FakeRepository, results: Path, tmp_path: Path, is_alive: Callable[[int], bool], number: signal.Signals,
    gate: Gate,
) -> None:  # fmt: skip
    markers = tmp_path / "markers"
    markers.mkdir()
    process = gate_process(repository.root, "--base", "main", *ONE, FAKE_GATE_MARKER=str(markers))
    wait_for(lambda: len(list(markers.iterdir())) == 2)
    workers = [int(path.name) for path in markers.iterdir()]
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    wait_for(lambda: not any(map(is_alive, workers)))
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err.strip().splitlines()[-1] == "bench: interrupted"
    else:  # its worktrees are cleared by the next gate
        assert gate("--base", "main", *ONE, "--max-pairs", "7", "--threshold", "90%").returncode == 0
    nothing_is_left(repository, results)


def test_two_gates_at_once_are_refused(repository: FakeRepository, tmp_path: Path, gate: Gate) -> None:
    markers = tmp_path / "markers"
    markers.mkdir()
    process = gate_process(repository.root, "--base", "main", *ONE, FAKE_GATE_MARKER=str(markers))
    try:
        wait_for(lambda: any(markers.iterdir()))
        assert "another `bench gate` is at work" in last_line(gate("--base", "main", *ONE))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_the_command_is_known() -> None:
    assert "gate" in (PROJECT_ROOT / "bench" / "cli" / "__init__.py").read_text()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, os.getpid()
        time.sleep(0.1)
