"""The native arm's hierarchical attention computes in the precision that a cell names, and starts where it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.store import Store
from tests import tiny, tiny_words

tf = pytest.importorskip("tensorflow")

from shared.families import family_of  # noqa: E402
from shared.session import starting_weights  # noqa: E402
from tests.tf_impl.native_step import native_step, on_device, products  # noqa: E402
from tf_impl.step import COMPUTE_DTYPES  # noqa: E402


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_are_computed_in_the_precision_that_the_cell_names(
    chatter: Store, tmp_path: Path, precision: str
) -> None:
    workload = tiny_words.workload("han", model__dropout=0.0)
    cell = tiny.make_cell(tmp_path, chatter.path, workload=workload, arm="native", precision=precision)
    step = native_step(cell)
    assert products(step, on_device(cell, chatter)) == {COMPUTE_DTYPES[precision]}
    assert {variable.dtype for variable in step.network.trainable_variables} == {tf.float32}


def test_it_has_as_many_trained_scalars_as_ours(chatter: Store, tmp_path: Path) -> None:
    """Keras's GRU has two bias vectors, as rows of one."""
    workload = tiny_words.workload("han")
    cell = tiny.make_cell(tmp_path, chatter.path, workload=workload, arm="native")
    family, parameters = family_of(workload), native_step(cell).network.canonical_parameters()
    counted = sum(int(np.prod(variable.shape)) for variable in parameters.values())
    assert counted == family.num_trained(family.architecture(workload))


def test_static_vectors_are_the_cells_and_are_not_trained(chatter: Store, tmp_path: Path) -> None:
    workload = tiny_words.workload("han", model__static_vectors=True)
    cell = tiny.make_cell(tmp_path, chatter.path, workload=workload, arm="native")
    step = native_step(cell)
    assert "embedding.weight" not in step.network.canonical_parameters()
    step.train(on_device(cell, chatter), 0.1)
    (found,) = step.network.embedding.get_weights()
    assert np.array_equal(found, starting_weights(cell)["embedding.vectors"])
