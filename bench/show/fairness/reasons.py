"""Why two sides may differ in a setting, and in what they may not: one sentence a setting, with its condition.

A difference that no row explains is shown first, as UNEXPLAINED; one in what must be equal as UNFAIR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench.show.fairness.sights import Sight, identity
from shared.frameworks import FRAMEWORKS, framework

Condition = Callable[[Sequence[Sight]], bool]

# a difference here means that the sides did not do the same work, or not in the same surroundings
MUST_BE_EQUAL = (
    "precision", "tf32", "padding", "norm_rule", "gelu", "weights", "num_parameters", "num_classes", "loader_workers",
    "prefetch", "affinity", "seed", "measured_steps", "deterministic", "env.MALLOC_*", "env.LD_PRELOAD",
    "env.GLIBC_TUNABLES", "env.NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
# of these the native arm takes whatever a framework's library brings
LIBRARYS_OWN = ("padding", "norm_rule", "gelu", "attention", "num_parameters", "tokenizer")


def is_among(key: str, patterns: Sequence[str]) -> bool:
    """Whether a setting is one of some, named or by pattern."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Reason:
    """Why a setting differs, where the condition holds."""

    pattern: str
    text: str
    holds: Condition


def frameworks(seen: Sequence[Sight]) -> dict[str, list[Sight]]:
    """Framework to its sides."""
    result: dict[str, list[Sight]] = {}
    for sight in seen:
        result.setdefault(sight.framework, []).append(sight)
    return result


def between(**tests: Callable[[Any], bool]) -> Condition:
    """The frameworks differ, each as it is known to; columns of one framework agree.

    Args:
        tests: framework to what its value must be; a reason is one between these frameworks and no others.
    """

    def holds(seen: Sequence[Sight]) -> bool:
        sides = frameworks(seen)
        return sides.keys() == tests.keys() and all(
            len({identity(value) for sight in group for value in sight.values.values()}) == 1
            and tests[name](group[0].value)
            for name, group in sides.items()
        )

    return holds


def alone(framework: str) -> Condition:
    """All sides of one framework report it, alike, and no other side does."""

    def holds(seen: Sequence[Sight]) -> bool:
        values = {identity(value) for sight in seen for value in sight.values.values()}
        return len(values) == 1 and all(sight.reported == (sight.framework == framework) for sight in seen)

    return holds


def a_share_each(seen: Sequence[Sight]) -> bool:
    """The same number per replica, whether a process drives one replica or all of them."""
    if len(frameworks(seen)) < 2 or not all(sight.reported for sight in seen):
        return False
    values = [(sight, str(value)) for sight in seen for value in sight.values.values()]
    if not all(value.isdigit() for _, value in values):
        return False
    return len({int(value) * num_processes(sight) / sight.replicas for sight, value in values}) == 1


def num_processes(sight: Sight) -> int:
    """Processes that a side's replicas are spread over."""
    return framework(sight.framework).num_processes(sight.replicas)


def the_same_cores(seen: Sequence[Sight]) -> bool:
    """As many cores per replica, rank 0's among those of all; replicas that share cores have fewer together."""
    cores: dict[bool, list[set[int]]] = {True: [], False: []}  # by whether a process has one replica
    for sight in seen:
        cores[framework(sight.framework).process_per_replica].append(set(sight.value or ()))
    if not (cores[True] and cores[False]) or not all(sight.reported for sight in seen):
        return False
    of_one, of_all = cores[True][0], cores[False][0]
    alike = all(group == of_one for group in cores[True]) and all(group == of_all for group in cores[False])
    wanted = len(of_one) * seen[0].replicas
    enough = len(of_all) == wanted or (seen[0].oversubscribed and len(of_all) < wanted)
    return alike and bool(of_one) and of_one <= of_all and enough


def always(seen: Sequence[Sight]) -> bool:
    """Whatever the values."""
    return True


def anything(value: Any) -> bool:
    """Whatever the value."""
    return True


def text_with(part: str) -> Callable[[Any], bool]:
    """A value whose text has a part."""
    return lambda value: part in str(value)


def one_framework(seen: Sequence[Sight]) -> bool:
    """Both sides are columns of one framework, and both report it."""
    return len(frameworks(seen)) == 1 and all(sight.reported for sight in seen)


A_PROCESS_A_REPLICA = (
    "PyTorch has a process per replica, TensorFlow one process for all: the same share a replica, reported by rank 0"
)
REASONS = (
    Reason("version.*", "another version of the same framework: what it does to the speed is what this compares",
           one_framework),
    *(Reason(setting, f"a package that {each.title}'s side alone runs", alone(each.key))
      for each in FRAMEWORKS.values() for setting in each.versions),
    Reason("version.*", "an environment per framework: their packages do not fit into one; batches are assembled by "
           "shared/, which both run", always),
    Reason("compiled", "each framework's fastest way to run the same step: eager PyTorch with fused kernels "
           "(torch.compile halved EfficientNet's speed on our CPUs), TensorFlow as a graph",
           between(pt=lambda value: value in (False, "eager"), tf=text_with("tf.function"))),
    Reason("reduction", "the mean of the replicas' gradients against the sum of shares divided beforehand: the same "
           "mathematics, proven by rung 6 of `bench verify`",
           between(pt=text_with("mean"), tf=text_with("sum of shares"))),
    Reason("attention", "PyTorch's fused kernel against TensorFlow's products and softmax: the same mathematics, "
           "proven by rung 3 of `bench verify`",
           between(pt=text_with("scaled_dot_product_attention"), tf=text_with("matrix products"))),
    Reason("affinity", A_PROCESS_A_REPLICA, the_same_cores),
    Reason("env.*_NUM_THREADS", A_PROCESS_A_REPLICA, a_share_each),
    Reason("threads.intra_op", A_PROCESS_A_REPLICA, a_share_each),
    Reason("threads.inter_op", "TensorFlow runs its replicas on these threads, an eager PyTorch step uses none of "
           "its own", between(pt=anything, tf=anything)),
    Reason("layout", "each framework's fastest layout on this device; the values do not depend on it (rung 3)",
           between(pt=text_with("channels"), tf=text_with("channels"))),
    Reason("onednn", "whether the build brings oneDNN's kernels: a property of the framework as it ships",
           between(pt=anything, tf=anything)),
    Reason("denormals", "known effect: TensorFlow flushes denormal numbers to zero, PyTorch computes with them unless "
           "told otherwise, slowly; felt only where weights or gradients get that small",
           between(pt=text_with("computed with"), tf=text_with("flushed"))),
    Reason("processes", "DistributedDataParallel has a process per replica, MirroredStrategy one for all",
           between(pt=text_with("one a replica"), tf=text_with("one for all"))),
    Reason("loader", "each framework's own loader: PyTorch's workers are processes, those of tf.data threads; "
           "`wait_seconds` of the records tell whether a step waited",
           between(pt=text_with("processes"), tf=text_with("threads"))),
    Reason("loader_pool", A_PROCESS_A_REPLICA, a_share_each),
    Reason("tokenizer", "native arm: each framework's own tokeniser", between(pt=anything, tf=anything)),
    Reason("warmup_steps", "the warm-up lasts until the step time stands still, so the windows begin at other "
           "batches; of texts these have other widths, which samples/s feels and tokens/s less", always),
    Reason("onnx.*", "what ONNX Runtime's column alone runs", always),
    *(Reason(f"env.{prefix}*", f"read by {each.title} alone", alone(each.key))
      for each in FRAMEWORKS.values() for prefix in each.own_prefixes),
)  # fmt: skip
NATIVE = "native arm: each framework's library model as it is; the arm claims no equal mathematics"


def explain(key: str, seen: Sequence[Sight], arms: set[str]) -> str | None:
    """Why a setting may differ as it does; None where no reason is known.

    Args:
        key: the setting.
        seen: what each side reported of it, in one place.
        arms: of the records in that place.
    """
    if arms == {"native"} and is_among(key, LIBRARYS_OWN):
        return NATIVE
    matching = (reason for reason in REASONS if fnmatchcase(key, reason.pattern))
    return next((reason.text for reason in matching if reason.holds(seen)), None)
