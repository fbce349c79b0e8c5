"""`bench accuracy`: image model, text model and their ensemble over random splits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench.cli import options
from bench.host.locations import results_directory
from bench.records import limits
from shared.errors import UserError
from shared.frameworks import KEYS

PROTOCOLS = ("small-tobacco",)
KINDS = ("image", "text", "layout")
# options that may name a file or folder
PATHS = (
    "data", "pretrain", "image_weights", "text_weights", "layout_weights", "image_workload", "text_workload",
    "layout_workload", "vocabulary", "vectors",
)  # fmt: skip


class MemberList(click.ParamType):
    """`image,text,layout`: kinds of models, each once, the image model first."""

    name = "image,text,layout"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse; a click usage error names the first that is unknown."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        for part in parts:
            if part not in KINDS:
                self.fail(f"{part!r} is none of {', '.join(KINDS)}", param, ctx)
        return tuple(kind for kind in KINDS if kind in parts)


@click.command(context_settings={"show_default": True})
@click.option("--protocol", type=click.Choice(PROTOCOLS), default=PROTOCOLS[0], help="How documents are dealt out.")
@options.framework
@click.option("--members", type=MemberList(), default="image,text", help="What is trained and combined.")
@click.option("--image-workload", default="effnet-b0", help="A name that `bench list` shows, or a TOML file.")
@click.option("--text-workload", default="bert-6l", help="Likewise.")
@click.option("--layout-workload", default="layoutlmv2-base", help="Likewise: pages, words and their places.")
@options.preset
@click.option("--text-preset", help="Of the text workload.  [default: --preset]")
@click.option("--layout-preset", help="Of the layout workload.  [default: --preset]")
@options.data
@click.option("--vocab", "vocabulary", metavar="FILE|NAME", help="WordPiece vocabulary. Default: the store's own.")
@options.vectors
@click.option("--image-weights", type=click.Path(), help="safetensors to start the image model from.")
@click.option("--text-weights", type=click.Path(), help="safetensors file or folder to start the text model from.")
@click.option("--layout-weights", type=click.Path(), help="Likewise, of the layout model.")
@click.option("--pretrain", type=click.Path(), metavar="STORE", help="Stage 1: train the image model on it first.")
@click.option(
    "--pretrain-epochs", type=click.IntRange(1, limits.MOST_EPOCHS), help="Of stage 1. Default: the workload's."
)
@click.option(
    "--image-training",
    type=click.Choice(["full", "classifier"]),
    help="On the splits. Default: classifier (stage 2) after --pretrain or --image-weights, else full.",
)
@click.option("--epochs", type=click.IntRange(1, limits.MOST_EPOCHS), help="On the splits. Default: the workload's.")
@options.device
@click.option("--gpus", "replicas", type=options.REPLICAS, default=1, help="Replicas per cell.")
@click.option("--per-class", type=click.IntRange(min=2), help="Documents a class that train or validate.")
@click.option("--val-share", type=options.NumberRange(0, 1, min_open=True, max_open=True), help="Of them to validate.")
@click.option("--splits", type=options.REPEATS, help="Random splits.")
@options.seed
@click.option("--verify", is_flag=True, help="Run the equality ladder first where no certificate holds.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: a new folder under results/runs.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Finish a run; its settings hold.")
@click.pass_context
def command(ctx: click.Context, **settings: Any) -> int:
    """Score the image model, the text model and their ensemble over random splits, per framework; a layout model beside
    them where --members names it.

    small-tobacco is the paper's evaluation: of each class 80 documents train, 20 validate, the rest test; ten random
    splits; the median over ten and the mean over three. --per-class, --val-share and --splits scale it to smaller
    data. The ensemble's weights are equal, and searched on validation; both are shown.
    """
    from bench.accuracy.plan import AccuracyPlan
    from bench.accuracy.request import AccuracyRequest
    from bench.accuracy.run import AccuracyReporter, resume_run, start_run
    from bench.accuracy.verified import verified_plan
    from bench.records.directory import RunDirectory

    out: Path | None = settings.pop("out")
    resume: Path | None = settings.pop("resume")
    verify: bool = settings.pop("verify")
    reporter = AccuracyReporter()
    if resume is not None:
        if extra := sorted(option for name, option in options.typed(ctx).items() if name != "resume"):
            raise UserError(f"--resume takes the run's own settings: leave out {', '.join(extra)}")
        with RunDirectory(resume, resume=True) as directory:
            return run_plan(resume_run(directory, reporter.message), directory.path, reporter)
    framework = settings.pop("framework")
    paths = {name: absolute(settings[name]) for name in PATHS}
    request = AccuracyRequest(frameworks=KEYS if framework == options.ALL else (framework,), **settings | paths)
    if out is None:
        out = results_directory() / "runs" / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{request.protocol}"
    with RunDirectory(out, resume=False) as directory:
        plan: AccuracyPlan | None = start_run(directory, request, reporter.message)
        if verify and plan is not None:
            plan = verified_plan(plan, reporter.message)
        if plan is None:
            reporter.message("the equality ladder broke: nothing was trained; `bench verify` shows which rung")
            return 1
        return run_plan(plan, directory.path, reporter)


def absolute(path: str | None) -> str | None:
    """A path that holds wherever the run is resumed from; what is no path here may be a name, and stays."""
    return str(Path(path).resolve()) if path is not None and Path(path).exists() else path


def run_plan(plan: Any, directory: Path, reporter: Any) -> int:
    """Run the cells, draw the figures, print the table; 0 where every cell is ok, else 1."""
    from bench.accuracy.run import execute, finish
    from bench.accuracy.tables import print_table

    for note in plan.notes:
        reporter.message(f"note: {note}")
    records = execute(plan, directory, reporter)
    # on disk before the first line is printed: whoever reads the output may leave (`| head`)
    drawn = finish(directory, records, reporter.message)
    print_table(records)
    for path in drawn:
        click.echo(path)
    click.echo(f"records: {directory / 'records'}")
    return 0 if all(record.status == "ok" for record in records) else 1
