"""What this machine can run: the checks of `bench doctor`, one file a topic, listed in `bench.doctor.examine`."""
