"""Following a worker's events while it writes them: cheaply, and whatever else it prints into the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.protocol import EVENTS

Event = dict[str, Any]
NUMBERS = (int, float)
# fields that the harness computes with; an event that lacks one or has another type is garbage
FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "phase": {"name": str},
    "first_step": {"seconds": NUMBERS},
    "step": {"index": int, "seconds": NUMBERS, "wait": NUMBERS, "measured": bool},
    "window": {
        "seconds": NUMBERS,
        "steps": int,
        "samples": int,
        "tokens": (int, type(None)),
        "retraces": int,
        "warmup": int,
        "stationary": (bool, type(None)),
        "turns": list,
    },
    "parts": {"seconds": dict},
    "epoch": {"index": int, "loss": NUMBERS},
    "eval": {"split": str, "correct": int, "total": int, "stage": str, "hits": int, "predicted": int, "relevant": int},
    "memory": {"rss_peak": NUMBERS, "allocator_peak": (int, float, type(None))},
    "error": {"kind": str, "message": str},
}
LONGEST_LINE = 1 << 20  # bytes; a longer one without an end is garbage, not an event


def parse(line: bytes) -> Event | None:
    """One line as an event; None for anything else."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("event") not in EVENTS:
        return None
    fields = FIELDS.get(event["event"], {})
    return event if all(name in event and isinstance(event[name], kind) for name, kind in fields.items()) else None


class EventTail:
    """Reads what is new in one rank's events file, parsing each line once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Event] = []  # all so far, less the steps outside the window: they only drive the progress
        self._offset = 0
        self._partial = b""

    def poll(self) -> list[Event]:
        """Events written since the last call; a line that is still being written waits for the next."""
        try:
            if self.path.stat().st_size <= self._offset:
                return []
            with self.path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except OSError:
            return []
        self._offset += len(chunk)
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > LONGEST_LINE:
            self._partial = b""
        new = [event for line in lines if (event := parse(line)) is not None]
        self.events += [event for event in new if event["event"] != "step" or event["measured"]]
        return new
