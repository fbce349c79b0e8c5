"""`bench list`: the workloads, their presets and whether a certificate holds for them."""

from __future__ import annotations

import click

COLUMNS = (
    "workload",
    "preset",
    "network",
    "sample",
    "batch per replica",
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
    from bench.cells.summary import described
    from bench.records import certificates
    from bench.terminal import grids
    from shared import spec

    rows = []
    for name in spec.workload_names():
        for preset in spec.preset_names(name):
            workload = spec.load(name, preset)
            certificate, what = certificates.find(workload), described(workload)
            rows.append([
                name,
                preset,
                what.network,
                what.sample,
                str(workload.train.batch_per_replica),
                str(workload.train.epochs),
                str(workload.measure.measured_steps),
                workload.spec_hash,
                f"verified ({certificate.id})" if certificate else "unverified",
            ])  # fmt: skip
    grids.print_grid(grids.stdout(), COLUMNS, rows, keys=2, once=("certificate",))
