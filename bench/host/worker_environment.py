"""The environment variables of a worker: in one place, the same for both wings, each with its reason."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.errors import UserError
from shared.frameworks import FRAMEWORKS, framework
from shared.protocol import Cell

# the user's own variables that change speed: never set here, recorded where they are set
INHERITED_PREFIXES = (
    "LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_",
    "NCCL_", "CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_MAX_CONNECTIONS", "NVIDIA_TF32_OVERRIDE",
    *(prefix for each in FRAMEWORKS.values() for prefix in each.inherited_prefixes),
)  # fmt: skip

# A socket's path may have 107 bytes on Linux and 103 on macOS; `multiprocessing` makes /pymp-xxxxxxxx/listener-xxxxxxxx
# in the temporary folder
LONGEST_TMPDIR = 103 - len("/pymp-xxxxxxxx/listener-xxxxxxxx")
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def is_usable(folder: str) -> bool:
    """Whether loader processes can have their sockets in a temporary folder."""
    path = Path(folder)
    return (
        path.is_absolute()
        and len(os.fsencode(folder)) <= LONGEST_TMPDIR
        and path.is_dir()
        and os.access(path, os.W_OK | os.X_OK)
    )


@contextmanager
def temporary_folder() -> Iterator[dict[str, str]]:
    """The variable that gives a worker a temporary folder of its own where the user's does not do; removed at the end.

    Where TMPDIR does, or is not set, nothing.

    Raises:
        UserError: TMPDIR does not do and there is no other place.
    """
    named = os.environ.get("TMPDIR")
    if not named or is_usable(named):
        yield {}
        return
    place = next(filter(is_usable, SHORT_FOLDERS), None)
    if place is None:
        raise UserError(
            f"TMPDIR={named}: too long for sockets ({LONGEST_TMPDIR} bytes), or no folder that can be written to, and "
            f"neither can {', '.join(SHORT_FOLDERS)}; set it to a short folder"
        )
    # what a killed loader has left in it goes with it
    with tempfile.TemporaryDirectory(prefix="twinbench-", dir=place, ignore_cleanup_errors=True) as folder:
        yield {"TMPDIR": folder}


def worker_environment(cell: Cell, tune: bool, gpu_selectors: Sequence[str] = ()) -> dict[str, str]:
    """What is set for a cell's worker, on top of the user's environment.

    Args:
        cell: the cell.
        tune: whether the C allocator is told to keep its memory (`--tune`).
        gpu_selectors: the cell's GPUs as CUDA_VISIBLE_DEVICES names them; ignored on CPU.
    """
    own = framework(cell.framework)
    threads = cell.threads_per_replica * cell.replicas // own.num_processes(cell.replicas)
    variables = {
        # no more threads than the process has cores: OpenMP and BLAS would otherwise take the whole machine
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        # the cell's GPUs and no others, numbered as the driver does; on CPU none, so that nothing is put there
        "CUDA_VISIBLE_DEVICES": ",".join(gpu_selectors) if cell.device == "cuda" else "",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        # a benchmark must not wait for a network, and what it loads must be what was prepared
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        # a crash leaves its last words and its Python stack in the log
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    for each in FRAMEWORKS.values():
        variables |= each.variables
    if cell.device == "cuda":
        variables |= {name: os.environ.get(name, value) for name, value in own.gpu_variables.items()}
    if sys.platform == "linux":
        # all replicas are on this machine; the host name may not resolve in a container
        variables["GLOO_SOCKET_IFNAME"] = "lo"
    if tune:
        # glibc gives every large block back to the system and has its pages zeroed again at the next step: on CPU a
        # third to a half of a PyTorch step. Told to keep its memory it does what TensorFlow's own pool does already.
        variables["MALLOC_MMAP_MAX_"] = "0"
        variables["MALLOC_TRIM_THRESHOLD_"] = str(1 << 40)
    return variables


def recorded_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """`env.NAME` to value: what was set for the worker, and what it inherited that changes speed."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(INHERITED_PREFIXES)}
    return {f"env.{name}": value for name, value in sorted((inherited | dict(variables)).items())}
