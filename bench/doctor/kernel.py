"""A fixed kernel, timed over and over on one core: a process of its own, so that threads can be limited beforehand.

`python kernel.py SECONDS PAIRS CORE` prints one JSON object; imports NumPy and the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

KERNEL_SECONDS = 0.008  # about what one product shall take: long beside the clock, short beside a block
FIRST_SIZE, SIZE_STEP = 256, 32
WARM_UP_SHARE = 0.05  # of the time, before anything is kept: clocks rise, pages are mapped


@dataclass(frozen=True)
class Block:
    """One side of a pair: the kernel over and over for a while."""

    start: float  # seconds since the first block began
    seconds: tuple[float, ...]  # of each call


def sample(
    kernels: tuple[Callable[[], object], Callable[[], object]],
    pairs: int,
    block_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[Block], list[Block]]:
    """Time two kernels in turns, A B B A A B ...: drift that both of a pair meet cancels.

    Args:
        kernels: A and B; the same one twice for an A/A.
        pairs: blocks of each.
        block_seconds: how long a block goes on; it has one call at least.

    Returns:
        the blocks of A and those of B, pair by pair.
    """
    sides: tuple[list[Block], list[Block]] = ([], [])
    first = clock()
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            begin = before = clock()
            seconds: list[float] = []
            while not seconds or before - begin < block_seconds:
                kernels[side]()
                after = clock()
                seconds.append(after - before)
                before = after
            sides[side].append(Block(begin - first, tuple(seconds)))
    return sides


def product(size: int) -> Callable[[], object]:
    """A product of two square float32 matrices, into memory that is already there."""
    import numpy as np

    left, right = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    out = np.empty_like(left)
    return lambda: np.matmul(left, right, out=out)


def fitting_size(clock: Callable[[], float] = time.perf_counter) -> int:
    """Rows of the matrices whose product takes about KERNEL_SECONDS here."""
    kernel = product(FIRST_SIZE)
    kernel()
    tries = []
    for _ in range(5):
        begin = clock()
        kernel()
        tries.append(clock() - begin)
    size = FIRST_SIZE * (KERNEL_SECONDS / min(tries)) ** (1 / 3)
    return max(SIZE_STEP, round(size / SIZE_STEP) * SIZE_STEP)


def main(seconds: float, pairs: int, core: int) -> None:
    """The A/A on one core, printed as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    size = fitting_size()
    kernel = product(size)
    sample((kernel, kernel), 1, seconds * WARM_UP_SHARE / 2)
    sides = sample((kernel, kernel), pairs, seconds * (1 - WARM_UP_SHARE) / (2 * pairs))
    print(json.dumps({"size": size, "sides": [[asdict(block) for block in side] for side in sides]}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
