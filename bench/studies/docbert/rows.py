"""The systems of DocBERT's tables as calls of `bench`, each a run of its own in a folder of the study.

A run that is there is gone on with, so that an interrupted study is repeated with the same command.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from bench.host.files import write_atomically
from bench.records.directory import PLAN
from bench.records.record import Record
from bench.report.sources import read_run
from shared.errors import UserError


@dataclass(frozen=True)
class System:
    """A row of table 2 that is trained."""

    name: str  # as the study calls it
    workload: str
    published: str  # as `results/papers/docbert.csv` calls it; "": nothing there is of this size
    reads_words: bool  # whole words, which vectors may be of; else tokens of a vocabulary


STUDENT, TEACHER, DISTILLED = "LSTMreg", "BERT, small", "KD-LSTMreg"
STUDENT_WORKLOAD, TEACHER_WORKLOAD = "lstm", "bert-6l"
SYSTEMS = (
    System("KimCNN", "kim-cnn", "KimCNN, reimplemented", True),
    System("XML-CNN", "xml-cnn", "XML-CNN, reimplemented", True),
    System("HAN", "han", "HAN, reimplemented", True),
    System(STUDENT, STUDENT_WORKLOAD, "LSTMreg", True),
    System(TEACHER, TEACHER_WORKLOAD, "", False),
    System("BERT-base", "bert-base", "BERT-base", False),
    System("BERT-large", "bert-large", "BERT-large", False),
    System(DISTILLED, STUDENT_WORKLOAD, "KD-LSTMreg", True),
)
DEFAULT = ("KimCNN", "XML-CNN", "HAN", STUDENT, TEACHER, DISTILLED)  # those that two cores train in minutes


@dataclass(frozen=True)
class Study:
    """What holds for every run of a study."""

    out: Path
    data: str  # STORE
    frameworks: str  # as `--framework` takes them
    preset: str
    repeats: int
    vectors: str | None = None
    vocab: str | None = None  # of the BERTs
    epochs: int | None = None

    def folder(self, name: str) -> Path:
        """The folder of a run.

        >>> Study(Path("out"), "store", "both", "quick", 3).folder("BERT, small").name
        'bert-small'
        """
        return self.out / "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())

    def options(self, preset: str | None = None) -> list[str]:
        """What every run is given."""
        given = ["--framework", self.frameworks, "--preset", preset or self.preset, "--repeats", str(self.repeats)]
        given += ["--gpus", "1", "--no-figures"]
        return given + (["--epochs", str(self.epochs)] if self.epochs is not None else [])


def bench(*line: str) -> None:
    """Run a command of `bench`, its output shown.

    Raises:
        UserError: it ended otherwise than well.
        KeyboardInterrupt: it was interrupted.
    """
    click.echo(f"bench {' '.join(line)}", err=True)
    process = subprocess.Popen([sys.executable, "-m", "bench", *line])
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the terminal has sent it to the child too, which leaves what it has done
        process.wait()
        raise
    if status == 130:
        raise KeyboardInterrupt
    if status == 2:
        raise UserError(f"bench {' '.join(line)}: refused, see above")


def made(folder: Path, *line: str) -> list[Record]:
    """The records of a run: made now, gone on with, or there already.

    A cell that failed is a record like any other.

    Raises:
        UserError: it could not be started.
    """
    if (folder / PLAN).is_file():
        bench("run", "--resume", str(folder), "--no-figures")
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        bench(*line, "--out", str(folder))
    return list(read_run(folder).records)


def trained(study: Study, system: System) -> list[Record]:
    """The records of a system of table 2; of the distilled one its teacher's are made first.

    Raises:
        UserError: whatever the user got wrong.
    """
    folder = study.folder(system.name)
    if system.name == DISTILLED:
        teacher = next(each for each in SYSTEMS if each.name == TEACHER)
        trained(study, teacher)
        of_words = ["--vectors", study.vectors] if study.vectors else []
        line = ["distill", "--teacher", str(study.folder(TEACHER)), "--student", system.workload, "--data", study.data]
        return made(folder, *line, *study.options(), *of_words)
    option, file = ("--vectors", study.vectors) if system.reads_words else ("--vocab", study.vocab)
    own = [option, file] if file else []
    own += ["--keep-weights"] if system.name == TEACHER else []
    return made(folder, "run", "--workload", system.workload, "--data", study.data, *study.options(), *own)


def changed(study: Study, base: str, name: str, changes: Sequence[str]) -> Path:
    """A workload of the suite with some keys of the study's preset changed, as a TOML file in the study's folder.

    Args:
        base: the suite's workload. name: of the file. changes: lines `table.key = value`.

    Returns:
        its path; its one preset is called `changed`.
    """
    lines = [f'base = "{base}"', "", "[presets.changed]", f'on = "{study.preset}"', *changes]
    path = study.out / "workloads" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join(lines) + "\n")
    return path
