"""Simulated runs of known truth: how often intervals hold it, and what the warm-up leaves in a window."""
