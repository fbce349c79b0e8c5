"""Programs that made results/reference and have no sub-command; each is run with `python -m`."""
