"""`bench verify`: the equality ladder, and the proof that it can fail."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from bench.cli import options


@click.command()
@options.workload
@options.preset
@click.option("--mutations", is_flag=True, help="Plant a known difference a rung and see each one caught.")
@click.option("--data", help="Of texts: a store whose texts both wings tokenise, besides odd ones.")
@options.vocab
@options.pythons
def command(
    workload: str,
    preset: str | None,
    mutations: bool,
    data: str | None,
    vocab: str | None,
    **others: Any,
) -> None:
    """Prove that both wings compute the same, rung by rung, on this machine's CPU.

    Runs in minutes and leaves a certificate under results/certificates/ for this computation, the present code and the
    versions that were run; `bench run` stamps its records with it. Each wing runs in the interpreter named for it, else
    in the one that `bench run` takes. It says nothing about speed, and nothing about GPU kernels beyond what the
    frameworks promise for them. Exit status 1: a rung broke, or a mutation got through.
    """
    from bench.host.environments.choice import named_wings
    from bench.run.stores import tokenised_texts
    from bench.verify.ladder import certify
    from bench.verify.mutations import run_mutations
    from bench.verify.samples import tokens_of, words_of
    from shared import spec
    from shared.errors import UserError

    pythons = named_wings(options.take_pythons(others))
    chosen = spec.load(workload, preset or spec.FULL)
    begin = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - begin:6.1f} s  {text}")

    if mutations:
        missed = [outcome for outcome in run_mutations(chosen, say, pythons=pythons) if not outcome.caught]
        click.echo(f"{len(missed)} mutations got through" if missed else "every mutation was caught")
        sys.exit(1 if missed else 0)
    corpus = None
    if data is not None:
        tokens = tokens_of(chosen)
        if tokens is None:
            what = "whole words, which are the same in both wings" if words_of(chosen) else "no text"
            raise UserError(f"--data: {chosen.name} reads {what}, there is nothing to tokenise; leave it out")
        corpus = tokenised_texts(data, chosen, tokens, vocab, dry_run=False, say=say).path
    certificate = certify(chosen, say, corpus, pythons)
    versions = ", ".join(f"{name} {version}" for name, version in certificate.versions.items())
    verdict = "verified" if certificate.passed else "BROKEN"
    click.echo(f"{chosen.name} ({chosen.preset}): {verdict}, certificate {certificate.id} ({versions})")
    sys.exit(0 if certificate.passed else 1)
