"""`python -m tests.bench.chaos`: trouble of every kind at random moments of real `bench run`s, many times.

Runs with the fakes of the tests by default: what is tried is the harness. `--real` does it to the frameworks' workers.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import click

from tests.bench.chaos.campaign import FAKE_DISK, REAL_DISK, campaign, fake, markdown, real
from tests.bench.chaos.faults import FAULTS, disk_can_be_mounted

# what a shell starts in the background ignores Ctrl-C, and so would every process that a trial starts
signal.signal(signal.SIGINT, signal.default_int_handler)


@click.command(context_settings={"show_default": True})
@click.option("--times", default=50, help="Of each kind, with fakes; 0: none.")
@click.option("--real", "real_times", default=0, help="Of each kind, with the frameworks' own workers.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(FAULTS)), help="Only these.")
@click.option("--jobs", default=2, help="Trials with fakes at a time.")
@click.option("--seed", default=0, help="Of the moments.")
@click.option("--folder", type=click.Path(path_type=Path), help="Trials that are not sound stay there. Default: new.")
@click.option("--out", type=click.Path(path_type=Path), help="Markdown.")
def command(
    times: int, real_times: int, kinds: tuple[str, ...], jobs: int, seed: int, folder: Path | None, out: Path | None
) -> None:
    """Do to runs what happens to runs; say what was lost and what was left."""
    folder = (folder or Path(tempfile.mkdtemp(prefix="twinbench-chaos-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = list(kinds or FAULTS)
    if not disk_can_be_mounted(folder):
        click.echo(
            "no disk can be mounted here (root is needed): no full disk is tried, file sizes are limited instead"
        )
        chosen = [kind for kind in chosen if FAULTS[kind].strike is not None]
    arguments = " ".join(sys.argv[1:])
    parts = ["# What is left behind, whatever happens", "", f"`python -m tests.bench.chaos {arguments}`", ""]
    sound = True
    plans = [("fakes", fake, times, jobs, FAKE_DISK), ("the frameworks' workers", real, real_times, 1, REAL_DISK)]
    for what, make, count, at_once, disk in plans:
        if count:
            bench = make(folder / make.__name__, dict(os.environ))
            found = campaign(bench, chosen, count, folder / make.__name__, at_once, disk, seed, click.echo)
            sound &= all(finding.sound for findings in found.values() for finding in findings)
            parts.append(markdown(f"`bench run` of {bench.num_cells} cells of {what}", found))
    text = "\n".join(parts)
    if out:
        out.write_text(text, encoding="utf-8")
    click.echo(text)
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    command()
