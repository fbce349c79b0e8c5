"""`python -m pt_impl.convert` in this process."""

from __future__ import annotations

import sys

import pytest

from pt_impl import convert


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit status of the command line."""
    monkeypatch.setattr(sys, "argv", ["convert", *map(str, arguments)])
    try:
        return convert.main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
