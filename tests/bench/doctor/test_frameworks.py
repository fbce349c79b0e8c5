"""Checks of the frameworks and their packages, with recorded answers and with interpreters that fail."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.doctor import frameworks, packages
from bench.doctor.findings import Host
from bench.doctor.frameworks import Probe
from bench.doctor.gpus import Device, Driver
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS, framework
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import GIB, healthy, only

TWO_GPUS = Driver("570.1", tuple(Device(index, "H200", 140 * GIB, 0) for index in range(2)))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return replace(fake_host.make(tmp_path), probes={"pt": healthy("pt"), "tf": healthy("tf")})


def with_probes(host: Host, **changes: Probe) -> Host:
    return replace(host, probes=host.probes | changes)


def ask(framework: str, python: str, seconds: float = frameworks.PROBE_SECONDS) -> Probe:
    return frameworks.probe({framework: python}, seconds)[framework]


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_pytorch_as_it_is_here() -> None:
    asked = ask("pt", sys.executable)
    assert asked.failure is None
    assert asked.installed
    assert asked.version is not None
    assert asked.version.startswith(asked.packages["torch"].partition("+")[0])
    assert asked.gloo
    assert "tensorflow-text" in asked.packages, "names are normalised"


def test_a_framework_that_is_not_there_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FRAMEWORKS, "tf", replace(framework("tf"), module="no_such_module_here"))
    asked = ask("tf", sys.executable)
    assert (asked.installed, asked.failure) == (False, None)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("echo 'ImportError: libcudnn.so.9: cannot open' >&2; exit 1", "ImportError: libcudnn.so.9: cannot open"),
        ("kill -ILL $$", "killed by SIGILL"),
        ("exec sleep 60", "no answer in time"),
        ("echo hello", "printed nothing that it was asked for"),
    ],
)
def test_an_interpreter_that_fails(tmp_path: Path, text: str, part: str) -> None:
    asked = ask("pt", script(tmp_path / "python", text), 1.0 if "sleep" in text else 60.0)
    assert asked.failure is not None
    assert part in asked.failure


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    failure = ask("pt", str(tmp_path / "nothing")).failure
    assert failure == "its interpreter does not start: No such file or directory"


def test_no_process_is_left_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> Probe:
        raise KeyboardInterrupt

    noted = tmp_path / "pid"
    python = script(tmp_path / "python", f"echo $$ > {noted}.new; mv {noted}.new {noted}; exec sleep 60")
    monkeypatch.setattr(frameworks, "answer", lambda *arguments: wait_for(noted) and interrupted())
    with pytest.raises(KeyboardInterrupt):
        frameworks.probe({"pt": python})
    assert not psutil.pid_exists(int(noted.read_text()))


def wait_for(path: Path) -> bool:
    while not path.exists():
        time.sleep(0.01)
    return True


def test_both_start(host: Host) -> None:
    assert [finding.state for finding in frameworks.start(host)] == ["good", "good"]


def test_one_framework_alone_is_fine(host: Host) -> None:
    found = frameworks.start(with_probes(host, tf=Probe("python")))
    assert [(finding.state, finding.blocks) for finding in found] == [("good", False), ("notice", False)]


def test_none_at_all_is_not(host: Host) -> None:
    found = frameworks.start(with_probes(host, pt=Probe("python"), tf=Probe("python")))
    assert [finding.blocks for finding in found] == [True, True]
    assert "twinbench[pt]" in found[0].fix


def test_one_that_does_not_start_blocks(host: Host) -> None:
    found = frameworks.start(with_probes(host, pt=Probe("python", True, failure="killed by SIGILL")))
    assert found[0].blocks
    assert found[0].text == "does not start: killed by SIGILL"


def test_gpus_that_a_framework_does_not_see(host: Host) -> None:
    assert frameworks.see_gpus(host) == [], "no GPU, nothing to see"
    host = replace(host, driver=TWO_GPUS)
    cpu_build, blind = frameworks.see_gpus(with_probes(host, tf=healthy("tf", cuda="12.5")))
    assert (cpu_build.state, cpu_build.text) == ("problem", "a CPU build on a machine with 2 GPU(s)")
    assert (blind.state, blind.text) == ("problem", "sees none of 2, though built for CUDA 12.5")
    assert "bench env create tf" in blind.fix
    seeing = with_probes(host, pt=healthy("pt", cuda="12.8", gpus=2), tf=healthy("tf", cuda="12.5", gpus=1))
    assert [finding.state for finding in frameworks.see_gpus(seeing)] == ["good", "notice"]


def test_what_gradients_are_exchanged_with(host: Host) -> None:
    assert only(frameworks.exchange(host)).text == "PyTorch has gloo"
    assert only(frameworks.exchange(with_probes(host, pt=healthy("pt", gloo=False)))).blocks
    host = replace(host, driver=TWO_GPUS)
    assert only(frameworks.exchange(host)).text == "PyTorch has gloo: several GPUs need NCCL"
    found = only(frameworks.exchange(with_probes(host, pt=healthy("pt", nccl="2.27.3"))))
    assert (found.state, found.text) == ("good", "PyTorch has NCCL 2.27.3 and gloo")
    assert frameworks.exchange(with_probes(host, pt=Probe("python"))) == []


def test_cuda_libraries_of_two_frameworks_in_one_environment(host: Host) -> None:
    assert only(frameworks.cuda_libraries(host)).state == "good"
    wheels = {"nvidia-cudnn-cu12": "9.5", "nvidia-nccl-cu12": "2.2", "nvidia-ml-py": "13"}
    both = with_probes(host, pt=healthy("pt", packages=wheels), tf=healthy("tf", packages=wheels))
    found = only(frameworks.cuda_libraries(both))
    assert (found.state, found.blocks) == ("problem", False)
    assert "share 2 of them (nvidia-cudnn-cu12, ...)" in found.text
    assert "`bench env create pt` and `bench env create tf`" in found.fix
    apart = with_probes(both, tf=healthy("tf", python="another", packages=wheels))
    assert frameworks.cuda_libraries(apart) == []


def test_packages_that_are_missing_or_too_old(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1", 'torch>=2.6; extra == "pt"', 'transformers>=5.0; extra == "pt"', 'keras>=3; extra == "tf"']
    monkeypatch.setattr(packages, "requires", lambda name: lines)
    full = with_probes(host, pt=healthy("pt", packages={"torch": "2.13.0+cpu", "transformers": "5.1.0"}))
    assert [(finding.check, finding.state) for finding in packages.wing_packages(full)] == [
        ("PyTorch packages", "good"), ("TensorFlow packages", "notice"),
    ]  # fmt: skip
    old = with_probes(host, pt=healthy("pt", packages={"torch": "2.13.0", "transformers": "4.9"}), tf=Probe("python"))
    found = only(packages.wing_packages(old))
    assert (found.state, found.text) == ("problem", "too old: transformers 4.9 (>=5.0 is asked for)")


@pytest.mark.parametrize(("text", "state"), [("2.21.1", "good"), ("2.20.0", "problem"), (None, None)])
def test_tensorflow_text_must_fit(host: Host, text: str | None, state: str | None) -> None:
    installed = {"tensorflow-text": text} if text else {}
    found = packages.companions(with_probes(host, tf=healthy("tf", packages=installed)))
    assert [finding.state for finding in found] == ([state] if state else [])
    assert state != "problem" or "tensorflow-text==2.21.*" in found[0].fix


def test_ocr_engines(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(language: str | None) -> None:
        raise UserError("Tesseract has no language pack 'eng'")

    for module in (packages.ocr_tesseract, packages.ocr_rapidocr):
        monkeypatch.setattr(module, "installed", lambda: False)
    assert only(packages.ocr(host)).text.startswith("no engine:")
    monkeypatch.setattr(packages.ocr_tesseract, "installed", lambda: True)
    monkeypatch.setattr(packages.ocr_tesseract, "find", broken)
    assert only(packages.ocr(host)).text == "no engine works; Tesseract has no language pack 'eng'"
