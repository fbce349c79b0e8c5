"""Every operation of a training and of an evaluation step has a GPU kernel: TensorFlow's build has them registered.

Cells on GPUs let nothing move to the CPU (soft placement is off), so an operation without one would end them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests import tiny, tiny_text

tf = pytest.importorskip("tensorflow")

from tensorflow.python.framework import kernels as registry  # noqa: E402

from shared.family import Batch  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.tf_impl import short_network  # noqa: E402
from tests.tf_impl.native_step import native_step  # noqa: E402
from tf_impl import kernels, networks, ops  # noqa: E402
from tf_impl.step import Step  # noqa: E402

PLACEHOLDERS = {"Placeholder", "_Arg", "_Retval"}  # of a graph's arguments: no work


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kernels, ops):
        monkeypatch.setattr(module, "on_gpu", lambda: True)


def graphs(graph: tf.Graph) -> Iterator[tf.Graph]:
    """A graph and those of the functions that it calls."""
    yield graph
    for name in graph._functions if isinstance(graph._functions, dict) else ():
        function = graph._get_function(name)
        if getattr(function, "graph", None) is not None:
            yield from graphs(function.graph)


@lru_cache
def registered(kind: str) -> list[Any]:
    """The kernels that TensorFlow's build has for a type of operation."""
    return list(registry.get_registered_kernels_for_op(kind).kernel)


def has_gpu_kernel(operation: tf.Operation) -> bool:
    """Whether a kernel for GPUs, or for every device, takes the operation's types."""
    return any(
        kernel.device_type in ("GPU", "DEFAULT") and all(map(partial(takes, operation), kernel.constraint))
        for kernel in registered(operation.type)
    )


def takes(operation: tf.Operation, constraint: Any) -> bool:
    """Whether an operation keeps a kernel's constraint: a type or a text, out of some."""
    allowed = constraint.allowed_values.list
    values = tf.nest.flatten(operation.get_attr(constraint.name))
    if allowed.s:
        return set(values) <= set(allowed.s)
    return {value.as_datatype_enum for value in values} <= set(allowed.type)


def without_kernel(step: Step, batch: Batch) -> set[str]:
    """Types of operations of both kinds of step that no GPU has a kernel for."""
    tensors = type(batch)(*(tf.constant(array) for array in batch))
    train = step._train.get_concrete_function(tensors, tf.constant(0.0, tf.float64))
    predict = step._predict.get_concrete_function(tensors)
    found = [graph for traced in (train, predict) for graph in graphs(traced.graph)]
    operations = [operation for graph in found for operation in graph.get_operations()]
    assert len(operations) > 200
    return {each.type for each in operations if each.type not in PLACEHOLDERS and not has_gpu_kernel(each)}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_on_pages(noise: Store, precision: str) -> None:
    workload = tiny.workload(model__norm_momentum=0.5)
    step = short_network.make_step(workload, precision)
    assert without_kernel(step, tiny.train_batch(noise, workload)) == set()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_on_texts(babble: Store, precision: str) -> None:
    workload = tiny_text.workload()
    network = networks.build(workload, tiny_text.weights(tiny_text.architecture(workload)))
    assert without_kernel(Step(network, workload, precision, 1), tiny_text.train_batch(babble, workload)) == set()


def test_a_step_of_the_librarys_network(babble: Store, tmp_path: Path) -> None:
    pytest.importorskip("keras_hub")
    workload = tiny_text.workload()
    cell = tiny.make_cell(tmp_path, babble.path, "tf", arm="native", precision="bf16", workload=workload)
    assert without_kernel(native_step(cell), tiny_text.train_batch(babble, workload)) == set()


def test_an_operation_of_the_cpu_alone_is_found() -> None:
    @tf.function
    def upper(text: tf.Tensor) -> tf.Tensor:
        return tf.strings.upper(text)

    operations = upper.get_concrete_function(tf.TensorSpec([2], tf.string)).graph.get_operations()
    assert [each.type for each in operations if not has_gpu_kernel(each)].count("StringUpper") == 1


def test_no_variable_is_of_a_type_without_a_kernel(noise: Store, tmp_path: Path) -> None:
    """A variable's handle is made outside of every graph."""
    step = short_network.make_step(tiny.workload(model__norm_momentum=0.5), "fp16")
    text = tiny_text.workload()
    other = Step(networks.build(text, tiny_text.weights(tiny_text.architecture(text))), text, "fp16", 1)
    kinds = {
        variable.dtype.as_datatype_enum
        for each in (step, other)
        for holder in (each, each.optimizer, each.network)
        for variable in tf.nest.flatten([value for value in vars(holder).values() if not callable(value)])
        if isinstance(variable, tf.Variable)
    }
    handles = registered("VarHandleOp")
    on_gpu = {kernel.constraint[0].allowed_values.list.type[0] for kernel in handles if kernel.device_type == "DEFAULT"}
    assert tf.float32.as_datatype_enum in kinds & on_gpu
    assert tf.int64.as_datatype_enum in kinds
    assert kinds <= on_gpu
