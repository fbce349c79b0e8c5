"""What the harness sees of a running cell from outside: CPU, memory, GPUs, and whoever else was at work."""
