"""The A/A: on a clock that tests wind, with kernels whose truth is known, and a second of it for real."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.doctor import kernel, noise
from bench.doctor.kernel import Block
from bench.doctor.noise import Meanwhile, Noise
from shared.errors import UserError
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import only


class Machine:
    """A clock that kernels move forward."""

    def __init__(self, jitter: float = 0.0, drift: float = 0.0) -> None:
        self.now, self.jitter, self.drift, self.draw = 0.0, jitter, drift, random.Random(7)
        self.order = ""

    def clock(self) -> float:
        return self.now

    def kernel(self, name: str, seconds: float) -> Callable[[], object]:
        def work() -> None:
            self.order += name
            self.now += seconds * (1 + self.drift * self.now) * self.draw.lognormvariate(0, self.jitter)

        return work

    def compare(self, effect: float = 0.0, pairs: int = 20, seconds: float = 10.0) -> Noise:
        kernels = (self.kernel("A", 0.01), self.kernel("B", 0.01 * (1 + effect)))
        first, second = kernel.sample(kernels, pairs, seconds / (2 * pairs), self.clock)
        return noise.analyse(seconds, 512, first, second)


def test_sides_take_turns() -> None:
    machine = Machine()
    first, second = kernel.sample((machine.kernel("A", 1.0), machine.kernel("B", 1.0)), 3, 1.0, machine.clock)
    assert machine.order == "ABBAAB"
    assert [block.start for block in first] == [0.0, 3.0, 4.0]
    assert second[1] == Block(2.0, (1.0,))


def test_a_known_effect_is_found() -> None:
    seen = Machine(jitter=0.02).compare(effect=0.05)
    assert seen.ratio.low is not None
    assert seen.ratio.high is not None
    assert seen.ratio.low < 1.05 < seen.ratio.high
    assert seen.ratio.low > 1.03


def test_jitter_alone_is_no_drift() -> None:
    seen = Machine(jitter=0.02).compare()
    assert seen.jitter == pytest.approx(0.02, rel=0.2)
    assert seen.drift is not None
    assert seen.drift < 0.005


def test_drift_cancels_within_pairs_and_has_its_own_name() -> None:
    seen = Machine(drift=0.05).compare()  # half as slow again after ten seconds
    assert seen.drift is not None
    assert seen.drift > 0.1
    assert seen.jitter < 0.02
    assert seen.shown is not None
    assert seen.shown < 0.02
    assert seen.ratio.value == pytest.approx(1.0, abs=0.005)


def test_more_noise_needs_more_pairs() -> None:
    quiet, loud = Machine(jitter=0.05).compare(), Machine(jitter=0.5).compare()
    assert quiet.shown is not None
    assert loud.shown is not None
    assert loud.shown > 4 * quiet.shown
    assert loud.shown_few is not None
    assert loud.shown_few > loud.shown
    assert quiet.pairs_for(0.03) == noise.FEW_PAIRS
    assert replace(loud, shown=0.06).pairs_for(0.03) == 80


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truths = [Machine(jitter=0.1) for _ in range(100)]
    for seed, machine in enumerate(truths):
        machine.draw.seed(seed)
    held = [machine.compare(effect=0.02, seconds=2.0).ratio for machine in truths]
    assert sum(each.low <= 1.02 <= each.high for each in held if each.low and each.high) >= 88


def test_too_few_pairs_have_no_interval(tmp_path: Path) -> None:
    seen = Machine(jitter=0.1).compare(pairs=3)
    assert (seen.shown, seen.shown_few, seen.pairs_for(0.03)) == (None, None, None)
    assert only(noise.noise(replace(fake_host.make(tmp_path), noise=seen))).text.startswith("too few pairs")


@pytest.mark.parametrize(("half", "state"), [(0.005, "good"), (0.02, "notice"), (0.08, "problem")])
def test_the_verdict(tmp_path: Path, half: float, state: str) -> None:
    seen = replace(Machine(jitter=0.1).compare(), shown=half, shown_few=0.09, drift=0.04, jitter=0.1)
    seen = replace(seen, meanwhile=Meanwhile(stolen=0.012, other_cores=0.9))
    verdict, sources = noise.noise(replace(fake_host.make(tmp_path), noise=seen))
    assert (verdict.state, verdict.blocks) == (state, False)
    assert f"20 pairs show a difference of {half:.1%} in 80% of runs here, 7 pairs one of 9.0%" in verdict.text
    assert "one of 3% takes about " in verdict.text
    assert sources.text == (
        "jitter 10.0% within a second, drift 4.0% over 10 s, other work took 0.9 cores meanwhile, "
        "the hypervisor 1.2% of all time"
    )


def test_noise_that_was_not_measured(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert noise.noise(host) == []
    assert only(noise.noise(replace(host, noise="the kernel failed"))).text == "not measured: the kernel failed"


def test_what_happened_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise.os, "sysconf", lambda name: 100)
    host = fake_host.make(tmp_path, {"proc/stat": "cpu  100 0 0 900 0 0 0 0 0 0\ncpu0 1 2 3"})
    before = noise.cpu_times(host.proc)
    assert before == [100, 0, 0, 900, 0, 0, 0, 0]
    after = [1500, 50, 50, 1200, 100, 0, 0, 100]
    spent = noise.meanwhile(before, after, seconds=10.0, own=9.0)
    assert spent == Meanwhile(stolen=0.05, other_cores=pytest.approx(0.6))
    assert noise.cpu_times(tmp_path) is None
    assert noise.meanwhile(None, after, 10.0, 9.0) is None


def test_a_kernel_that_dies_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "kernel.py"
    broken.write_text("raise RuntimeError('no NumPy')")
    monkeypatch.setattr(noise.kernel, "__file__", str(broken))
    with pytest.raises(UserError, match=r"^the kernel failed: RuntimeError: no NumPy$"):
        noise.measure(1.0)


def test_a_second_for_real() -> None:
    seen = noise.measure(1.0)
    assert seen.ratio.count == 20
    assert seen.calls >= 40
    assert seen.kernel_seconds > 0
    assert seen.shown is not None
    assert seen.shown > 0
    assert seen.ratio.value > 0
