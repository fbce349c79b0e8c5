"""The performance benchmark: its arithmetic on known speeds, and how it runs a contestant; no speed is judged here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.host import processes
from bench.host.processes import family
from bench.studies.performance import __main__ as program
from bench.studies.performance import contestants, report
from bench.studies.performance.contestants import Run, Settings
from bench.verify.samples import sample_size
from shared import families, spec
from shared.contest import Contestant, Ratio
from shared.protocol import Cell
from shared.store import open_store

SETTINGS = Settings("effnet-b0", rounds=3, steps=2, warmup=1, size=32, batch=2)
TEXT_SETTINGS = Settings("bert-6l", rounds=3, steps=2, warmup=1, size=16, batch=2)
SMALL_BERT = {
    "model.num_layers": 2,
    "model.hidden_size": 32,
    "model.num_heads": 2,
    "model.intermediate_size": 64,
    "model.vocabulary_size": contestants.VOCABULARY_SIZE,
}
ENVIRONMENT = {"cpu": "a processor", "usable_cores": 2, "packages": {"torch": "1.0"}}
PAGES, TEXTS = (families.family(name).contest for name in ("efficientnet", "bert"))
PEER = Contestant("pt-peer", "pt", "peer", tuned=False)
BARE = Contestant("pt-bare", "pt", "bare")
WINDOW = {
    "event": "window", "rank": 0, "time": 0.0, "seconds": 0.5, "steps": 2, "samples": 4, "tokens": None, "retraces": 0,
    "warmup": 1, "stationary": None, "turns": [],
}  # fmt: skip
FAKE_PEERS = """
import json, os, sys
from pathlib import Path
cell = json.loads(Path(sys.argv[2]).read_text())
Path("seen.json").write_text(json.dumps({"kind": sys.argv[1], "environment": dict(os.environ)}))
"""


def rounds(**speeds: Sequence[float | None]) -> list[dict[str, Run]]:
    """Rounds from the speeds of each contestant (`_` for `-`); None: it failed."""
    names = {name.replace("_", "-"): values for name, values in speeds.items()}
    return [
        {name: Run(value, None if value else "it broke") for name, value in zip(names, values, strict=True)}
        for values in zip(*names.values(), strict=True)
    ]


def test_ratios_are_taken_within_a_round() -> None:
    # the machine slows down by half from round to round, and the wing is 2, 4 and 3 times as fast within them
    drifting = rounds(pt_wing=[32.0, 32.0, 12.0], pt_peer=[16.0, 8.0, 4.0])
    spread = report.ratios(drifting, Ratio("pt-wing", "pt-peer", 2.0))
    assert spread.values == (2.0, 4.0, 3.0)
    assert spread.median == 3.0  # not 32 / 8, the ratio of the medians
    assert spread.texts(3) == ("3.000", "2.000-4.000")


@pytest.mark.parametrize(("median", "expected"), [(1.999, "missed"), (2.0, "met")])
def test_a_verdict_is_on_the_median(median: float, expected: str) -> None:
    spread = report.Spread((0.1, median, 9.0))
    assert report.verdict(Ratio("a", "b", 2.0), spread) == expected


def test_a_failed_run_is_told_and_leaves_the_other_rounds() -> None:
    broken = rounds(pt_wing=[10.0, None], pt_peer=[5.0, 5.0])
    assert report.ratios(broken, Ratio("pt-wing", "pt-peer", 2.0)).values == (2.0,)
    assert report.failures(broken) == ["round 2: pt-wing: it broke"]
    assert not report.holds(broken, PAGES)
    assert "round 2: pt-wing: it broke" in report.markdown(broken, SETTINGS, ENVIRONMENT, "a command")


def test_nothing_measured_is_not_a_target_met() -> None:
    broken = rounds(pt_wing=[None], pt_peer=[5.0])
    assert report.ratio_rows(broken, PAGES) == [("pt-wing / pt-peer", "-", "-", "2", "not measured")]


def test_all_targets_met_holds() -> None:
    assert report.holds(rounds(tf_wing=[14.1], tf_peer=[10.0]), PAGES)
    assert not report.holds(rounds(tf_wing=[13.9], tf_peer=[10.0]), PAGES)


def test_texts_have_targets_of_their_own() -> None:
    assert report.holds(rounds(tf_wing=[10.1], tf_peer=[10.0]), TEXTS)
    assert not report.holds(rounds(tf_wing=[9.9], tf_peer=[10.0]), TEXTS)
    # against the library's best attention kernel, whichever that is
    assert not report.holds(rounds(pt_wing=[10.0], pt_peer=[9.0], pt_peer_eager=[10.1]), TEXTS)
    assert {ratio.target for ratio in TEXTS.ratios if "peer" in ratio.under} == {1.0}


def test_every_other_round_runs_backwards() -> None:
    orders = [[c.name for c in program.in_order((PEER, BARE), number)] for number in range(3)]
    assert orders == [["pt-peer", "pt-bare"], ["pt-bare", "pt-peer"], ["pt-peer", "pt-bare"]]


def test_the_report_is_written_after_every_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, ran = tmp_path / "deep" / "out.json", []

    def fake_run(contestant: Contestant, cell: Cell) -> Run:
        ran.append(contestant.name)
        if len(ran) == 6:
            raise KeyboardInterrupt
        return Run(4.0 if contestant.name == "pt-bare" else 1.0)

    monkeypatch.setattr(program, "run", fake_run)
    done = CliRunner().invoke(
        program.command,
        ["--rounds", "9", "--size", "32", "--batch", "1", "--steps", "1", "--warmup", "1", "--out", str(out),
         "--only", "pt-bare,pt-peer"],
    )  # fmt: skip
    assert done.exit_code == 130
    assert ran == ["pt-peer", "pt-bare", "pt-bare", "pt-peer", "pt-peer", "pt-bare"]
    content = json.loads(out.read_text())
    assert [sorted(runs) for runs in content["rounds"]] == [["pt-bare", "pt-peer"]] * 2
    assert content["samples_per_second"] == {"pt-peer": 1.0, "pt-bare": 4.0}
    assert content["environment"]["usable_cores"] >= 1
    text = out.with_suffix(".md").read_text()
    assert text.startswith("Printed by `python -m bench.studies.performance")
    assert "| pt-bare | 4.00 | 4.00-4.00 | 2 |" in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--only", "pt-wing,pt-pear"], "unknown contestant 'pt-pear'"),
        (["--size", "100"], "input.image_size"),
        (["--workload", "bert-6l", "--size", "600"], "600 max_tokens need as many positions"),
        (["--only", "pt-peer-eager"], "unknown contestant 'pt-peer-eager'"),
        (["--out", "."], "not a file"),
    ],
)
def test_bad_input_ends_in_one_line_before_anything_runs(
    arguments: list[str], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "make_store", lambda *_: pytest.fail("it went on"))
    done = CliRunner().invoke(program.command, arguments)
    assert done.exit_code == 2
    assert part in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize(("workload", "size", "batch"), [("effnet-b0", 384, 8), ("bert-6l", 512, 6)])
def test_a_race_is_of_the_published_size(
    workload: str, size: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[Settings] = []
    monkeypatch.setattr(program, "run_rounds", lambda contestants, settings, *_: settled.append(settings) or [])
    done = CliRunner().invoke(program.command, ["--workload", workload, "--out", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert [(settings.size, settings.batch) for settings in settled] == [(size, batch)]


@pytest.fixture
def fake_wing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`pt_impl.peers` does what it is told, in place of the real one."""
    monkeypatch.setattr(processes, "PROJECT_ROOT", tmp_path / "project")
    (tmp_path / "project" / "pt_impl").mkdir(parents=True)
    (tmp_path / "project" / "pt_impl" / "__init__.py").touch()  # or a real one further down the path comes first

    def choose(code: str) -> None:
        (tmp_path / "project" / "pt_impl" / "peers.py").write_text(FAKE_PEERS + code)

    return choose


@pytest.fixture
def peer_cell(make_cell: Callable[..., Cell]) -> Cell:
    return make_cell("pt", replicas=1)


def seen(cell: Cell) -> Mapping[str, object]:
    content: Mapping[str, object] = json.loads((Path(cell.directory) / "seen.json").read_text())
    return content


def test_a_loop_is_read_from_its_window(fake_wing: Callable[[str], None], peer_cell: Cell) -> None:
    fake_wing(f"Path('events.0.jsonl').write_text({json.dumps(WINDOW)!r} + '\\n')")
    assert contestants.run(BARE, peer_cell) == Run(8.0)
    assert seen(peer_cell)["kind"] == "bare"


def test_only_the_tuned_ones_are_tuned(fake_wing: Callable[[str], None], peer_cell: Cell) -> None:
    tuned = {"MALLOC_MMAP_MAX_", "OMP_NUM_THREADS"} - set(os.environ)
    fake_wing("")
    for contestant, expected in ((PEER, set()), (BARE, tuned)):
        contestants.run(contestant, peer_cell)
        environment = seen(peer_cell)["environment"]
        assert isinstance(environment, dict)
        assert tuned & set(environment) == expected
        assert environment["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise SystemExit('no such library')", "exit status 1: no such library"),
        ("", "ended without a window"),
        ("import time; time.sleep(60)", "not over after 1 s"),
    ],
)
def test_a_loop_that_fails_says_why_and_leaves_nothing(
    code: str, failure: str, fake_wing: Callable[[str], None], peer_cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in code:
        monkeypatch.setattr(contestants, "LIMIT_SECONDS", 1.0)
    fake_wing(code)
    assert contestants.run(BARE, peer_cell) == Run(None, failure)
    assert family(peer_cell.directory) == []


@pytest.mark.parametrize("workload", program.WORKLOADS)
def test_a_store_has_what_the_workload_reads(workload: str, tmp_path: Path) -> None:
    size = sample_size(spec.load(workload, "quick"))
    settings = Settings(workload, rounds=1, steps=1, warmup=1, size=size, batch=2)
    asked = contestants.workload_of(settings)
    store = open_store(contestants.make_store(settings, tmp_path))
    family, samples = families.family_of(asked), store.indices("train")[:2]
    batch = family.batch(store, asked, samples, 2, None, family.width(store, asked, samples))
    assert len(batch.labels) == 2


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SETTINGS, TEXT_SETTINGS], ids=lambda settings: settings.workload)
@pytest.mark.parametrize("name", ["pt-peer", "pt-bare", "tf-peer", "tf-bare"])
def test_contestants_run(name: str, settings: Settings, tmp_path: Path) -> None:
    pytest.importorskip("torch" if name.startswith("pt") else "tensorflow")
    (contestant,) = program.chosen(name, settings.contest)
    workload = contestants.workload_of(settings)
    if settings is TEXT_SETTINGS:
        workload = workload.overridden(SMALL_BERT, "test")
    store = contestants.make_store(settings, tmp_path)
    done = contestants.run(contestant, contestants.make_cell(contestant, workload, store, tmp_path))
    assert done.failure is None
    assert done.samples_per_second is not None
    assert done.samples_per_second > 0
