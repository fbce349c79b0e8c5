"""Figures of plain runs: how they look, lines over replicas, bars, the comparison."""
