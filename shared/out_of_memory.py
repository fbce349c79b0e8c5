"""Out of memory, told from every other failure by what frameworks and libraries say of it.

Only some of it has a type of its own (`torch.OutOfMemoryError`, `MemoryError`). CUDA, cuBLAS, cuDNN, NCCL and the CPU
allocators raise whatever their caller raises, and TensorFlow's ResourceExhaustedError is also a full disk.
"""

from __future__ import annotations

import re

# each is in an error's text where memory ran out, and nowhere else
SAYINGS = re.compile(
    "|".join(
        (
            r"(CUDA|HIP|XPU) out of memory",  # torch's allocators
            r"(CUDA|HIP|XPU) error: out of memory",
            r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory",
            r"CU[A-Z]+_STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE
            r"CUDNN_STATUS_INTERNAL_ERROR_(DEVICE|HOST)_ALLOCATION_FAILED",
            r"Cuda failure (2\b|(2 )?'out of memory')",  # NCCL; 2 is cudaErrorMemoryAllocation
            r"OOM when allocating",  # TensorFlow's allocators
            r"Out of memory (while trying to allocate|allocating)",  # XLA
            r"failed to allocate memory|Failed to allocate request for",
            r"DefaultCPUAllocator: (can't allocate memory|not enough memory)",  # torch, on the CPU
            r"std::bad_alloc",
            r"Cannot allocate memory",  # ENOMEM
            r"MemoryError\b",  # of Python, NumPy, torch, carried over in a loader's text
        )
    )
)
# What a library says that could not get its memory and does not say so, as a rule; another cause is named beside it.
MOSTLY = re.compile(
    r"Failed initializing StreamExecutor|(failed to|could not) create (cudnn|cublas) handle|No algorithm worked"
    r"|Unable to find a valid cuDNN algorithm",
    re.IGNORECASE,
)
OTHER_CAUSE = re.compile(
    r"CUDA_ERROR_(?!OUT_OF_MEMORY)|CU[A-Z]+_STATUS_(?!ALLOC_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)"
    r"|mismatch|driver version|not supported|unsupported",
    re.IGNORECASE,
)
# lines of a log that are no error: TensorFlow's notices and warnings, after which it goes on with less
GOES_ON = re.compile(r"not a failure|: [IW] \S+\.cc:\d+\]")
TYPES = {"MemoryError", "OutOfMemoryError"}
ALSO_DISK = "ResourceExhaustedError"  # TensorFlow's for everything that the system counts
OTHER_RESOURCES = re.compile(r"No space left on device|Too many open files|Disk quota exceeded", re.IGNORECASE)


def line_of(text: str) -> str | None:
    """The first line of a text that says that memory ran out; None where none does.

    >>> line_of("Graph execution error:\\n  OOM when allocating tensor with shape[8,8]")
    'OOM when allocating tensor with shape[8,8]'
    >>> line_of("CUDA error: an illegal memory access was encountered") is None
    True
    """
    mostly = not OTHER_CAUSE.search(text)
    for line in text.splitlines():
        if (SAYINGS.search(line) or (mostly and MOSTLY.search(line))) and not GOES_ON.search(line):
            return line.strip()
    return None


def out_of_memory(error: BaseException) -> str | None:
    """What ran out of memory, in one line, where that is what an error is; None for every other error."""
    text = str(error)
    found = line_of(text)
    names = {kind.__name__ for kind in type(error).__mro__}
    exhausted = ALSO_DISK in names and not OTHER_RESOURCES.search(text)
    if not found and not exhausted and not names & TYPES:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return found or (lines[0] if lines else "out of memory")
