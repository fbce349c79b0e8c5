"""`bench env`: a virtual environment per framework, which `bench run` then starts that framework's workers with."""

from __future__ import annotations

import sys

import click

from shared.frameworks import KEYS


@click.group(name="env")
def command() -> None:
    """Make, list and remove environments of one framework each.

    PyTorch's and TensorFlow's GPU wheels overwrite each other's CUDA libraries, and two versions of one framework
    cannot share an environment at all. `bench run --framework pt@2.12,pt@2.13` takes those made here by their
    versions; without a version, `bench run` and `bench verify` take the one in the version of constraints.txt, or any
    where this interpreter lacks the framework.
    """


@command.command()
@click.argument("framework", type=click.Choice(KEYS))
@click.option("--version", help="Of torch or tensorflow, exact. Default: that of constraints.txt.")
@click.option(
    "--cpu/--gpu",
    "cpu",
    default=None,
    help="Which build; of PyTorch the package index decides it. Default: as this machine has GPUs or not.",
)
@click.option("--python", metavar="PYTHON", help="The interpreter that it is made from. Default: this one.")
def create(framework: str, version: str | None, cpu: bool | None, python: str | None) -> None:
    """Make an environment with FRAMEWORK alone, and its lock. Minutes, gigabytes, a network.

    pip's own settings say where packages come from: for a build that your index does not have by that version (a CPU
    build of torch, say), set PIP_INDEX_URL or PIP_EXTRA_INDEX_URL to the one that has it. What pip said is kept in a
    log beside the environment. One that was interrupted, or whose requirements have changed since, is made anew.
    """
    from bench.host.environments import REQUIREMENTS_LOCK
    from bench.host.environments.install import create as make
    from bench.host.environments.requirements import read_requirements
    from bench.host.locations import PROJECT_ROOT
    from bench.host.machine import gpus

    cuda = bool(gpus()) if cpu is None else not cpu
    requirements = read_requirements(PROJECT_ROOT, framework, version, cuda)
    made, now = make(
        requirements, python or sys.executable, lambda text: click.echo(text, err=True), insist=cpu is not None
    )
    done = (
        f"ready after {made.seconds:.0f} s" if now else f"there already; `bench env remove {made.name}` takes it away"
    )
    click.echo(f"{made.name}: {made.version}, {made.build} build, Python {made.python_version}: {done}")
    click.echo(f"lock: {made.path / REQUIREMENTS_LOCK}")
    asked = "GPU" if cuda else "CPU"
    if made.build != requirements.build and now:
        click.echo(f"note: a {asked} build was asked for and a {made.build} build came: your package index decides")
    elif made.build != requirements.build:
        click.echo(f"note: this machine calls for a {asked} build, and one with the {made.build} build is kept")


@command.command(name="list")
def list_() -> None:
    """Show the environments, newest version first."""
    from bench.host.environments import environments, environments_directory

    found = environments()
    for made in found:
        click.echo(
            f"{made.name:16} {made.framework}  {made.version:16} {made.build:5} Python {made.python_version:8} "
            f"{made.created}  {made.python}"
        )
    names = {made.name for made in found}
    for path in sorted(environments_directory().glob("*/")):
        if path.is_dir() and path.name not in names:
            click.echo(f"{path.name:16} unfinished; `bench env create` makes it anew")
    if not names:
        makers = " or ".join(f"`bench env create {key}`" for key in KEYS)
        click.echo(f"no environment: {makers} makes one")


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Take the environment NAME away."""
    from bench.host.environments import remove as take_away

    take_away(name)
    click.echo(f"{name}: removed")
