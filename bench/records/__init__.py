"""What is on disk and how it groups: records (older schemas folded), what makes them comparable, repeats, columns,
kinds of runs, run directories, certificates."""
