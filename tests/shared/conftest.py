"""The clock of the session's tests."""

from __future__ import annotations

import pytest
from fake_wing import Clock

from shared import parts, session, window


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (session, window, parts):
        monkeypatch.setattr(module, "time", clock)
    return clock
