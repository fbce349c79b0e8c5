"""A git repository whose `bench run` only sleeps, as fast as a file in it says, and takes turns or does not.

It sleeps on a clock of its own, which nothing else moves: how fast the machine is makes no difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.host.locations import PROJECT_ROOT

Gate = Callable[..., "subprocess.CompletedProcess[str]"]

MAIN = '''
import json, os, subprocess, sys
from pathlib import Path
HELP = """Usage: bench run [OPTIONS]
  --framework  --workload  --gpus  --epochs  --input  --out  --no-figures  --pt-python
"""
settings = json.loads((Path(__file__).parents[1] / "settings.json").read_text())
if settings.get("broken"):
    sys.exit("ModuleNotFoundError: No module named 'nothing'")
arguments = sys.argv[1:]
if "--help" in arguments:
    print(HELP)
    sys.exit()
out = Path(arguments[arguments.index("--out") + 1])
out.mkdir(parents=True)
(out / "run.json").write_text("{}")
cell = out / "cells" / "cell"
cell.mkdir(parents=True)
environment = os.environ | {"TWINBENCH_CELL": str(cell)}
worker = str(Path(__file__).with_name("worker.py"))
sys.exit(subprocess.run([sys.executable, worker, str(out), json.dumps(settings)], env=environment).returncode)
'''

WORKER = """
import json, os, sys
from pathlib import Path
from time import sleep as really_sleep
class time:
    now = 0.0
    def sleep(seconds): time.now += seconds
    def perf_counter(): return time.now
out, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
(out / "records").mkdir()
record = {"status": "ok", "spec_hash": settings.get("spec", "abc"), "device": "cpu",
          "data_digest": settings.get("data", ""), "settings": {"version.torch": "2"}}
path = out / "records" / "cell.json"
marker = os.environ.get("FAKE_GATE_MARKER")
if marker:
    Path(marker, str(os.getpid())).touch()
    really_sleep(60)
if settings.get("crash") or (settings.get("crash_once") and not Path(settings["crash_once"]).exists()):
    if settings.get("crash_once"):
        Path(settings["crash_once"]).touch()
    (out / "log.txt").write_text("it broke")
    path.write_text(json.dumps(record | {"status": "crash", "reason": "it broke", "log": "log.txt"}))
    sys.exit(1)
if settings.get("waits_after"):  # so many measurements of this side: then it waits, once
    limit, counter = settings["waits_after"][0], Path(settings["waits_after"][1])
    (counter / f"measured-{os.getpid()}").touch()
    if len(list(counter.glob("measured-*"))) > limit and not (counter / "goes on").exists():
        (counter / "waits").touch()
        really_sleep(60)
if settings.get("alternates"):  # now faster, now slower
    settings["step"] *= 0.9 if int(out.parent.name) % 2 else 1.1
step, left, turns = settings["step"], 12, []
folder = os.environ.get("TWINBENCH_TURNS")
if folder and not settings.get("no_turns"):
    ask, go = open(f"{folder}/ask", "w", buffering=1), open(f"{folder}/go")
    def wait(seconds):
        ask.write(f"{seconds!r}\\n")
        return int(go.readline() or 1)
    wait(0.0)
    while left:
        steps = min(left, wait(10 * step))  # as if steps were longer: short turns
        begin = time.perf_counter()
        time.sleep(step * steps)
        if left == 12:  # one step of the window stalls: for so many steps more
            time.sleep(step * settings.get("stalls", 0))
        turns.append((time.perf_counter() - begin) / steps)
        left -= steps
    ask.write("bye\\n")
else:
    time.sleep(step * left)
path.write_text(json.dumps(record | {"throughput": 1 / step, "turn_seconds": turns}))
"""


class FakeRepository:
    """The repository, with a commit on `main`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bench").mkdir(parents=True)
        (root / "bench" / "__init__.py").touch()
        (root / "bench" / "__main__.py").write_text(MAIN)
        (root / "bench" / "worker.py").write_text(WORKER)
        for name in ("shared", "pt_impl", "tf_impl"):
            (root / name).mkdir()
            (root / name / "__init__.py").touch()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.email", "test@example.org")
        self.git("config", "user.name", "test")
        self.base = self.commit(step=0.01)

    def git(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, **settings: object) -> str:
        """A commit whose `bench run` behaves so; its hash."""
        (self.root / "settings.json").write_text(json.dumps(settings))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "settings")
        return self.git("rev-parse", "HEAD")


def gate_process(cwd: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """A `bench gate` of this checkout's code, started in a folder."""
    command = [sys.executable, "-P", "-m", "bench", "gate", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), **variables}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
