"""Where the time of a training step goes, and where the difference between two frameworks comes from."""
