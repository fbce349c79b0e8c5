"""`bench env`, with a package index of empty wheels: what it installs, what it locks, what is left when it fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import main
from bench.host import environments as there
from bench.host.environments import Environment, environments, environments_directory, held
from bench.host.environments.choice import environment_of, python_of
from bench.host.environments.install import create
from bench.host.environments.requirements import Requirements, read_requirements
from bench.host.interpreters import Column, versions_of
from bench.host.locations import PROJECT_ROOT
from bench.records.certificates import framework_versions
from bench.run.plan import Request
from bench.run.resolve import choose_interpreters
from shared.errors import UserError
from tests import golden
from tests.bench.host.fake_index import make_checkout, make_index, use_index

# A command that makes no environment but starts a process in a session of its own, says both ids, and waits.
WAITING = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print("ids", os.getpid(), child.pid, "end", flush=True)
time.sleep(300)
"""
# A `bench env create` with that command in place of `python -m venv`.
CREATING = """
import sys
from bench.host import processes
from bench.host.environments import install
from bench.host.environments.requirements import Requirements

processes.GRACE_SECONDS = 0.3
install.VENV = ("-c", sys.argv[1])
install.create(Requirements("pt", "2.13.0", False, (), (), {"torch": "2.13.0"}), sys.executable, print)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels."""
    return make_index(tmp_path_factory.mktemp("index") / "wheels")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's two files."""
    return make_checkout(tmp_path_factory.mktemp("project") / "checkout")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, index: Path, checkout: Path
) -> Iterator[tuple[Path, dict[str, Environment], list[str]]]:
    """A results folder with an environment in the pinned version and one in another; and what was said."""
    results = tmp_path_factory.mktemp("results")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINBENCH_RESULTS", str(results))
        use_index(patch, index)
        found = {
            version: create(read_requirements(checkout, "pt", version, False), sys.executable, said.append)[0]
            for version in ("2.13", "2.12.0")
        }
        yield results, found, said


@pytest.fixture
def in_results(
    made: tuple[Path, dict[str, Environment], list[str]], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test sees the environments that were made, and the checkout that they were made for."""
    monkeypatch.setenv("TWINBENCH_RESULTS", str(made[0]))
    monkeypatch.setattr(there, "PROJECT_ROOT", checkout)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, index: Path) -> Callable[[Requirements], list[str]]:
    """Makes an environment in the test's own folder; returns what was said."""
    use_index(monkeypatch, index)

    def make(requirements: Requirements) -> list[str]:
        said: list[str] = []
        create(requirements, sys.executable, said.append)
        return said

    return make


def lock_of(environment: Environment) -> list[str]:
    return (environment.path / "requirements.lock").read_text().splitlines()


@pytest.mark.usefixtures("in_results")
def test_the_pinned_version_has_every_pin(made: tuple[Path, dict[str, Environment], list[str]]) -> None:
    environment = made[1]["2.13"]
    assert (environment.name, environment.version, environment.pinned) == ("pt-2.13.0", "2.13.0+cpu", True)
    assert environment.build == "cpu"
    head, *pins = lock_of(environment)
    assert "pt-2.13.0" in head
    ours = [pin for pin in pins if not pin.startswith("setuptools")]
    assert ours == ["fakebase==1.1.0", "fakehub==1.0", "fakelib==3.0", "torch==2.13.0+cpu"]


@pytest.mark.usefixtures("in_results")
def test_another_version_keeps_what_it_brought(made: tuple[Path, dict[str, Environment], list[str]]) -> None:
    environment = made[1]["2.12.0"]
    assert (environment.name, environment.pinned, environment.build) == ("pt-2.12.0", False, "cuda")
    pins = {pin for pin in lock_of(environment) if not pin.startswith(("setuptools", "#"))}
    # the pin of fakelib contradicts this torch; fakehub follows the framework; fakebase is ours
    assert pins == {"torch==2.12.0", "fakelib==2.0", "nvidia_cublas==13.0", "fakehub==1.5", "fakebase==1.1.0"}


@pytest.mark.usefixtures("in_results")
def test_it_is_another_interpreter_with_one_framework(made: tuple[Path, dict[str, Environment], list[str]]) -> None:
    python = made[1]["2.12.0"].python
    assert versions_of(python) == {"torch": "2.12.0", "tensorflow": None, "keras": None}
    assert framework_versions({"pt": python, "tf": None})["torch"] == "2.12.0"
    assert framework_versions({"pt": None, "tf": python})["tensorflow"] is None


@pytest.mark.usefixtures("in_results")
def test_which_column_takes_which(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each.name for each in environments("pt")] == ["pt-2.13.0", "pt-2.12.0"]
    assert environments("tf") == []
    found = [environment_of(Column("pt", version)) for version in (None, "2.12", "2", "2.11")]
    assert [each and each.name for each in found] == ["pt-2.13.0", "pt-2.12.0", "pt-2.13.0", None]
    assert python_of("pt") == found[0].python if found[0] else None
    assert python_of("tf") == sys.executable
    # one in another version than the pinned comes in only where this interpreter has none
    monkeypatch.setattr(there, "read", lambda path: made_in(path) if path.name == "pt-2.12.0" else None)
    assert environment_of(Column("pt")) is None
    monkeypatch.setattr("bench.host.environments.choice.versions_of", lambda python: {"torch": None})
    other = environment_of(Column("pt"))
    assert other is not None
    assert other.name == "pt-2.12.0"


def made_in(path: Path) -> Environment:
    return Environment(path.name, "pt", "2.12.0", "3.11.7", "cuda", False, 1.0, "")


def write_ready(environment: Environment, **fields: object) -> None:
    """A finished environment without an installation; its marker has these fields beside its own."""
    python = Path(environment.python)
    python.parent.mkdir(parents=True, exist_ok=True)
    if not python.exists():
        python.symlink_to(sys.executable)
    (environment.path / ".ready").write_text(json.dumps(json.loads(environment.to_json()) | fields))


@pytest.mark.usefixtures("in_results")
def test_the_pinned_one_comes_first_and_is_that_of_the_constraints_of_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(there, "PROJECT_ROOT", tmp_path)  # an installed package: what was stored holds
    assert {each.name: each.pinned for each in environments("pt")} == {"pt-2.13.0": True, "pt-2.12.0": False}
    (tmp_path / "constraints.txt").write_text("torch==2.12.0\n")
    assert {each.name: each.pinned for each in environments("pt")} == {"pt-2.13.0": False, "pt-2.12.0": True}
    for installed in ("2.13.0", None):
        monkeypatch.setattr("bench.host.environments.choice.versions_of", lambda python, has=installed: {"torch": has})
        found = environment_of(Column("pt"))
        assert found is not None
        assert found.name == "pt-2.12.0", f"this interpreter has {installed}"


@pytest.mark.usefixtures("in_results")
def test_columns_of_a_request() -> None:
    first, second = choose_interpreters(Request(frameworks=("pt@2.13", "pt@2.12")))
    assert first.text() == "pt@2.13: torch 2.13.0+cpu of the environment pt-2.13.0"
    assert second.python is not None
    assert second.python.endswith("pt-2.12.0/bin/python")
    with pytest.raises(UserError, match=r"pt and pt@2.13 are the same, torch 2.13.0\+cpu"):
        choose_interpreters(Request(frameworks=("pt", "pt@2.13")))
    with pytest.raises(UserError, match=r"pt@2.11: no torch 2.11 here .*`bench env create pt --version 2.11`"):
        choose_interpreters(Request(frameworks=("pt@2.11",)))


def test_progress_and_making_it_twice(
    made: tuple[Path, dict[str, Environment], list[str]], in_results: None, checkout: Path
) -> None:
    assert [line[:3] for line in made[2] if line[1] == "/"] == ["1/4", "2/4", "3/4", "4/4"] * 2
    for cuda in (False, True):  # the other build, where nobody insists on it, is no reason to make it anew
        again = create(read_requirements(checkout, "pt", None, cuda), sys.executable, lambda text: None)
        assert again == (made[1]["2.13"], False)
    with pytest.raises(UserError, match=r"pt-2.13.0: made with the other build, cpu; `bench env remove pt-2.13.0` f"):
        create(read_requirements(checkout, "pt", None, True), sys.executable, lambda text: None, insist=True)
    assert made[1]["2.13"] in environments("pt")


def test_what_changes_the_requirements(checkout: Path) -> None:
    pinned, other = (read_requirements(checkout, "pt", version, False) for version in (None, "2.12"))
    assert pinned.digest == replace(pinned, cuda=True).digest, "the build is that which is there"
    assert len({each.digest for each in (pinned, other, replace(pinned, base=()), replace(pinned, extra=()))}) == 4
    for name, both in (("fakebase", True), ("fakelib", False)):  # of another version only our own dependencies' pins
        pins = pinned.pins | {name: "9.0"}
        assert replace(pinned, pins=pins).digest != pinned.digest
        assert (replace(other, pins=pins).digest != other.digest) is both


@pytest.mark.parametrize("made_from", [None, "another"])
def test_one_made_from_other_requirements_is_made_anew(
    quick: Callable[[Requirements], list[str]], checkout: Path, monkeypatch: pytest.MonkeyPatch, made_from: str | None
) -> None:
    def install(requirements: Requirements, python: str, path: Path, say: object) -> Environment:
        assert not path.exists()
        done = replace(made_in(path), made_from=requirements.digest)
        write_ready(done)
        return done

    monkeypatch.setattr("bench.host.environments.install.install", install)
    requirements = read_requirements(checkout, "pt", "2.12", False)
    old = made_in(environments_directory() / "pt-2.12.0")
    write_ready(old, **({"made_from": made_from} if made_from else {}))
    if made_from is None:  # a marker of before there was a digest in it
        marker = old.path / ".ready"
        marker.write_text(json.dumps({k: v for k, v in json.loads(marker.read_text()).items() if k != "made_from"}))
    assert [each.made_from for each in environments("pt")] == [made_from], "a run takes it nevertheless"
    assert quick(requirements) == ["pt-2.12.0: made from other requirements than the present ones; it is made anew"]
    assert quick(requirements) == []


def test_a_version_that_does_not_exist(quick: Callable[[Requirements], list[str]], checkout: Path) -> None:
    with pytest.raises(UserError, match=r"pt-9\.9\.0 could not be made: ERROR: No matching .* torch==9\.9\.0 \(log:"):
        quick(read_requirements(checkout, "pt", "9.9", False))
    assert environments() == []
    assert not (environments_directory() / "pt-9.9.0").exists()
    log = (environments_directory() / "pt-9.9.0.log").read_text()
    assert "No matching distribution" in log


def test_an_unfinished_one_is_made_anew(
    quick: Callable[[Requirements], list[str]], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(requirements: Requirements, python: str, path: Path, say: object) -> Environment:
        assert not path.exists()
        return made_in(path)

    monkeypatch.setattr("bench.host.environments.install.install", install)
    remnant = environments_directory() / "pt-2.13.0" / "bin" / "python"
    remnant.parent.mkdir(parents=True)
    remnant.write_text("half of it")
    assert environments() == []
    assert quick(read_requirements(checkout, "pt", None, False)) == ["pt-2.13.0: unfinished; it is made anew"]


def test_an_interrupt_leaves_nothing_unfinished(
    quick: Callable[[Requirements], list[str]], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(requirements: Requirements, python: str, path: Path, say: object) -> Environment:
        (path / "bin").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.host.environments.install.install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quick(read_requirements(checkout, "pt", None, False))
    assert not (environments_directory() / "pt-2.13.0").exists()


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it(number: signal.Signals, results: Path, is_alive: Callable[[int], bool]) -> None:
    log = results / "environments" / "pt-2.13.0.log"
    creating = subprocess.Popen(
        [sys.executable, "-c", CREATING, WAITING], env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    started: list[int] = []
    try:
        assert wait_until(lambda: log.exists() and "end" in log.read_text())
        started = [int(word) for word in log.read_text().split()[1:3]]
        assert all(map(is_alive, started))
        creating.send_signal(number)
        assert creating.wait(timeout=60) != 0
        assert wait_until(lambda: not any(map(is_alive, started)))
    finally:
        creating.kill()
        creating.wait()
        for pid in filter(is_alive, started):
            os.kill(pid, signal.SIGKILL)
    assert environments() == []


@pytest.mark.parametrize(
    ("framework", "version", "cuda", "name", "first"),
    [
        ("pt", None, False, "pt-2.13.0", "torch==2.13.0"),
        ("pt", "2.12.1+cpu", False, "pt-2.12.1+cpu", "torch==2.12.1+cpu"),
        ("pt", "2.14.0rc1", True, "pt-2.14.0rc1", "torch==2.14.0rc1"),
        ("tf", "2.20", False, "tf-2.20.0", "tensorflow==2.20.0"),
        ("tf", None, True, "tf-2.21.0", "tensorflow[and-cuda]==2.21.0"),
    ],
)
def test_what_is_asked_for_by_its_exact_version(
    checkout: Path, framework: str, version: str | None, cuda: bool, name: str, first: str
) -> None:
    requirements = read_requirements(checkout, framework, version, cuda)
    assert (requirements.name, requirements.first) == (name, first)
    assert requirements.is_pinned_version is (version is None)


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `bench env` with arguments; returns exit code, standard output and the last line of standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["env", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(left.value.code or 0), captured.out, (captured.err.splitlines() or [""])[-1]

    return run


def test_list_and_remove(bench: Callable[..., tuple[int, str, str]], results: Path) -> None:
    nothing = bench("list")[1]
    made_by_hand = made_in(environments_directory() / "pt-2.12.0")
    made_by_hand.path.mkdir(parents=True)
    unfinished = bench("list")[1]
    write_ready(made_by_hand)
    assert environments() == [made_by_hand]
    golden.check("env-list", f"{nothing}\n{unfinished}\n{bench('list')[1]}", results)
    code, _, line = bench("create", "pt", "--version", "2.12", "--cpu")
    assert (code, line) == (
        2,
        "bench: error: pt-2.12.0: made with the other build, cuda; `bench env remove pt-2.12.0` first",
    )
    with held("pt-2.12.0"):
        code, _, line = bench("remove", "pt-2.12.0")
        assert (code, line) == (2, "bench: error: pt-2.12.0: another `bench env` is at work on it; wait for it")
    assert bench("remove", "pt-2.12.0")[0] == 0
    assert environments() == []
    shutil.rmtree(results)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["create", "jax"], ["'jax'", "'pt', 'tf'"]),
        (["create", "pt", "--version", "new"], ["--version new", "2.13.0"]),
        (["create", "pt", "--python", "no/such/python"], ["no/such/python", "no such interpreter"]),
        (["remove", "pt-1.0"], ["pt-1.0", "there are none"]),
        (["remove", "../.."], ["no environment of that name"]),
    ],
)
def test_what_a_user_gets_wrong(
    bench: Callable[..., tuple[int, str, str]], arguments: list[str], parts: list[str]
) -> None:
    code, _, line = bench(*arguments)
    assert code == 2
    assert line.startswith("bench: error: ")
    assert all(part in line for part in parts), line
