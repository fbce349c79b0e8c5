"""The command line: one file per sub-command, imported only when it is used.

Exit codes: 0 done; 1 the thing asked for did not hold (a cell failed, the ladder broke); 2 usage or bad input, in one
line on standard error; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from bench.terminal.printable import printable
from shared.errors import UserError

# sub-command to its one-line help; the code is `bench.cli.NAME:command`: a new one is a file there and a line here
COMMANDS = {
    "run": "Train and time the workload in each framework at each number of replicas.",
    "accuracy": "Score image model, text model and their ensemble over random splits.",
    "distill": "Train a small text network on what a large one says.",
    "verify": "Prove that both frameworks run the same computation.",
    "compare": "Hold two runs against each other: figures, settings, environments.",
    "gate": "Fail where a revision trains slower than another: for CI.",
    "report": "Write one page about one or more runs, and tables for other tools.",
    "plot": "Draw the figures of one or more runs from their records.",
    "data": "Prepare, describe and check stores of pages.",
    "baseline": "Score a store's text with linear models, what a network has to beat.",
    "env": "Make, list and remove environments of one framework each.",
    "doctor": "Say what this machine can run, and for each problem the fix.",
    "list": "Show the workloads, their presets and certificates.",
}
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class LazyGroup(click.Group):
    """A group that knows its sub-commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return [*COMMANDS]  # `list` is the module of a sub-command here, once that was imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command; None where the table has no such name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bench.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of sub-commands, from the static text."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def print_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    """`--version`; a checkout that nobody installed has none of its own."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"bench {version('twinbench')}")
        except PackageNotFoundError:
            click.echo("bench, from a checkout that is not installed")
        ctx.exit()


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Show it, leave."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Matching PyTorch and TensorFlow document-classification pipelines, proven equal, then timed.

    Begin with `bench run`: it needs no GPU and nothing downloaded.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def fail(message: str, code: int) -> NoReturn:
    """Print one line on standard error and leave; the exit code tells where that cannot be written."""
    with suppress(OSError):
        click.echo("bench: " + printable(" ".join(message.split())), err=True)
    sys.exit(code)


def discard_output() -> None:
    """Let nothing more be written to standard output."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `bench`: runs a sub-command and turns what it raises into an exit code.

    Streams that whoever started us has closed take everything and keep nothing. A file or an output that cannot be
    written or read, whichever it is, is the user's to mend, so it is told in a line like any other wrong input.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    try:
        result = cli.main(arguments, prog_name="bench", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        fail(f"error: {error}", 2)
    except click.UsageError as error:
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        fail(f"error: {error.format_message()}{where}", 2)
    except click.ClickException as error:
        fail(f"error: {error.format_message()}", 2)
    except click.Abort as abort:  # how click hands on a KeyboardInterrupt
        fail(f"interrupted{'; ' if str(abort.__cause__ or '') else ''}{abort.__cause__ or ''}", INTERRUPTED)
    except KeyboardInterrupt as interrupt:
        fail(f"interrupted{'; ' if str(interrupt) else ''}{interrupt}", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has left (`bench list | head`): nobody is there to be told
        discard_output()
        sys.exit(1)
    except OSError as error:
        discard_output()  # else the interpreter tries once more as it ends, and says so at length
        place = error.filename or "standard output"
        fail(f"error: {printable(place)}: {error.strerror or error}; nothing that was finished is lost", 2)
    finally:
        # nothing is left to clear up: a signal that comes now ends the process, it does not tear a traceback out of an
        # interpreter that shuts down
        if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(result if isinstance(result, int) else 0)
