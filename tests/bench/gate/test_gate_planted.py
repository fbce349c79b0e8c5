"""The plants of the real gates can be planted in this checkout's sources; what a show keeps can be summed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_gate_outputs import make_result

from bench.gate import shown
from bench.gate.planted import git, plant
from bench.gate.result import GateResult
from bench.gate.shown import line_of, read_lines, summary
from bench.locations import PROJECT_ROOT
from shared.errors import UserError


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    for name in ("shared/session.py", "pt_impl/bert.py", "pt_impl/efficientnet.py", "tf_impl/bert.py",
                 "tf_impl/efficientnet.py"):  # fmt: skip
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
    compile((clone / f"{framework}_impl" / f"{family}.py").read_text(), "planted", "exec")


def test_a_sleep_is_planted_and_a_missing_line_refused(clone: Path) -> None:
    plant(clone, "sleep", "pt", "bert", 0.0071)
    text = (clone / "shared" / "session.py").read_text()
    assert "        time.sleep(0.0071)\n" in text
    compile(text, "planted", "exec")
    (clone / "shared" / "session.py").write_text("")
    with pytest.raises(UserError, match=r"session.py: no single line"):
        plant(clone, "sleep", "pt", "bert", 0.01)


def test_the_page_of_a_show(tmp_path: Path) -> None:
    settings = {"plant": "sleep", "framework": "pt", "workload": "bert-6l", "options": "", "size": 0.1}
    lines = [line_of(make_result(outcome), **settings, amount=0.007) for outcome in ("regression", "pass")]
    page = summary(lines, "the command")
    assert "caught: 1 of 2 (1 pass, 1 regression)" in page
    assert "Median of the ratios 0.9000 (a step 11.1% longer)" in page
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_lines(path, settings) == lines
    with pytest.raises(UserError, match="another plant"):
        read_lines(path, settings | {"plant": "copy"})


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
