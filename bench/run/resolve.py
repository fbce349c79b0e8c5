"""What the user asked for, checked against this machine and the store before anything starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.host import machine
from bench.host.environments import environments
from bench.host.environments.choice import environment_of
from bench.host.interpreters import Column, check_finds_code, check_has, column_of, fits, versions_of
from bench.run.plan import QUICK, Plan, Request
from shared import spec, tasks
from shared.errors import UserError
from shared.families import family_of
from shared.frameworks import FRAMEWORKS
from shared.inference import SPLIT
from shared.spec import FULL, Workload
from shared.store_facts import StoreFacts

# of a student whose workload has none, as Adhikari et al. (DocBERT, 2019) train theirs on several labels
DISTILLATION: Mapping[str, Any] = {"weight": 1.0, "direction": "student", "temperature": 1.0, "form": "task"}


@dataclass(frozen=True)
class Choice:
    """The interpreter that a column's workers are started with, and why."""

    column: Column
    python: str | None  # None: this one
    source: str  # for the user
    version: str | None  # of the framework there; None: not known by its distribution

    def text(self) -> str:
        """In one line."""
        version = self.version or "(version not known)"
        return f"{self.column.name}: {FRAMEWORKS[self.column.framework].module} {version} of {self.source}"

    @property
    def recorded_source(self) -> str:
        """The source without a path: environment.json is published with results, and run.json has the path."""
        option = FRAMEWORKS[self.column.framework].python_option
        return option if self.source.startswith(option) else self.source


def is_installed(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def choose_interpreters(request: Request) -> tuple[Choice, ...]:
    """The interpreter of every column: the one that was named, else its environment's, else this one.

    Raises:
        UserError: a column that nothing here can run, two columns that would be the same, or an interpreter that was
            named for none.
    """
    columns = [column_of(name) for name in request.frameworks]
    for framework, python in request.pythons.items():
        # with --verify too: the ladder's other wing is that of the certificates that records are stamped with, and
        # those are looked for with the interpreter that `bench run` takes by itself (certificates.pairs_of)
        if python is not None and all(column.framework != framework for column in columns):
            own = FRAMEWORKS[framework]
            raise UserError(f"{own.python_option} {python}: no column of {own.title} is run; leave it out")
    choices: list[Choice] = []
    for column in columns:
        named = request.pythons.get(column.framework)
        alike = [other.name for other in columns if other.framework == column.framework]
        option = FRAMEWORKS[column.framework].python_option
        if named is not None and len(alike) > 1:
            raise UserError(f"{option} is for one column, and {', '.join(alike)} are {len(alike)}: `bench env` has one")
        choice = named_choice(column, option, named) if named is not None else found_choice(column)
        check_finds_code(choice.python, f"{column.name} of {choice.source}")
        for other in choices:
            if (other.column.framework, other.python) == (column.framework, choice.python):
                raise UserError(
                    f"--framework {','.join(request.frameworks)}: {other.column.name} and {column.name} are the same, "
                    f"{FRAMEWORKS[column.framework].module} {choice.version} of {choice.source}; leave one out"
                )
        choices.append(choice)
    return tuple(choices)


def named_choice(column: Column, option: str, named: str) -> Choice:
    """The choice of an interpreter that the user named."""
    try:
        found = check_has(named, column)
    except UserError as error:
        raise UserError(f"{option} {error}") from None
    return Choice(column, found.path, f"{option} {named}", found.versions[FRAMEWORKS[column.framework].module])


def found_choice(column: Column) -> Choice:
    """The choice where the user named no interpreter.

    Raises:
        UserError: neither an environment nor this interpreter can run the column.
    """
    framework = FRAMEWORKS[column.framework]
    module = framework.module
    made = environment_of(column)
    if made is not None:
        check_has(made.python, column)
        return Choice(column, made.python, f"the environment {made.name}", made.version)
    here = versions_of(None)[module] if is_installed(module) else None
    if column.version is None:
        if not is_installed(module):
            raise UserError(
                f"{framework.title} is not installed; pip install 'twinbench[{column.framework}]' or "
                f"`bench env create {column.framework}`, or choose --framework"
            )
        return Choice(column, None, "this interpreter", here)
    if here is None or not fits(column.version, here):
        there = [each.version for each in environments(column.framework)]
        have = f"this interpreter has {here or 'none'}, environments {', '.join(there) or 'none'}"
        raise UserError(
            f"{column.name}: no {module} {column.version} here ({have}); "
            f"`bench env create {column.framework} --version {column.version}` makes it"
        )
    return Choice(column, None, "this interpreter", here)


def pythons_of(choices: Iterable[Choice]) -> dict[str, str | None]:
    """Column name to the interpreter that was chosen for it, as `make_plan` takes them."""
    return {choice.column.name: choice.python for choice in choices}


def resumed_interpreters(
    plan: Plan, recorded: Mapping[str, Mapping[str, Any]], named: Mapping[str, str | None]
) -> tuple[Plan, list[str]]:
    """The plan of a run that is resumed, with the interpreter of every column found anew.

    Never the one that a file names: a run may be somebody else's, and an interpreter is a program.

    Args:
        recorded: column to its versions and the source of its interpreter, as environment.json of the run has them; an
            older run's has none.
        named: framework to the interpreter that the user named now; None: none.

    Returns:
        the plan, and a line per column for the user.

    Raises:
        UserError: none is there, the run began with a named one, or it has another version than at the run's beginning.
    """
    columns = tuple(dict.fromkeys(cell.variant or cell.framework for cell in plan.cells))
    for name in columns:
        key = column_of(name).framework
        option = FRAMEWORKS[key].python_option
        if recorded.get(name, {}).get("interpreter") == option and named.get(key) is None:
            raise UserError(f"{name}: the run began with an interpreter that was named; name it again with {option}")
    request = Request(frameworks=columns, pythons=named)
    choices = choose_interpreters(request)
    for choice in choices:
        name, before, now = choice.column.name, recorded.get(choice.column.name, {}), versions_of(choice.python)
        framework = FRAMEWORKS[choice.column.framework]
        for package in framework.proven:
            if package in before and before[package] != now[package]:
                raise UserError(
                    f"{name}: the run began with {package} {before[package] or '(none)'}, {choice.source} has "
                    f"{now[package] or '(none)'}; name the other with {framework.python_option}, or start a "
                    "new run: records of two versions do not mix"
                )
    pythons = pythons_of(choices)
    cells = tuple(replace(cell, python=pythons[cell.variant or cell.framework]) for cell in plan.cells)
    return replace(plan, cells=cells), [choice.text() for choice in choices]


def check_request(request: Request) -> None:
    """What can be told from the request alone.

    Raises:
        UserError: a framework that is not installed, options that exclude each other, weights that are not there.
    """
    choose_interpreters(request)
    if request.finetune and request.epochs == 0:
        raise UserError("--finetune follows a training: give --epochs 1 or more")
    if request.input_mode == "device" and (request.epochs or request.finetune):
        raise UserError("--input device trains on one batch: leave out --epochs and --finetune, or use --input disk")
    check_mode(request)
    if request.weights is not None and request.arm == "native":
        raise UserError("--weights holds the matched networks' parameters; leave it out for --arm native")


def check_mode(request: Request) -> None:
    """Whether the options are those of what is to be done with the network.

    Raises:
        UserError: options of training in an inference, or the other way round.
    """
    if request.mode == "train":
        if request.batches is not None:
            raise UserError("--batches: sizes of requests; say --mode infer, or --batch for a training")
        if request.runtimes != ("framework",):
            raise UserError("--runtime onnx answers requests and trains nothing: say --mode infer")
        return
    for option, given, instead in (
        ("--epochs", request.epochs is not None, "nothing is trained"),
        ("--finetune", request.finetune, "nothing is trained"),
        ("--attribute", request.attribute, "it splits a training step"),
        ("--keep-weights", request.keep_weights, "they stay as they are"),
        ("--batch", request.batch is not None, "name the sizes of requests with --batches"),
        ("--input device", request.input_mode == "device", "a request comes from the host; use --input memory"),
    ):
        if given:
            raise UserError(f"--mode infer has no use for {option}: {instead}")
    if "onnx" in request.runtimes:
        if request.precision != "fp32":
            raise UserError(f"--runtime onnx computes in fp32: leave out --precision {request.precision}")
        if not is_installed("onnxruntime"):
            raise UserError("--runtime onnx needs onnxruntime: pip install 'twinbench[onnx]'")


def check_weights_file(path: str) -> None:
    """Whether there are weights where the user says, of a kind that is read; they are read when the network is known.

    Raises:
        UserError: no.
    """
    from shared.weights import checked_file

    try:
        checked_file(path)
    except UserError as error:
        raise UserError(f"--weights {error}") from None


def check_weights(request: Request, workload: Workload) -> None:
    """Whether the initial weights that were named fit the workload's network; here, not in a process of every cell.

    Raises:
        UserError: missing, not safetensors, or of another network (which tensors, both shapes).
    """
    from shared.weights import load_weights

    if request.weights is not None:
        try:
            load_weights(request.weights, workload, request.seed)
        except UserError as error:
            raise UserError(f"--weights {error}") from None


def resolve_device(request: Request) -> tuple[str, list[machine.Gpu]]:
    """The device of the run, and the GPUs it may use: none on CPU.

    Raises:
        UserError: fewer GPUs than asked for, or a precision that the device lacks.
    """
    gpus = machine.gpus()
    device = request.device if request.device != "auto" else ("cuda" if gpus else "cpu")
    if device == "cuda" and len(gpus) < max(request.replicas):
        there = ", ".join(gpu.name for gpu in gpus)
        have = f"has {len(gpus)} ({there})" if gpus else "has no GPU"
        raise UserError(f"--gpus {max(request.replicas)}: this machine {have}; --device cpu runs on cores instead")
    if device == "cpu" and request.precision == "fp16":
        raise UserError("--precision fp16 needs GPUs; on CPU use fp32 or bf16")
    return device, gpus if device == "cuda" else []


def resolve_workload(request: Request, device: str) -> Workload:
    """The workload with its preset and the options that override it."""
    preset = request.preset
    if preset is None:
        preset = QUICK if device == "cpu" and QUICK in spec.preset_names(request.workload) else FULL
    workload = spec.load(request.workload, preset)
    if request.finetune and family_of(workload).second_stage(workload) is None:
        raise UserError(f"--finetune: {workload.name} has no second stage; leave it out")
    if request.distillation is not None:
        workload = as_student(workload, request.distillation)
    overrides = (
        # of an inference: how many calls are timed
        ("--steps", "measure.measured_steps", request.steps if request.mode == "train" else None),
        ("--batch", "train.batch_per_replica", request.batch),
        ("--epochs", "train.epochs", request.epochs or None),  # 0 changes the cell, not the workload
    )
    for option, key, value in overrides:
        if value is not None:
            workload = workload.overridden({key: value}, option)
    return workload


def as_student(workload: Workload, settings: Mapping[str, Any]) -> Workload:
    """A workload whose network learns from a teacher too.

    Args:
        settings: of the table `distillation`; those that are None are the workload's own, or DISTILLATION's.

    Raises:
        UserError: its task cannot be distilled, or an impossible setting.
    """
    task = tasks.distilled(workload.task)
    if task is None:
        raise UserError(f"--student {workload.name}: its task, {workload.task}, is not one that can be distilled")
    own = DISTILLATION if workload.distillation is None else workload.distillation.model_dump()
    given = {key: value for key, value in settings.items() if value is not None}
    return workload.overridden({"task": task, "distillation": {**own, **given}}, "--student")


def fit_to_store(request: Request, workload: Workload, store: StoreFacts) -> tuple[Workload, int, list[str]]:
    """Fit the workload to the store: classes, task, what its family asks for, and enough steps for the measurement.

    Returns:
        the workload, the epochs of each cell (0: the measured steps alone), and what the user must be told.

    Raises:
        UserError: labels that the family cannot give, a training split that is smaller than a global batch, or --epochs
            that are too few for --steps.
    """
    notes: list[str] = []
    changes: dict[str, Any] = {}
    task = tasks.fitting(workload.task, store.tasks)
    assert task is not None, "a store without a teacher is refused where one is needed"
    theirs, ours = store.outputs_of(task), workload.model.num_classes
    if theirs != ours:
        notes.append(f"the store has {theirs} classes, the workload {ours}: the store's")
        changes["model.num_classes"] = theirs
    for key, (value, line) in family_of(workload).fit(workload, store).items():
        notes.append(line)
        changes[key] = value
    if task != workload.task:
        notes.append(f"the store's documents have {tasks.task(task).labelled}")
        changes["task"] = task
    if changes:
        workload = workload.overridden(changes, store.path)
    if request.mode == "infer":
        if not store.split_sizes[SPLIT]:
            raise UserError(f"{store.path}: its {SPLIT} split is empty, and --mode infer asks about its documents")
        return workload, 0, notes
    num_train, largest = store.split_sizes["train"], max(request.replicas) * workload.train.batch_per_replica
    if num_train < largest:
        raise UserError(
            f"the training split has {num_train} documents, a step of {max(request.replicas)} replicas needs {largest}"
            ": use fewer --gpus, a smaller --batch or more documents"
        )
    if request.epochs == 0 or request.input_mode == "device":
        return workload, 0, notes
    epoch_steps = num_train // largest
    needed = workload.measure.warmup_steps + workload.measure.measured_steps
    epochs = workload.train.epochs
    if epochs * epoch_steps < needed:
        enough = -(-needed // epoch_steps)
        told = (
            f"{epochs} epoch{'s' if epochs > 1 else ''} of {num_train} documents are {epochs * epoch_steps} steps at "
            f"{max(request.replicas)} replicas; {workload.measure.warmup_steps} to warm up and "
            f"{workload.measure.measured_steps} measured need {needed}"
        )
        if request.epochs is not None:
            raise UserError(f"{told}: use --epochs {enough}, fewer --steps, or --epochs 0 for those steps alone")
        notes.append(f"{told}: training for {enough} epochs")
        workload = workload.overridden({"train.epochs": enough}, "--steps")
    return workload, workload.train.epochs, notes
