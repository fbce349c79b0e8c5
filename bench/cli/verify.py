"""`bench verify`: the equality ladder, and the proof that it can fail."""

from __future__ import annotations

import sys
import time

import click

from bench.cli import options


@click.command()
@options.workload
@options.preset
@click.option("--mutations", is_flag=True, help="Plant a known difference a rung and see each one caught.")
def command(workload: str, preset: str | None, mutations: bool) -> None:
    """Prove that both wings compute the same, rung by rung, on this machine's CPU.

    Runs in minutes and leaves a certificate under results/certificates/ for this computation, the present code and the
    installed versions; `bench run` stamps its records with it. It says nothing about speed, and nothing about GPU
    kernels beyond what the frameworks promise for them. Exit status 1: a rung broke, or a mutation got through.
    """
    from bench.verify.ladder import certify
    from bench.verify.mutations import run_mutations
    from shared import spec

    chosen = spec.load(workload, preset or spec.FULL)
    begin = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - begin:6.1f} s  {text}")

    if mutations:
        missed = [outcome for outcome in run_mutations(chosen, say) if not outcome.caught]
        click.echo(f"{len(missed)} mutations got through" if missed else "every mutation was caught")
        sys.exit(1 if missed else 0)
    certificate = certify(chosen, say)
    verdict = "verified" if certificate.passed else "BROKEN"
    click.echo(f"{chosen.name} ({chosen.preset}): {verdict}, certificate {certificate.id}")
    sys.exit(0 if certificate.passed else 1)
