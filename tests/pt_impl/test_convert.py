"""The command line of the converters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pt_impl.convert_command import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b9", "out.safetensors"), "invalid choice: 'b9'"),
        (("b0", "out.npz"), "must end in .safetensors"),
        (("b0", "absent/out.safetensors"), "no such folder"),
        (("b0", "out.safetensors", "--classes", "0"), "0 is not a number of classes"),
    ],
)
def test_bad_arguments(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
