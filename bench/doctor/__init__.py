"""What this machine can run: the checks of `bench doctor`, one file per topic, listed in `bench.doctor.examine`."""
