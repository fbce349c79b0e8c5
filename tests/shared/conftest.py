"""The clock of the session's tests."""

from __future__ import annotations

import pytest
from fake_wing import Clock

from shared import session


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(session, "time", clock)
    return clock
