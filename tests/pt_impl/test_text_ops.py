"""The parts of BERT that are no matrix product against plain expressions: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny_text

torch = pytest.importorskip("torch")

from pt_impl import text_ops  # noqa: E402


def test_gelu_is_the_exact_one() -> None:
    x = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    expected = x * torch.special.ndtr(x)
    assert tiny_text.closeness(text_ops.gelu(x).detach(), expected.detach()) < 1e-14
    (ours,) = torch.autograd.grad(text_ops.gelu(x).sum(), x)
    (theirs,) = torch.autograd.grad(expected.sum(), x)
    assert tiny_text.closeness(ours, theirs) < 1e-14


def test_layer_norm_and_its_gradients() -> None:
    rng = np.random.default_rng(0)
    x, scale, offset, upstream = (
        torch.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((3, 5, 8), (8,), (8,), (3, 5, 8))
    )

    def plain(x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-3).sqrt() * scale + offset

    found, expected = text_ops.layer_norm(x, scale, offset, 1e-3), plain(x, scale, offset)
    assert tiny_text.closeness(found.detach(), expected.detach()) < 1e-13
    ours = torch.autograd.grad((found * upstream.detach()).sum(), (x, scale, offset))
    theirs = torch.autograd.grad((expected * upstream.detach()).sum(), (x, scale, offset))
    for left, right in zip(ours, theirs, strict=True):
        assert tiny_text.closeness(left, right) < 1e-12
