"""Whose code a side runs: found as its `bench run` and its workers will find it, before anything is measured.

A revision that lacks a package would run the one that is installed, and an A/B would be an A/A without a word.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

TIMEOUT_SECONDS = 120.0
# prints where each package would be imported from; none of them is, and no framework
PROGRAM = """
import json, sys
from importlib.util import find_spec
specs = {name: find_spec(name) for name in sys.argv[1:]}
print(json.dumps({name: [str(place) for place in spec.submodule_search_locations or [spec.origin]] if spec else []
                  for name, spec in specs.items()}))
"""


def check_code(
    what: str, tree: Path, python: str, workers: Mapping[str, str | None], environment: Mapping[str, str]
) -> None:
    """Whether a side's packages come from its own tree, in its harness and in the workers of each framework.

    Args:
        what: the side, for the user.
        tree: the project's folder in it.
        python: runs the harness.
        workers: framework to the interpreter of its workers; None: the harness's.
        environment: of its `bench run`.

    Raises:
        UserError: one comes from elsewhere or is not there, or the interpreter does not answer.
    """
    wings = {framework: FRAMEWORKS[framework].wing for framework in workers}
    _check(what, tree, python, ["bench", "shared", *wings.values()], tree, environment)
    for framework, wing in wings.items():  # which start in a folder of their own
        _check(what, tree, workers[framework] or python, ["shared", wing], Path(tree.anchor), environment)


def _check(
    what: str, tree: Path, python: str, names: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    for name, places in _places(what, python, names, folder, environment).items():
        if not places:
            raise UserError(f"{what}: has no {name}/ beside its bench/")
        for place in places:
            if not Path(place).resolve().is_relative_to(tree.resolve()):
                raise UserError(
                    f"{what}: its {name} would be imported from {place}, not from its own files: nothing was measured; "
                    "a package is missing in that revision, or another one is in the way"
                )


def _places(
    what: str, python: str, names: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> dict[str, list[str]]:
    try:
        done = subprocess.run(
            [python, "-c", PROGRAM, *names], cwd=folder, env=dict(environment), capture_output=True, text=True,
            errors="replace", timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return {str(name): list(map(str, places)) for name, places in json.loads(done.stdout).items()}
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{what}: {python} does not answer ({error})") from None
    except (ValueError, TypeError, AttributeError):
        words = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise UserError(f"{what}: {python} does not say where it finds the code ({words})") from None
