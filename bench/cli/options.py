"""Options that recur in several sub-commands, defined once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from bench.records import limits
from shared.frameworks import FRAMEWORKS, KEYS
from shared.protocol import ARMS, DEVICES, INPUT_MODES, PRECISIONS, RUNTIMES

ALL = "both"  # every framework


class PositiveList(click.ParamType):
    """`1,2,4`: positive integers, in ascending order, each once."""

    name = "N,N,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse; a click usage error names the first part that is not a positive integer."""
        if isinstance(value, tuple):
            return value
        numbers = set()
        for part in str(value).split(","):
            text = part.strip()
            if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= limits.MOST_REPLICAS):
                most = limits.MOST_REPLICAS
                self.fail(f"{text[:40]!r} is not an integer from 1 to {most}; write for example 1,2,4", param, ctx)
            numbers.add(int(text))
        return tuple(sorted(numbers))


class BatchList(click.ParamType):
    """`1,8,32`: batch sizes, in ascending order, each once."""

    name = "N,N,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse; a click usage error names the first part that is no batch size."""
        if isinstance(value, tuple):
            return value
        parts: list[Any] = [part.strip() for part in str(value).split(",")]
        sizes = {BATCH.convert(part, param, ctx) for part in parts}
        if len(sizes) > limits.MOST_BATCHES:
            self.fail(f"{len(sizes)} batch sizes; at most {limits.MOST_BATCHES}", param, ctx)
        return tuple(sorted(sizes))


class RuntimeList(click.ParamType):
    """`framework`, `onnx` or both: what answers requests, each once."""

    name = "|".join([*RUNTIMES, ",".join(RUNTIMES)])

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse; a click usage error names the first that is unknown."""
        if isinstance(value, tuple):
            return value
        names = [part.strip() for part in str(value).split(",")]
        for name in names:
            if name not in RUNTIMES:
                self.fail(f"{name!r} is none of {', '.join(RUNTIMES)}", param, ctx)
        return tuple(name for name in RUNTIMES if name in names)


class ColumnList(click.ParamType):
    """`pt`, `tf`, `both`, or a list as `pt@2.12,pt@2.13,tf`: columns of a run, each once, in the order typed."""

    name = f"{'|'.join((*KEYS, ALL))}|{KEYS[0]}@2.13,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse; a click usage error names the first that is unknown or there twice."""
        from bench.host.interpreters import column_of

        if isinstance(value, tuple):
            return value
        names: list[str] = []
        for part in str(value).split(","):
            name = part.strip()
            try:
                asked = list(KEYS) if name == ALL else [column_of(name).name]
            except ValueError as error:
                self.fail(str(error), param, ctx)
            if twice := [each for each in asked if each in names]:
                self.fail(f"{twice[0]!r} is there twice", param, ctx)
            names += asked
        return tuple(names)


class NumberRange(click.FloatRange):
    """A range of numbers. `nan` lies in none: no comparison with it holds, so click's own range lets it in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse; a click usage error where it is not in the range."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


POSITIVE = click.IntRange(1, limits.MOST_STEPS)
CORES = click.IntRange(1, limits.MOST_CORES)
REPLICAS = click.IntRange(1, limits.MOST_REPLICAS)
BATCH = click.IntRange(1, limits.MOST_BATCH)
EPOCHS = click.IntRange(0, limits.MOST_EPOCHS)
REPEATS = click.IntRange(1, limits.MOST_REPEATS)
LOADERS = click.IntRange(1, limits.MOST_LOADERS)
SEED = click.IntRange(0, limits.LARGEST_SEED)
TIMEOUT = NumberRange(0, limits.LONGEST_TIMEOUT, min_open=True)  # seconds

TITLES = ", ".join(each.title for each in FRAMEWORKS.values())

workload = click.option(
    "--workload", default="effnet-b0", show_default=True, help="A name that `bench list` shows, or a TOML file."
)
preset = click.option("--preset", help="Default: `quick` on CPU, `full` (the settings as published) on GPUs.")
framework = click.option(
    "--framework",
    type=click.Choice([*KEYS, ALL]),
    default=ALL,
    show_default=True,
    help=f"{TITLES} or {ALL}.",
)
columns = click.option(
    "--framework",
    type=ColumnList(),
    default=ALL,
    show_default=True,
    help=f"{TITLES} or {ALL}; or a list with versions, each in an environment that `bench env` made.",
)
PYTHONS = {key: f"{key}_python" for key in KEYS}  # framework to the parameter of the option below


def pythons(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each framework: `--pt-python` and `--tf-python`."""
    for each in reversed(FRAMEWORKS.values()):
        option = click.option(each.python_option, metavar="PYTHON", help=f"Interpreter of {each.title}'s workers.")
        command = option(command)
    return command


def typed(ctx: click.Context) -> dict[str, str]:
    """The parameters that the user gave: name to the option as it is typed."""
    given = [each for each in ctx.command.params if each.name in ctx.params]
    is_default = {each.name: ctx.get_parameter_source(str(each.name)) is ParameterSource.DEFAULT for each in given}
    return {
        str(each.name): "/".join([each.opts[0], *each.secondary_opts[:1]])
        for each in given
        if not is_default[each.name]
    }


def take_pythons(settings: dict[str, Any]) -> dict[str, str | None]:
    """Framework to the interpreter that was named for its workers; these parameters are taken out of the settings."""
    return {key: settings.pop(parameter) for key, parameter in PYTHONS.items()}


replicas = click.option(
    "--gpus",
    "replicas",
    type=PositiveList(),
    default="1,2",
    show_default=True,
    help="Numbers of replicas: GPUs, or on CPU pinned groups of cores.",
)
device = click.option(
    "--device",
    type=click.Choice(["auto", *DEVICES]),
    default="auto",
    show_default=True,
    help="auto: GPUs where there are any.",
)
precision = click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
arm = click.option(
    "--arm",
    type=click.Choice(ARMS),
    default="matched",
    show_default=True,
    help="matched: the same mathematics in both. native: each framework's off-the-shelf model; never verified.",
)
input_mode = click.option(
    "--input",
    "input_mode",
    type=click.Choice(INPUT_MODES),
    default="disk",
    show_default=True,
    help="disk: the whole pipeline. memory: pages in RAM. device: one batch on the device, compute alone.",
)
data = click.option("--data", type=click.Path(), metavar="STORE", help="A prepared store. Default: synthetic pages.")
seed = click.option("--seed", type=SEED, default=0, show_default=True)
vocab = click.option(
    "--vocab",
    metavar="FILE|NAME",
    help="Of texts: a vocab.txt, a folder or a hub's name. Default: a vocabulary trained on the texts.",
)
vectors = click.option(
    "--vectors",
    type=click.Path(),
    metavar="FILE",
    help="Of whole words: word2vec (text or binary) or GloVe. Default: random vectors, which are trained.",
)
