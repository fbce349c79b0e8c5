"""`python -m bench.studies.docbert`: the rows of DocBERT's tables and the curves of its figures, one command each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.accuracy.baselines import LOGISTIC_REGRESSION, SUPPORT_VECTORS, store_scores
from bench.cli import INTERRUPTED, fail
from bench.host import machine
from bench.host.files import write_atomically
from bench.records.record import Record
from bench.show import scores
from bench.show.figures.style import save
from bench.studies.docbert import rows, tables
from bench.studies.docbert.rows import (
    DEFAULT,
    DISTILLED,
    STUDENT,
    STUDENT_WORKLOAD,
    SYSTEMS,
    TEACHER,
    TEACHER_WORKLOAD,
    Study,
)
from bench.terminal import grids
from shared.errors import UserError
from shared.frameworks import framework
from shared.store import open_store

LINEAR = {LOGISTIC_REGRESSION: "LR", SUPPORT_VECTORS: "SVM"}  # baseline to its published name
HIDDEN = (32, 64, 128, 256, 512)  # of a direction: figure 1's


def shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every command has."""
    for option in reversed(
        [
            click.option("--data", required=True, metavar="STORE", help="A prepared store of texts."),
            click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the study's runs."),
            click.option(
                "--framework", "frameworks", default="both", show_default=True, help="As `bench run` takes it."
            ),
            click.option("--preset", default="quick", show_default=True, help="Of every workload."),
            click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="Seeds of each."),
            click.option("--epochs", type=click.IntRange(1, 1000), help="Default: each workload's."),
            click.option("--vectors", metavar="FILE", help="Of the students' words. Default: random ones, trained."),
            click.option("--vocab", metavar="FILE", help="Of the BERTs. Default: one of the texts' own."),
        ]
    ):
        command = option(command)
    return command


def parsed(line: str, known: Sequence[str]) -> list[str]:
    """The systems of `--rows`, separated by semicolons as their names hold commas.

    Raises:
        UserError: one that the study does not have.
    """
    asked = [name.strip() for name in line.split(";")]
    for name in asked:
        if name not in known:
            raise UserError(f"--rows: unknown system {name!r}; known: {'; '.join(known)}")
    return asked


def numbers(line: str, option: str) -> list[int]:
    """Whole numbers from 1, separated by commas.

    Raises:
        UserError: something else.
    """
    found = [part.strip() for part in line.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) for part in found):
        raise UserError(f"{option} {line}: whole numbers from 1 expected, separated by commas")
    return [int(part) for part in found]


def deliver(study: Study, name: str, parts: Sequence[str]) -> None:
    """Print a document and keep it beside the runs."""
    told = " ".join(["python -m bench.studies.docbert", *sys.argv[1:]])
    text = "\n\n".join([*parts, f"Printed by `{told}`.", f"Measured on {machine.summary()}."]) + "\n"
    write_atomically(study.out / f"{name}.md", text)
    click.echo(text)


@click.group()
def command() -> None:
    """Measure the tables and figures of DocBERT (Adhikari et al., 2019) on a store of texts, in both frameworks.

    Every row is a run of `bench` in a folder of --out; a study that was interrupted is gone on with by the same
    command. The preset `quick` makes each in minutes on two cores, from random word vectors.
    """


@command.command()
@shared_options
@click.option("--rows", "asked", metavar="NAME;...", help=f"Default: {'; '.join(DEFAULT)}.")
def table2(asked: str | None, **settings: Any) -> None:
    """Scores of the systems of table 2, and what distillation gives its student."""
    study = started(settings)
    names = parsed(asked, [system.name for system in SYSTEMS]) if asked else list(DEFAULT)
    found = {each.name: (each.published, rows.trained(study, each)) for each in SYSTEMS if each.name in names}
    linear = {
        score.name: (score.f1, LINEAR[score.name])
        for score in store_scores(open_store(study.data))["train"]
        if score.name in LINEAR
    }
    first = next(record for _, records in found.values() for record in records)
    what = f"Systems of DocBERT's table 2 on {first.data_name}, preset {study.preset}: medians over seeds, "
    parts = [
        what + "with an interval where there are five of them, else lowest to highest.",
        tables.table2(found, linear),
    ]
    if {DISTILLED, STUDENT} <= found.keys():
        gain = tables.difference(found[DISTILLED][1], found[STUDENT][1])
        parts.append(f"{DISTILLED} less {STUDENT}, seed by seed: {gain}.")
    deliver(study, "table2", parts)


@command.command()
@shared_options
@click.option("--batch", type=click.IntRange(1, 1024), default=128, show_default=True, help="Texts of a request.")
@click.option("--student", default=STUDENT_WORKLOAD, show_default=True)
@click.option("--teachers", default=f"{TEACHER_WORKLOAD},bert-base", show_default=True, metavar="NAME,...")
@click.option("--student-preset", default="full", show_default=True)
@click.option("--teacher-preset", default="full", show_default=True)
def table3(batch: int, student: str, teachers: str, student_preset: str, teacher_preset: str, **settings: Any) -> None:
    """Seconds of inference of a student and of its teachers (table 3), and their ratio in each framework."""
    study = started(settings)
    asked = {student: student_preset} | dict.fromkeys(teachers.split(","), teacher_preset)
    line = ("--mode", "infer", "--batches", str(batch), "--data", study.data, "--epochs", "0")
    found = {}
    for name, preset in asked.items():
        options = [each for each in study.options(preset) if each not in ("--epochs", str(study.epochs))]
        found[name] = rows.made(study.folder(f"infer {name}"), "run", "--workload", name, *line[:-2], *options)
    table = []
    for name, records in found.items():
        for key, own in tables.by_framework(records).items():
            base = latency(tables.by_framework(found[student]).get(key, []), batch)
            mine = latency(own, batch)
            ratio = grids.NOTHING if not (mine and base) else f"{mine / base:.1f}"
            cells = (
                f"{own[0].num_parameters / 1e6:.2f}" if own[0].num_parameters else grids.NOTHING,
                grids.NOTHING if mine is None else f"{mine:.1f}",
            )
            table.append([name, framework(key).title, *cells, ratio])
    headings = ("network", "framework", "parameters, millions", f"ms a request of {batch}", f"over {student}")
    deliver(
        study, "table3", [f"Inference of DocBERT's table 3, {batch} texts a request.", grids.markdown(headings, table)]
    )


def latency(records: Sequence[Record], batch: int) -> float | None:
    """The median over repeats of a request's median milliseconds at a batch size."""
    found = [
        entry.p50_ms
        for record in records
        if record.status == "ok"
        for entry in record.inference
        if entry.batch == batch and entry.p50_ms is not None
    ]
    return median(found) if found else None


@command.command()
@shared_options
@click.option("--sizes", default=",".join(map(str, HIDDEN)), show_default=True, help="Hidden units of a direction.")
def figure1(sizes: str, **settings: Any) -> None:
    """Scores of the student over its hidden size (figure 1)."""
    study = started(settings)
    found = {}
    for size in numbers(sizes, "--sizes"):
        path = rows.changed(
            study, STUDENT_WORKLOAD, f"{STUDENT_WORKLOAD}-{size}", [f"model = {{ hidden_size = {size} }}"]
        )
        line = ("run", "--workload", str(path), "--data", study.data, *study.options("changed"))
        found[size] = rows.made(study.folder(f"hidden {size}"), *line)
    curve_of(study, "figure1", found, "hidden units of a direction", STUDENT, logarithmic=True)


@command.command()
@shared_options
@click.option("--lengths", default="128,256,512", show_default=True, help="Tokens.")
@click.option("--teacher", default=TEACHER_WORKLOAD, show_default=True, metavar="NAME")
def figure2(lengths: str, teacher: str, **settings: Any) -> None:
    """Scores of a BERT over the most tokens of a text (figure 2, left)."""
    study = started(settings)
    found = {}
    for length in numbers(lengths, "--lengths"):
        changes = [f"input = {{ max_tokens = {length} }}", f"model = {{ max_positions = {max(length, 64)} }}"]
        path = rows.changed(study, teacher, f"{teacher}-{length}", changes)
        own = ["--vocab", study.vocab] if study.vocab else []
        line = ("run", "--workload", str(path), "--data", study.data, *study.options("changed"), *own)
        found[length] = rows.made(study.folder(f"tokens {length}"), *line)
    curve_of(study, "figure2", found, "tokens", TEACHER)


@command.command()
@shared_options
@click.option("--counts", default="1,2,4,8", show_default=True, help="Epochs.")
@click.option("--teacher", default=TEACHER_WORKLOAD, show_default=True, metavar="NAME")
def figure2_epochs(counts: str, teacher: str, **settings: Any) -> None:
    """Scores of a BERT over the epochs of its training (figure 2, right)."""
    study = started(settings)
    found = {}
    for count in numbers(counts, "--counts"):
        own = ["--vocab", study.vocab] if study.vocab else []
        line = ["run", "--workload", teacher, "--data", study.data, *study.options(), *own, "--epochs", str(count)]
        found[count] = rows.made(study.folder(f"epochs {count}"), *line)
    curve_of(study, "figure2-epochs", found, "epochs", TEACHER)


def curve_of(
    study: Study,
    name: str,
    found: Mapping[int, Sequence[Record]],
    setting: str,
    network: str,
    logarithmic: bool = False,
) -> None:
    """Draw a curve and print its table."""
    from bench.studies.docbert.figures import curve

    every = [record for records in found.values() for record in records]
    save(curve(found, setting, network, logarithmic), study.out / f"{name}.png")
    keys = sorted({record.framework for record in every})
    table = [
        [str(value), *(tables.outcome(tables.by_framework(records).get(key, [])) for key in keys)]
        for value, records in found.items()
    ]
    headings = (setting, *(f"{framework(key).title}, {scores.title(every)} on test, %" for key in keys))
    deliver(study, name, [f"{network} on {every[0].data_name}, over {setting}.", grids.markdown(headings, table)])


def started(settings: Mapping[str, Any]) -> Study:
    """The study of some options; its folder is there.

    Raises:
        UserError: a folder that cannot be made, or a store that is none.
    """
    study = Study(**settings)
    open_store(study.data)
    try:
        study.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {study.out}: {error.strerror or error}; choose another place") from None
    return study


def main() -> None:
    """Run a command; what the user got wrong is one line, and exit status 2."""
    try:
        command(standalone_mode=True)
    except UserError as error:
        fail(f"error: {error}", 2)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on", INTERRUPTED)


if __name__ == "__main__":
    main()
