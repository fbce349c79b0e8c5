"""`bench distill`: train a small network on what a large one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli import options

DIRECTIONS, FORMS = ["student", "teacher"], ["task", "softmax", "bernoulli", "mse"]
OF_TRANSFER = ("teacher", "teacher_workload", "teacher_preset", "teacher_vocab", "data", "copies", "transfer_seed")
OF_LOSS = ("weight", "direction", "temperature", "form")


@click.command(name="distill", context_settings={"show_default": True})
@click.option("--teacher", required=True, metavar="RUN|FILE", help="A run with --keep-weights, or safetensors.")
@click.option("--teacher-workload", metavar="NAME", help="Of a file of weights.")
@click.option("--teacher-preset", metavar="NAME", help="Of a file of weights. Default: full.")
@click.option("--teacher-vocab", metavar="FILE|NAME", help="That a file's network was trained with.")
@click.option(
    "--student", required=True, metavar="NAME", help="A workload: a name that `bench list` shows, or a .toml."
)
@options.preset
@click.option("--data", type=click.Path(), metavar="STORE", help="Texts. Default: those that the teacher's run had.")
@click.option("--copies", type=click.IntRange(1, 100), help="Of each training text, the original included.  [4]")
@click.option("--transfer-seed", type=options.SEED, help="Of the copies.  [0]")
@click.option("--workers", type=click.IntRange(1), help="Processes that make copies; at most one per core.")
@click.option(
    "--weight", type=options.NumberRange(0, 1e6), help="Of the divergence. Default: the workload's, or 1 and 4."
)
@click.option(
    "--direction", type=click.Choice(DIRECTIONS), help="Whose probabilities the divergence is the mean under."
)
@click.option("--temperature", type=options.NumberRange(0, 1e6, min_open=True), help="Both logits are divided by it.")
@click.option("--form", type=click.Choice(FORMS), help="Of the divergence; task: as the labels have it.")
@options.columns
@click.option("--gpus", "replicas", type=options.PositiveList(), default="1", help="Numbers of replicas.")
@options.vocab
@options.vectors
@options.pythons
@options.device
@options.precision
@click.option("--steps", type=options.POSITIVE, help="Measured steps. Default: the workload's.")
@click.option("--epochs", type=options.EPOCHS, help="Default: the workload's. 0: only the measured steps.")
@click.option("--batch", type=options.BATCH, help="Samples per replica. Default: the workload's.")
@click.option("--repeats", type=options.REPEATS, default=1, help="Of every cell, interleaved; seeds count up.")
@options.seed
@click.option("--keep-weights", is_flag=True, help="Leave every student's final weights in its folder.")
@click.option("--timeout", type=options.TIMEOUT, help="Seconds without a sign of life.")
@click.option("--out", type=click.Path(path_type=Path), help="Of the run. Default: a new folder under results/runs.")
@click.option("--verify", is_flag=True, help="Run the equality ladder first where no certificate holds.")
@click.option("--figures/--no-figures", default=True, help="Draw the plots at the end.")
def command(**settings: Any) -> int:
    """Train a student on what a teacher says of its texts, and time it: `bench run` on a transfer set.

    First the transfer set is made: the training texts, and copies in which words are masked or replaced by others of
    the same part of speech. Then the teacher is asked about every text, once. Both are kept, and an interrupted call
    goes on from them when it is repeated. Then the student is trained as by `bench run`, which leaves the same records
    (an interrupted run goes on with `bench run --resume`). English texts alone have their parts of speech found.
    """
    from rich.console import Console

    from bench.cli.run import run_new
    from bench.data.progress import ConsoleProgress
    from bench.distill.ask import Machine
    from bench.distill.run import DistillRequest, check_student, prepare, settings_of
    from bench.run.plan import Request
    from bench.run.progress import ConsoleReporter
    from bench.run.resolve import check_request, resolve_device, resolve_workload

    pythons = options.take_pythons(settings)
    of_transfer = {name: settings.pop(name) for name in OF_TRANSFER}
    of_loss = {name: settings.pop(name) for name in OF_LOSS}
    request = DistillRequest(**of_transfer, workers=settings.pop("workers"))
    workload, columns = settings.pop("student"), settings["framework"]
    # what is wrong with the student is said before hours of asking
    student = {key: settings[key] for key in ("replicas", "preset", "device", "precision", "batch", "steps", "epochs")}
    asked = Request(workload=workload, frameworks=columns, pythons=pythons, distillation=of_loss, **student)
    check_request(asked)
    plain = resolve_workload(Request(**{**asked.__dict__, "distillation": None}), resolve_device(asked)[0])
    check_student(resolve_workload(asked, resolve_device(asked)[0]))
    say = ConsoleReporter().message
    with ConsoleProgress(Console(stderr=True)) as progress:
        prepared = prepare(request, Machine(columns, pythons, settings["device"]), say, progress)
    for line in prepared.lines:
        say(line)
    table = settings_of(prepared.store, of_loss, plain.distillation is not None)
    run = {"workload": workload, "data": str(prepared.store.path), "distillation": table, "dry_run": False}
    return run_new({**settings, **run, "exclusive": False}, pythons)
