"""What is on disk and how it groups: records, run directories, repeats, columns, kinds of runs, certificates."""
