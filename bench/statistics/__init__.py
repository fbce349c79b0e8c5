"""Intervals, ratios of pairs, power, and what the steps of one process say. No room of the harness is imported here."""
