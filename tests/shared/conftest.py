"""The clock of the session's tests."""

from __future__ import annotations

import pytest

from shared import parts, session, window
from tests.shared.fake_wing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (session, window, parts):
        monkeypatch.setattr(module, "time", clock)
    return clock
