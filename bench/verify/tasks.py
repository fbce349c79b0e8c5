"""What the ladder asks both wings to compute for a workload."""

from __future__ import annotations

from bench.verify.samples import Material, easy_workload, own_size_workload, rung_workload, sample_size
from shared.families import family_of
from shared.probe import Task
from shared.spec import Workload

TRAJECTORY_STEPS = 10
# The first steps of a training of this length: rates as the published schedule begins, low.
SCHEDULE_STEPS = 3200
PRECISIONS = ("fp64", "fp32")


def make_tasks(workload: Workload, material: Material, corpus: str | None = None) -> list[Task]:
    """The tasks of rungs 1 to 5 and 7, the quick ones first.

    Args:
        corpus: a store with tokens whose texts both wings tokenise, beside those of the material.
    """
    small = rung_workload(workload)
    weights, store = str(material.weights), str(material.small)
    tasks = [Task("parameters", "parameters", "fp32", small, store, weights)]
    if material.odd:
        tasks.append(Task("tokens", "tokens", "fp32", small, str(material.odd), weights))
    if corpus:
        tasks.append(Task("tokens-corpus", "tokens", "fp32", small, corpus, weights))
    for precision in PRECISIONS:
        tasks.append(Task(f"input-{precision}", "input", precision, small, store, weights, steps=3))
        tasks.append(Task(f"forward-{precision}", "forward", precision, small, store, weights))
        tasks.append(Task(f"backward-{precision}", "backward", precision, small, store, weights))
    ladder = family_of(workload).ladder
    own = own_size_workload(workload)
    if sample_size(own) > sample_size(small):
        for precision in PRECISIONS:
            name = f"forward-{precision}-{sample_size(own)}{ladder.unit}"
            tasks.append(Task(name, "forward", precision, own, str(material.own), str(material.own_weights)))
    for precision in PRECISIONS:
        name = f"trajectory-{precision}"
        tasks.append(
            Task(name, "trajectory", precision, small, store, weights, TRAJECTORY_STEPS, schedule_steps=SCHEDULE_STEPS)
        )
    steps = ladder.easy_steps
    tasks.append(
        Task(
            "predictions",
            "predictions",
            "fp32",
            easy_workload(workload),
            str(material.easy),
            weights,
            steps=steps,
            schedule_steps=steps,
        )
    )
    return tasks
