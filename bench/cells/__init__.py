"""One cell from its start to its record: launch, events, turns, summary."""
