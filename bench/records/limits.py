"""How large the numbers of a command, a plan or a record may be: beyond these it is a typing error, not a machine.

Without imports, so that the command line can name them at once.
"""

LARGEST = 1e15  # of any figure: bytes, joules, parameters; a hundred times what the largest machines have
MOST_REPLICAS = 4096  # of a cell; loops and figures go over them
MOST_BATCH = 1_000_000  # samples per replica
MOST_BATCHES = 64  # batch sizes of an inference
MOST_STEPS = 100_000_000  # of a training
MOST_REPEATS = 1000
MOST_EPOCHS = 100_000
MOST_CORES = 4096
MOST_LOADERS = 256  # processes per replica; each takes memory of its own
LONGEST_TIMEOUT = 30 * 86400.0  # seconds
LARGEST_SEED = (1 << 63) - 1 - MOST_REPEATS  # the seed of a repeat is this much larger
