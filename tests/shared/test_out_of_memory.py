"""Errors that say that memory ran out, in the words of the libraries, and those that only sound like it."""

from __future__ import annotations

import pytest

from shared.out_of_memory import line_of, out_of_memory

RAN_OUT = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.5 GiB is free.",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "NCCL error in: NCCLUtils.hpp:268, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.29\n"
    "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nCuda failure 2 'out of memory'",
    "Cuda failure 'out of memory'",
    "Failed initializing StreamExecutor for CUDA device ordinal 0: INTERNAL: failed call to cuDevicePrimaryCtxRetain: "
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory; total memory reported: 85045411840",
    "Failed initializing StreamExecutor",
    "Failed to create cuDNN handle",
    "Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR",
    "failed to create cublas handle: the resource allocation failed",
    "Failed to create cuBLAS handle",
    "No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine eng1{}: RESOURCE_EXHAUSTED: Out of "
    "memory while trying to allocate 4299162648 bytes.",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "Graph execution error:\n\nDetected at node Conv2D\nOOM when allocating tensor with shape[64,32,192,192] and type "
    "float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc\n\t [[{{node Conv2D}}]]",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "8000000000000 bytes. Error code 12 (Cannot allocate memory)",
    "std::bad_alloc",
    "[Errno 12] Cannot allocate memory",
    "UnknownError: MemoryError: Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type int64",
    "Caught _ArrayMemoryError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):",
    "Fatal Python error: Aborted\nterminate called after throwing an instance of 'std::bad_alloc'\n  what():  bad",
]
ELSE = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: invalid device ordinal",
    "CUDA driver version is insufficient for CUDA runtime version",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "Cuda failure 209 'no kernel image is available for execution on the device'",
    "Cuda failure 'invalid argument'",
    "Failed initializing StreamExecutor for CUDA device ordinal 0: INTERNAL: failed call to cuDevicePrimaryCtxRetain: "
    "CUDA_ERROR_INVALID_DEVICE: invalid device ordinal",
    "Could not create cudnn handle: CUDNN_STATUS_VERSION_MISMATCH",
    "No algorithm worked!  Error messages:\n  CUDNN_STATUS_NOT_SUPPORTED: this type",
    "/data/out of memory: no such store",
    "shape mismatch in memory layout",
    "2026-01-01 00:00:00.000000: W external/xla/xla/tsl/framework/bfc_allocator.cc:310] Allocator (GPU_0_bfc) ran "
    "out of memory trying to allocate 2.27GiB with freed_by_count=0. The caller indicates that this is not a failure",
    "2026-01-01 00:00:00.000000: I external/xla/stream_executor/cuda_executor.cc:1110] failed to allocate 40.0GiB from "
    "device: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "",
]


@pytest.mark.parametrize("text", RAN_OUT)
def test_what_libraries_say_when_memory_runs_out(text: str) -> None:
    line = line_of(text)
    assert line
    assert line in text
    assert "\n" not in line
    assert out_of_memory(RuntimeError(text)) == line


@pytest.mark.parametrize("text", ELSE)
def test_what_only_sounds_like_it(text: str) -> None:
    assert line_of(text) is None
    assert out_of_memory(RuntimeError(text)) is None


def test_a_type_of_its_own_needs_no_words() -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch has it."""

    class TheirsError(OutOfMemoryError):
        """A kind of it."""

    assert out_of_memory(MemoryError()) == "out of memory"
    assert out_of_memory(TheirsError("\n 3 bytes\nmore")) == "3 bytes"


def test_what_tensorflow_calls_exhausted_may_be_a_disk() -> None:
    class ResourceExhaustedError(Exception):
        """As TensorFlow has it."""

    assert out_of_memory(ResourceExhaustedError("failed to allocate 3 bytes")) == "failed to allocate 3 bytes"
    assert out_of_memory(ResourceExhaustedError("events.log; No space left on device")) is None
    assert out_of_memory(ResourceExhaustedError("images.bin; Too many open files")) is None
