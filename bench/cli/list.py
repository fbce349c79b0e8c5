"""`bench list`: the workloads, their presets and whether a certificate holds for them."""

from __future__ import annotations

import click

COLUMNS = (
    "workload",
    "preset",
    "network",
    "pixels",
    "batch a replica",
    "epochs",
    "steps measured",
    "spec",
    "certificate",
)


@click.command()
def command() -> None:
    """Show the workloads, their presets and certificates.

    A certificate holds for a computation, the present code and the installed framework versions; `bench verify` makes
    one.
    """
    from rich.console import Console
    from rich.table import Table

    from bench import certificates
    from shared import spec

    table = Table(*COLUMNS)
    for name in spec.workload_names():
        for preset in spec.preset_names(name):
            workload = spec.load(name, preset)
            certificate = certificates.find(workload)
            table.add_row(
                name,
                preset,
                f"{workload.model.family} {workload.model.variant}",
                str(workload.input.image_size),
                str(workload.train.batch_per_replica),
                str(workload.train.epochs),
                str(workload.measure.measured_steps),
                workload.spec_hash,
                f"verified ({certificate.id})" if certificate else "unverified",
            )
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)
