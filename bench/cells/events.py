"""Following a worker's events while it writes them: cheaply, and whatever else it prints into the file."""

from __future__ import annotations

from pathlib import Path

from shared.events import Event, Step, parse

LONGEST_LINE = 1 << 20  # bytes; a longer one without an end is garbage, not an event


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
        self.events += [event for event in new if not isinstance(event, Step) or event.measured]
        return new
