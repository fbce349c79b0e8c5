"""The command line of the converters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pt_impl.convert_command import run

LAYOUT = ("layoutlmv2-base", "out.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b9", "out.safetensors"), "invalid choice: 'b9'"),
        (("b0", "out.npz"), "must end in .safetensors"),
        (("b0", "absent/out.safetensors"), "no such folder"),
        (("b0", "out.safetensors", "--classes", "0"), "0 is not a number of classes"),
        (("b0", "out.safetensors", "--part", "text=FOLDER"), "--part: b0 starts from whole ones; leave it away"),
        ((*LAYOUT, "--part", "text=FOLDER", "--weights", "OTHER"), "--part: a whole checkpoint is named too"),
        ((*LAYOUT, "--part", "text=absent"), "absent: no weights there"),
        ((*LAYOUT, "--part", "sound=absent"), "--part sound: layoutlmv2-base has the parts text, backbone"),
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
