"""The frameworks: installed, do they start, do they see the GPUs; each asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.doctor.measured import Probe
from bench.host.processes import exit_text
from shared.frameworks import FRAMEWORKS

PROBE_SECONDS = 180.0  # importing from a cold network disk takes minutes
LAST_SECONDS = 5.0  # for the answer of a process when the time is up
# framework to how its GPU build is installed, and to what such a build lacks that sees no GPU
GPU_BUILDS = {
    "pt": "see pytorch.org for the index with the CUDA build, or `bench env create pt`",
    "tf": "`bench env create tf`",
}
BLIND = {"pt": "a driver new enough for it", "tf": "CUDA's libraries beside it"}

# Runs in the framework's own interpreter, which need not have this suite: text, and nothing of ours in it.
HEAD = """
import importlib.util, json, re
from importlib.metadata import distributions
names = [(d.metadata["Name"], d.version) for d in distributions()]
facts = {"packages": {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in names if name}}
facts["installed"] = importlib.util.find_spec("MODULE") is not None
"""
BODIES = {
    "pt": """
if facts["installed"]:
    import torch
    from torch import distributed
    facts["version"] = torch.__version__
    facts["cuda"] = torch.version.cuda
    facts["gpus"] = torch.cuda.device_count()
    facts["gloo"] = distributed.is_available() and distributed.is_gloo_available()
    if torch.version.cuda and distributed.is_available() and distributed.is_nccl_available():
        facts["nccl"] = ".".join(map(str, torch.cuda.nccl.version()))
    assert (torch.ones(8, 8) @ torch.ones(8, 8)).sum().item() == 512
    for index in range(facts["gpus"]):
        assert torch.ones(8, 8, device=f"cuda:{index}").sum().item() == 64
""",
    "tf": """
if facts["installed"]:
    import tensorflow as tf
    facts["version"] = tf.__version__
    facts["cuda"] = tf.sysconfig.get_build_info().get("cuda_version")
    devices = tf.config.list_physical_devices("GPU")
    facts["gpus"] = len(devices)
    for device in devices:
        tf.config.experimental.set_memory_growth(device, True)
    assert float(tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8)))) == 512
""",
}
TAIL = "\nprint(json.dumps(facts))"


def probe(pythons: Mapping[str, str], seconds: float = PROBE_SECONDS) -> dict[str, Probe]:
    """Start each framework in a fresh process, all at once; none is left, whatever happens.

    Each multiplies two matrices on the CPU and uses every GPU that it sees: a wheel for another processor or another
    GPU is imported and then fails.

    Args:
        pythons: framework to its interpreter.
        seconds: until a process that has not answered is ended.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "PYTHONWARNINGS": "ignore"}
    started: dict[str, subprocess.Popen[str]] = {}
    answers: dict[str, Probe] = {}
    deadline = time.monotonic() + seconds
    try:
        for framework, python in pythons.items():
            script = HEAD.replace("MODULE", FRAMEWORKS[framework].module) + BODIES[framework] + TAIL
            try:
                started[framework] = subprocess.Popen(
                    [python, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, errors="replace", env=os.environ | quiet,
                )  # fmt: skip
            except OSError as error:
                failure = f"its interpreter does not start: {error.strerror}"
                answers[framework] = Probe(python, installed=True, failure=failure)
        for framework, process in started.items():
            answers[framework] = answer(process, pythons[framework], deadline)
    finally:
        for process in started.values():
            process.kill()  # does nothing to one that has ended
            process.communicate()
    return {framework: answers[framework] for framework in pythons}


def answer(process: subprocess.Popen[str], python: str, deadline: float) -> Probe:
    """What a probe's process says, or in words why it says nothing."""
    try:
        # one that has answered while another one hung is heard all the same
        output, errors = process.communicate(timeout=max(LAST_SECONDS, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Probe(python, installed=True, failure="no answer in time: it hangs, or its disk is very slow")
    if process.returncode:
        return Probe(python, installed=True, failure=last_words(process.returncode, errors))
    try:
        return Probe(python, **json.loads(output.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        return Probe(python, installed=True, failure="its interpreter printed nothing that it was asked for")


def last_words(status: int, errors: str) -> str:
    """The exception that a probe ended with, or how it was killed; at most 300 characters."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1][:300] if lines and status > 0 else exit_text(status)


def start(host: Host) -> list[Finding]:
    """Whether each framework is installed and starts; one alone is fine."""
    found = []
    nothing = not any(asked.installed for asked in host.probes.values())
    for framework, asked in host.probes.items():
        name, module = FRAMEWORKS[framework].title, FRAMEWORKS[framework].module
        again = f"`make setup`, or `pip install 'twinbench[{framework}]'`"
        if asked.failure:
            fix = f"`{asked.python} -c 'import {module}'` shows all of it; install it anew: {again}"
            found.append(problem(name, f"does not start: {asked.failure}", fix, blocks=True))
        elif asked.installed:
            built = f"built for CUDA {asked.cuda}" if asked.cuda else "a CPU build"
            found.append(good(name, f"{asked.version} starts, {built}"))
        elif nothing:
            found.append(problem(name, "not installed, nor is the other", again, blocks=True))
        else:
            found.append(notice(name, "not installed: `bench run --framework` takes the other alone", again))
    return found


def see_gpus(host: Host) -> list[Finding]:
    """Whether each framework sees as many GPUs as the driver; of a machine with GPUs alone."""
    there, found = len(host.driver.devices) if host.driver else 0, []
    for framework, asked in host.probes.items():
        if not there or not asked.installed or asked.failure:
            continue
        check = f"{FRAMEWORKS[framework].title} GPUs"
        if asked.gpus:
            hidden = "" if asked.gpus == there else " (CUDA_VISIBLE_DEVICES hides the others?)"
            say = good if not hidden else notice
            found.append(say(check, f"sees {asked.gpus} of {there}{hidden}"))
        elif asked.cuda is None:
            fix = GPU_BUILDS[framework]
            found.append(problem(check, f"a CPU build on a machine with {there} GPU(s)", fix))
        else:
            fix = f"it needs {BLIND[framework]}: `bench env create {framework}` makes an environment that has what fits"
            found.append(problem(check, f"sees none of {there}, though built for CUDA {asked.cuda}", fix))
    return found


def exchange(host: Host) -> list[Finding]:
    """What replicas that are processes exchange gradients with; a framework with one process for all brings its own."""
    found = []
    for key, asked in host.probes.items():
        if not FRAMEWORKS[key].process_per_replica or not asked.installed or asked.failure:
            continue
        has = [f"NCCL {asked.nccl}" if asked.nccl else "", "gloo" if asked.gloo else ""]
        text = f"{FRAMEWORKS[key].title} has {' and '.join(filter(None, has)) or 'neither NCCL nor gloo'}"
        if host.driver and len(host.driver.devices) > 1 and not asked.nccl:
            found.append(problem("exchange", f"{text}: several GPUs need NCCL", GPU_BUILDS[key]))
        elif not asked.gloo:
            fix = "`make setup` installs one that has it"
            found.append(problem("exchange", f"{text}: CPU replicas need gloo", fix, True))
        else:
            found.append(good("exchange", text))
    return found


def cuda_libraries(host: Host) -> list[Finding]:
    """Whether the frameworks' GPU wheels overwrite each other's CUDA libraries in one environment."""
    installed = {key: asked for key, asked in host.probes.items() if asked.installed}
    pythons = [asked.python for asked in installed.values()]
    sharing = {key: asked for key, asked in installed.items() if pythons.count(asked.python) > 1}
    if not sharing:
        return []
    packages = next(iter(sharing.values())).packages
    wheels = sorted(name for name in packages if name.startswith("nvidia-") and "-cu" in name)
    if not wheels:
        return [good("CUDA libraries", "none installed as wheels: nothing to overwrite")]
    modules = " and ".join(FRAMEWORKS[key].module for key in sharing)
    text = f"{modules} share {len(wheels)} of them ({wheels[0]}, ...) in one environment"
    fix = f"one environment per framework: {' and '.join(f'`bench env create {key}`' for key in sharing)}"
    return [problem("CUDA libraries", f"{text} and overwrite each other's versions", fix)]
