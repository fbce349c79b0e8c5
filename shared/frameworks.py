"""The frameworks that the suite compares: everything in which the harness treats one differently from another.

No other module compares with a framework's key or lists the keys (tests/shared/test_frameworks.py names the exceptions,
each with its reason). A further framework is an entry here, a wing, and an extra in pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Framework:
    """One side of the comparison."""

    key: str  # as it is typed, and as cells, records and extras in pyproject.toml have it
    title: str  # for people
    module: str  # that is imported; its distribution has the same name
    wing: str  # its package of this project
    process_per_replica: bool  # a rank per replica; False: one process drives all replicas
    launcher: str | None  # the module, with the options of torchrun, that starts several ranks; None: there is one
    loads_in_processes: bool  # its loader workers are processes, which hand batches over in shared memory
    cuda_extra: str  # what is asked for behind the distribution's name so that CUDA's libraries come with it
    packages: tuple[str, ...]  # distributions that its wing alone imports; the framework's own is the first
    proven: tuple[str, ...]  # of these, those that decide what the wing computes, and that a certificate is for
    versions: Mapping[str, str]  # setting under which a worker reports a version to the distribution
    companions: tuple[str, ...] = ()  # distributions compiled against one minor version of it: they load in no other
    # set for the workers of every framework, so that all run in the same surroundings
    variables: Mapping[str, str] = field(default_factory=dict)
    # set for its own workers on GPUs, where the user has set nothing
    gpu_variables: Mapping[str, str] = field(default_factory=dict)
    inherited_prefixes: tuple[str, ...] = ()  # of the user's variables that change its speed: recorded where set
    own_prefixes: tuple[str, ...] = ()  # of variables that no other framework reads

    def num_processes(self, replicas: int) -> int:
        """Ranks of a cell: processes that train, and write events."""
        return replicas if self.process_per_replica else 1

    @property
    def version_setting(self) -> str:
        """The setting under which a worker reports the framework's own version."""
        return f"version.{self.module}"

    @property
    def python_option(self) -> str:
        """The option that names the interpreter of its workers."""
        return f"--{self.key}-python"


PYTORCH = Framework(
    key="pt",
    title="PyTorch",
    module="torch",
    wing="pt_impl",
    process_per_replica=True,
    launcher="torch.distributed.run",
    loads_in_processes=True,
    cuda_extra="",  # its wheel depends on the libraries
    packages=("torch", "transformers"),
    proven=("torch",),
    versions={"version.torch": "torch", "version.transformers": "transformers"},
    inherited_prefixes=("TORCH_", "TORCHINDUCTOR_", "PYTORCH_"),
    own_prefixes=("TORCH", "PYTORCH_", "GLOO_"),
)
TENSORFLOW = Framework(
    key="tf",
    title="TensorFlow",
    module="tensorflow",
    wing="tf_impl",
    process_per_replica=False,
    launcher=None,
    loads_in_processes=False,
    cuda_extra="[and-cuda]",
    packages=("tensorflow", "keras", "tensorflow-text", "keras-cv", "keras-hub"),
    proven=("tensorflow", "keras"),
    versions={
        "version.tensorflow": "tensorflow",
        "version.keras": "keras",
        "version.keras_cv": "keras-cv",
        "version.keras_hub": "keras-hub",
    },
    companions=("tensorflow-text",),
    variables={
        # logs keep warnings and errors; the start-up notices say nothing about the cell
        "TF_CPP_MIN_LOG_LEVEL": "1",
        # Keras is imported by this wing alone
        "KERAS_BACKEND": "tensorflow",
    },
    # threads of its own for each GPU: else kernels wait to be started while loaders hold the threads
    gpu_variables={"TF_GPU_THREAD_MODE": "gpu_private"},
    inherited_prefixes=(
        "TF_ENABLE_", "TF_NUM_", "TF_XLA_FLAGS", "TF_GPU_", "TF_FORCE_", "TF_CUDNN_", "TF_DETERMINISTIC_", "XLA_FLAGS",
    ),
    own_prefixes=("TF_", "XLA_", "KERAS_"),
)  # fmt: skip
# in the order of columns, tables and options
FRAMEWORKS: dict[str, Framework] = {each.key: each for each in (PYTORCH, TENSORFLOW)}
KEYS = tuple(FRAMEWORKS)


def framework(key: str) -> Framework:
    """The framework of a key.

    >>> framework("tf").title
    'TensorFlow'

    Raises:
        ValueError: no such framework.
    """
    if key not in FRAMEWORKS:
        raise ValueError(f"unknown framework {key!r}; known: {', '.join(KEYS)}")
    return FRAMEWORKS[key]
