"""`python -m bench.studies.ocr_speed PAGES_FOLDER`: the OCR of `bench data prepare` against its engine alone.

Alone: one page after another, in one process, on one thread; times the number of cores that is the most to be had. The
stage: the same pages by `bench.data.readers`, decoding included. Both are timed from when they are ready to read (the
start of processes and models is a matter of seconds, whatever the number of pages, and told apart), and take turns, so
that what slows the machine down slows both.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench.data.decode import open_page
from bench.data.folders import Walk
from bench.data.ocr import PAGE_SECONDS, find_engine
from bench.data.ocr_worker import Engine, Work
from bench.data.pages import usable_cores
from bench.data.readers import ReaderPool
from shared.errors import UserError


@dataclass(frozen=True)
class Speed:
    """The outcome."""

    engine: str
    version: str
    pages: int
    cores: int
    alone: float  # pages/s, one process
    stage: float  # pages/s, a process per core
    start_seconds: float  # of the stage's processes, mean of the rounds
    ratio: float  # stage / (alone x cores)


def seconds_alone(engine: Engine, paths: list[str]) -> float:
    """Time that the engine takes for opened pages, in this process; its start is not counted."""
    read = engine.start()
    pages = [open_page(path) for path in paths]
    started = time.perf_counter()
    for page in pages:
        read(page)
    return time.perf_counter() - started


def seconds_of_stage(engine: Engine, paths: list[str], workers: int) -> tuple[float, float]:
    """Time that the stage takes to be ready, and then for all pages, their decoding included."""
    with tempfile.TemporaryDirectory() as scratch:
        pool = ReaderPool(list(enumerate(paths)), Work(engine, open_page, PAGE_SECONDS, Path(scratch)), workers)
        begun = time.perf_counter()
        pool.make_ready()
        ready = time.perf_counter()
        for reading in pool.run():
            if reading.reason:
                raise UserError(f"{paths[reading.slot]}: {reading.reason}; measure with pages that can be read")
        return ready - begun, time.perf_counter() - ready


def measure(engine: Engine, paths: list[str], rounds: int) -> Speed:
    """Both rates over all pages, in turns.

    Args:
        rounds: into so many parts the pages are divided; each is read alone, then by the stage.
    """
    cores, alone, start, stage = usable_cores(), 0.0, 0.0, 0.0
    for i in range(rounds):
        part = paths[i::rounds]
        alone += seconds_alone(engine, part)
        started, read = seconds_of_stage(engine, part, cores)
        start, stage = start + started, stage + read
    rates = len(paths) / alone, len(paths) / stage
    return Speed(engine.name, engine.version, len(paths), cores, *rates, start / rounds, rates[1] / (rates[0] * cores))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--engine", default="auto", show_default=True, type=click.Choice(["tesseract", "rapidocr", "auto"]))
@click.option("--limit", default=40, show_default=True, type=click.IntRange(1), help="Pages, evenly over the folder.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1), help="Turns of the two.")
def main(folder: Path, engine: str, limit: int, rounds: int) -> None:
    """Measure OCR on the pages below FOLDER; prints JSON, then a line."""
    found = [path for path, _ in Walk().files(folder, "")]
    paths = [found[i * len(found) // limit] for i in range(limit)] if len(found) > limit else found
    if not paths:
        raise click.UsageError(f"{folder}: no page in it")
    try:
        speed = measure(find_engine(engine), paths, min(rounds, len(paths)))
    except UserError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(asdict(speed)))
    click.echo(
        f"{speed.engine} {speed.version}: {speed.stage:.2f} pages/s on {speed.cores} cores, alone {speed.alone:.2f} "
        f"on one: {speed.ratio:.2f}x of engine times cores"
    )


if __name__ == "__main__":
    main()
