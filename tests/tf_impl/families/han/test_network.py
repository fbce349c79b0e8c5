"""TensorFlow's hierarchical attention: attention by hand, names."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny_words

tf = pytest.importorskip("tensorflow")

from shared.families import family_of  # noqa: E402
from tf_impl import networks  # noqa: E402
from tf_impl.families.han.network import attend  # noqa: E402


def test_attention_is_a_mean_weighted_by_a_softmax_of_what_is_no_padding() -> None:
    generator = np.random.default_rng(0)
    states, compared, context = (generator.standard_normal(shape) for shape in ((3, 5, 4), (3, 5, 6), (6,)))
    lengths = (1, 3, 5)
    mask = (np.arange(5) < np.array(lengths)[:, None]).astype(np.float64)
    found = attend(*map(tf.constant, (states, compared, context, mask))).numpy()
    for row, length in enumerate(lengths):
        weights = np.exp(compared[row, :length] @ context)
        expected = (weights / weights.sum()) @ states[row, :length]
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


@pytest.mark.parametrize("static", [False, True])
def test_every_tensor_has_its_canonical_name_and_comes_back(static: bool) -> None:
    settings = tiny_words.workload("han", model__static_vectors=static)
    weights = tiny_words.weights(settings)
    network = networks.build(settings, weights)
    again = networks.weights_of(network, settings)
    assert list(again) == list(weights)
    assert all(np.array_equal(again[each], weights[each]) for each in weights)
    family = family_of(settings)
    assert networks.num_trained(network) == family.num_trained(family.architecture(settings))
