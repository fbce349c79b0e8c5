"""The machine and the processes on it: cores, GPUs, interpreters, environments, files, locks."""
