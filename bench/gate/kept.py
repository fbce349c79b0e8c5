"""The pairs of a gate, on disk as they come: what ends a gate before its time does not end them.

A line of JSON says which gate they are of, then a line a pair. `bench gate --resume` goes on with them, if it is the
same gate in every respect: the rule allows for stopping, not for choosing among half-finished gates.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.gate.result import Frozen, PairResult
from bench.host.files import write_atomically
from shared.errors import UserError
from shared.outside import NO_SUCH_FILE, OutsideError, parse_json, read_text


class KeptPair(Frozen):
    """A pair with what the result needs to know besides."""

    benchmark: str
    pair: PairResult
    spec_changed: bool
    versions: dict[str, dict[str, str]]  # of either side


class Kept:
    """The file of one gate's pairs."""

    def __init__(self, path: Path, gate: dict[str, Any], resume: bool, say: Callable[[str], None]) -> None:
        """
        Args:
            gate: what tells this gate from another one, as JSON has it.
            resume: go on with the pairs that are there; otherwise they are dropped.

        Raises:
            UserError: no pairs of this gate to go on with, or the file cannot be written.
        """
        self.path, self.say = path, say
        self.pairs: list[KeptPair] = read(path, gate) if resume else []
        self._is_broken = False
        try:
            write_atomically(path, "".join(f"{line}\n" for line in [json.dumps(gate), *map(_line, self.pairs)]))
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); set TWINBENCH_RESULTS") from None

    def of(self, benchmark: str) -> list[KeptPair]:
        """Those of a benchmark, in order."""
        return [kept for kept in self.pairs if kept.benchmark == benchmark]

    def add(self, kept: KeptPair) -> None:
        """Write one down; where that fails the gate goes on, and says so once."""
        self.pairs.append(kept)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{_line(kept)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if not self._is_broken:
                self.say(f"{self.path}: pairs cannot be kept ({error.strerror}); an interrupt would lose them")
            self._is_broken = True

    def drop(self, benchmark: str) -> None:
        """Forget those of a benchmark that is measured otherwise from here on; the file has none of them yet."""
        self.pairs = [kept for kept in self.pairs if kept.benchmark != benchmark]

    def told(self, summaries: list[str]) -> str:
        """What an interrupted gate says."""
        if not self.pairs:
            return ""
        where = "" if self._is_broken else f"; kept in {self.path}: the same command with --resume goes on"
        return f"{len(self.pairs)} pairs are measured ({'; '.join(summaries)}){where}"


def read(path: Path, gate: dict[str, Any]) -> list[KeptPair]:
    """The pairs in a file; a last line that was never finished is left out.

    Raises:
        UserError: no file, one of another gate, or one that is no such file.
    """
    try:
        first, *lines = read_text(path).split("\n")
        there = parse_json(first)
        if not isinstance(there, dict):
            raise ValueError("no settings")
        if other := [name for name in gate if there.get(name) != gate[name]]:
            raise UserError(f"--resume: the pairs in {path} are of another gate ({other[0]}: {there.get(other[0])!r}, "
                            f"now {gate[other[0]]!r})")  # fmt: skip
        return [KeptPair.model_validate(parse_json(line)) for line in lines[:-1]]
    except (OutsideError, ValueError) as error:  # pydantic's too
        if isinstance(error, OutsideError) and error.reason == NO_SUCH_FILE:
            raise UserError(f"--resume: no pairs are kept in {path.parent}; leave it out") from None
        why = " ".join(str(error).split())[:100]
        raise UserError(f"--resume: {path} is not what a gate wrote ({why}); leave --resume out") from None


def _line(kept: KeptPair) -> str:
    return kept.model_dump_json()
