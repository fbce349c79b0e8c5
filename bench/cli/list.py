"""`bench list`: the workloads, their presets and whether a certificate holds for them."""

from __future__ import annotations

import click

from shared.spec import ImageWorkload, TextWorkload, Workload

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
    from bench.records import certificates
    from bench.terminal import grids
    from shared import spec

    rows = []
    for name in spec.workload_names():
        for preset in spec.preset_names(name):
            workload = spec.load(name, preset)
            certificate = certificates.find(workload)
            rows.append([
                name,
                preset,
                *model_and_input(workload),
                str(workload.train.batch_per_replica),
                str(workload.train.epochs),
                str(workload.measure.measured_steps),
                workload.spec_hash,
                f"verified ({certificate.id})" if certificate else "unverified",
            ])  # fmt: skip
    grids.print_grid(grids.stdout(), COLUMNS, rows, keys=2, once=("certificate",))


def model_and_input(workload: Workload) -> tuple[str, str]:
    """The network's kind and size, and what a sample is."""
    if isinstance(workload, ImageWorkload):
        return f"{workload.model.family} {workload.model.variant}", f"{workload.input.image_size} px"
    assert isinstance(workload, TextWorkload)
    model = workload.model
    return f"{model.family} {model.num_layers} x {model.hidden_size}", f"{workload.input.max_tokens} tokens"
