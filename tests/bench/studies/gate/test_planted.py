"""The plants of the real gates can be planted in this checkout's sources; what a show keeps can be summed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.gate.result import GateResult
from bench.host.locations import PROJECT_ROOT
from bench.studies.gate import shown
from bench.studies.gate.planted import STEP, git, plant
from bench.studies.gate.shown import line_of, read_lines, summary
from shared import families
from shared.errors import UserError
from shared.frameworks import KEYS
from tests.bench.gate.test_outputs import make_result


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    networks = [f"{key}_impl/families/{family}/network.py" for key in KEYS for family in families.NAMES]
    for name in ("shared/session.py", *networks):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / name, root / name)
    git(root.parent, "init", "--quiet", str(root))
    plant(root, "none", "pt", "bert", 0.0)
    return root


@pytest.mark.parametrize("framework", ["pt", "tf"])
@pytest.mark.parametrize("family", ["bert", "efficientnet"])
def test_copies_are_planted(clone: Path, framework: str, family: str) -> None:
    before = git(clone, "rev-parse", "HEAD")
    after = plant(clone, "copy", framework, family, 3.0)
    changed = git(clone, "diff", before, after)
    assert "+            for _ in range(3):" in changed
    compile((clone / f"{framework}_impl" / "families" / family / "network.py").read_text(), "planted", "exec")


@pytest.mark.parametrize("framework", ["pt", "tf"])
@pytest.mark.parametrize("family", ["bert", "efficientnet"])
@pytest.mark.parametrize(
    ("kind", "amount", "line"), [("sleep", 0.0071, "time.sleep(0.0071)"), ("stall", 3.0, "range(2)")]
)
def test_what_the_loop_does_is_planted_for_both_frameworks(
    clone: Path, framework: str, family: str, kind: str, amount: float, line: str
) -> None:
    plant(clone, kind, framework, family, amount)
    text = (clone / "shared" / "session.py").read_text()
    assert text.count(line) == 1
    compile(text, "planted", "exec")


def test_a_stall_takes_every_tenth_step_three_times(clone: Path) -> None:
    """The planted loop itself, with a wing that only counts."""
    plant(clone, "stall", "tf", "bert", 3.0)
    text = (clone / "shared" / "session.py").read_text()
    first = text.index(STEP)
    loop = text[first : text.index("        if step == 0:", first)]
    taken: list[int] = []
    program = f"for step in range(20):\n    if True:\n{loop}"

    class Wing:
        def train_step(self, batch: object, learning_rate: float) -> float:
            taken.append(variables["step"])
            return 0.0

    variables: dict[str, Any] = {"wing": Wing(), "losses": [], "batch": None, "learning_rate": 0.0}
    exec(program, variables)
    counts = [taken.count(step) for step in range(20)]
    assert counts == [3 if step in (9, 19) else 1 for step in range(20)]
    assert len(variables["losses"]) == 20


def test_a_missing_line_is_refused(clone: Path) -> None:
    (clone / "shared" / "session.py").write_text("")
    with pytest.raises(UserError, match=r"session.py: no single line"):
        plant(clone, "sleep", "pt", "bert", 0.01)


def test_the_page_of_a_show(tmp_path: Path) -> None:
    settings = {"plant": "sleep", "framework": "pt", "workload": "bert-6l", "options": "", "size": 0.1}
    outcomes = ("regression", "intermittent", "pass")
    lines = [line_of(make_result(outcome), **settings, amount=0.007) for outcome in outcomes]
    page = summary(lines, "the command")
    assert "caught: 2 of 3 (1 intermittent, 1 pass, 1 regression)" in page
    assert "Median of the ratios 0.9000 (a window 11.1% longer), of the typical step's 0.9100" in page
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_lines(path, settings) == lines
    with pytest.raises(UserError, match="another plant"):
        read_lines(path, settings | {"plant": "copy"})
    path.write_text(json.dumps({name: value for name, value in lines[0].items() if name != "typical_log_ratios"}))
    with pytest.raises(UserError, match="decided on the median"):
        read_lines(path, settings)


def test_a_show_goes_on_where_it_ended(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gates themselves are stubs here: what is run, how often, and what is kept."""
    asked: list[tuple[str, list[str]]] = []

    def stub(where: Path, base: str, head: str, options: list[str], folder: Path) -> GateResult:
        asked.append((git(where, "diff", base, head), options))
        return make_result("regression")

    monkeypatch.setattr(shown, "PROJECT_ROOT", clone)
    monkeypatch.setattr(shown, "run_gate", stub)
    out = tmp_path / "shown.jsonl"
    shown.show(2, "sleep", 0.1, "pt", "bert-6l", "--steps 9", out)
    probe, *gates = asked
    assert "time.sleep(0.005)" in probe[0]
    assert probe[1][-2:] == ["--max-pairs", "7"]
    assert len(gates) == 2
    assert "time.sleep(0.0045)" in gates[0][0]  # 5 ms cost 11.1 %
    assert gates[0][1] == ["--framework", "pt", "--workload", "bert-6l", "--steps", "9"]
    shown.show(3, "sleep", 0.1, "pt", "bert-6l", "--steps 9", out)
    assert len(asked) == 4
    assert asked[-1][0] == gates[0][0]
    assert len(out.read_text().splitlines()) == 3
    assert "caught: 3 of 3" in out.with_suffix(".md").read_text()


def test_a_stall_needs_no_probe_and_goes_on_with_its_revision(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases: list[str] = []

    def stub(where: Path, base: str, head: str, options: list[str], folder: Path) -> GateResult:
        bases.append(base)
        assert "range(2)" in git(where, "diff", base, head)
        return make_result("regression")

    monkeypatch.setattr(shown, "PROJECT_ROOT", clone)
    monkeypatch.setattr(shown, "run_gate", stub)
    out = tmp_path / "shown.jsonl"
    shown.show(1, "stall", 0.1, "tf", "bert-6l", "", out)
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "something else")
    shown.show(2, "stall", 0.1, "tf", "bert-6l", "", out)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert "--plant stall --framework tf --workload bert-6l --out FILE" in out.with_suffix(".md").read_text()
