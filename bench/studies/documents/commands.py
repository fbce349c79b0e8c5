"""The command line for the reference: every sub-command of `bench` with its options, and the other programs."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator

import click

from bench.cli import cli
from bench.host.locations import PROJECT_ROOT
from bench.studies.documents.markdown import code, either, fenced, joined, prose, table
from bench.terminal.printable import markdown_text
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

HEADINGS = ("option", "value", "default", "meaning")
# programs of click: how they are started to the module of their command
PROGRAMS = {
    "bench.studies.noise": "bench.studies.noise",
    "bench.studies.coverage": "bench.studies.coverage.__main__",
    "bench.studies.harness_cost": "bench.studies.harness_cost",
    "bench.studies.performance": "bench.studies.performance.__main__",
    "bench.studies.gate.shown": "bench.studies.gate.shown",
    "bench.studies.gate.simulate": "bench.studies.gate.simulate",
    "bench.studies.ocr_speed": "bench.studies.ocr_speed",
    "bench.studies.same_numbers": "bench.studies.same_numbers",
    "bench.studies.dropout": "bench.studies.dropout",
    "bench.studies.docbert": "bench.studies.docbert.__main__",
    "bench.studies.documents": "bench.studies.documents.__main__",
}
# programs that this package may not import: they are asked for their help
OTHERS = (*(f"{each.wing}.convert" for each in FRAMEWORKS.values()), "tests.bench.chaos")
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHON_COLORS": "0"}  # help is written alike wherever it is asked for


def commands_text() -> str:
    """Every command of `bench`."""
    return joined(joined([f"### {name}", command_text(command, name)]) for name, command in walk(cli, "bench"))


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and those below it, by how they are typed, in the order in which help lists them."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None, "a group lists what it has"
            yield from walk(below, f"{name} {each}")


def programs_text() -> str:
    """The programs beside `bench`."""
    parts = [
        joined([f"### {typed}", command_text(command, typed)])
        for name in PROGRAMS
        for typed, command in walk(found(name), f"python -m {name}")
    ]
    asked = {name: ask_help(name) for name in OTHERS}
    parts += [joined([f"### python -m {name}", fenced(answer(name, asked[name]))]) for name in OTHERS]
    return joined(parts)


def found(program: str) -> click.Command:
    """The command of a program of click: the one that its module defines."""
    module = importlib.import_module(PROGRAMS[program])
    commands = [each for each in vars(module).values() if isinstance(each, click.Command)]
    groups = [each for each in commands if isinstance(each, click.Group)]
    (command,) = groups or commands
    return command


def ask_help(program: str) -> subprocess.Popen[str]:
    """Start a program that prints its help."""
    line = [sys.executable, "-m", program, "--help"]
    return subprocess.Popen(
        line, cwd=PROJECT_ROOT, env=os.environ | PLAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answer(program: str, asked: subprocess.Popen[str]) -> str:
    """What it printed.

    Raises:
        UserError: it could not be started.
    """
    help_text, complaint = asked.communicate()
    if asked.returncode:
        raise UserError(f"python -m {program} --help: {(complaint.strip() or 'no output').splitlines()[-1]}")
    return help_text.replace("__main__.py", program)


def command_text(command: click.Command, name: str) -> str:
    """How a command is typed, what it does, its arguments and options."""
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command, info_name=name))])
    rows = [row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    return joined([fenced(usage), help_text(command.help or ""), table(HEADINGS, rows) if rows else ""])


def help_text(text: str) -> str:
    r"""Help as click has it: paragraphs, of which those after a mark (\b) keep their lines."""
    parts = [part for part in inspect.cleandoc(text).split("\n\n") if part.strip()]
    return joined(fenced(part.lstrip("\b\n")) if part.startswith("\b") else prose(part) for part in parts)


def row(parameter: click.Parameter) -> tuple[str, str, str, str]:
    """A parameter by HEADINGS."""
    if isinstance(parameter, click.Option):
        names = " / ".join(map(code, [*parameter.opts, *parameter.secondary_opts]))
        value = value_text(parameter) + (", repeatable" if parameter.multiple else "")
        return names, value, default(parameter), markdown_text(parameter.help or "")
    name = (parameter.metavar or (parameter.name or "").upper()).removesuffix("...")
    more = ", several" if parameter.nargs == -1 else ""
    return code(name), value_text(parameter, metavar=False) + more, default(parameter), "argument"


def value_text(parameter: click.Parameter, metavar: bool = True) -> str:
    """What a parameter takes.

    Args:
        metavar: whether its own word for it is used where it has one.
    """
    kind = parameter.type
    if getattr(parameter, "is_flag", False):
        return "flag"
    if isinstance(kind, click.Choice):
        return either(code(choice) for choice in kind.choices)
    if metavar and parameter.metavar:
        return words_of(parameter.metavar)
    if isinstance(kind, click.IntRange | click.FloatRange):
        return range_text(kind)
    if isinstance(kind, click.Path):
        return "path"
    plain = {"text": "text", "integer": "integer", "float": "number"}
    return plain.get(kind.name) or words_of(kind.name)


def words_of(name: str) -> str:
    """The name of a kind of value, or names of which it is one."""
    return either(map(code, name.split("|")))


def range_text(kind: click.IntRange | click.FloatRange) -> str:
    """A range of numbers."""
    noun = "integer" if isinstance(kind, click.IntRange) else "number"
    if kind.min is not None and kind.max is not None and not (kind.min_open or kind.max_open):
        return f"{noun} from {number(kind.min)} to {number(kind.max)}"
    low = f"{'above' if kind.min_open else 'at least'} {number(kind.min)}" if kind.min is not None else ""
    high = f"{'below' if kind.max_open else 'at most'} {number(kind.max)}" if kind.max is not None else ""
    return f"{noun} {', '.join(filter(None, [low, high]))}".strip()


def number(value: float) -> str:
    """A bound, without a fraction where it has none."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def default(parameter: click.Parameter) -> str:
    """The default of a parameter: what is taken where it is left out."""
    value = parameter.default
    if parameter.required:
        return "needed"
    if isinstance(parameter, click.Option) and parameter.is_flag:
        names = parameter.opts if value is True else parameter.secondary_opts if value is False else []
        return code(names[0]) if names else "-"
    if isinstance(value, list | tuple):
        return code(",".join(map(str, value)))
    return code(value) if isinstance(value, str | int | float) and value != "" else "-"
