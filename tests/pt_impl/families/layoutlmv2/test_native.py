"""The off-the-shelf LayoutLMv2 computes in the precision that a cell names, and trains all but what it never uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import head_stores, tiny, tiny_layout

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from pt_impl.families.layoutlmv2 import peer  # noqa: E402
from pt_impl.families.layoutlmv2.peer import peer_step  # noqa: E402
from pt_impl.step import COMPUTE_DTYPES  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.families.layoutlmv2.architecture import is_statistic, parameter_shapes  # noqa: E402
from shared.protocol import Cell  # noqa: E402
from shared.store import NO_LABEL, Store  # noqa: E402
from tests.pt_impl.native_step import Products, native_step, on_device  # noqa: E402


def make_cell(tmp_path: Path, store: Store, precision: str = "fp32") -> Cell:
    workload = tiny_layout.calm()
    return tiny.make_cell(tmp_path, store.path, workload=workload, arm="native", precision=precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pages_are_computed_in_the_precision_that_the_cell_names(scrawl: Store, tmp_path: Path, precision: str) -> None:
    cell = make_cell(tmp_path, scrawl, precision)
    step = native_step(cell)
    with Products() as products:
        step.network(step.inputs(on_device(cell, scrawl), training=True), None, training=True)
    assert COMPUTE_DTYPES[precision] in products.dtypes
    assert {parameter.dtype for parameter in step.network.parameters()} == {torch.float32}


def test_it_trains_what_its_loss_reaches(scrawl: Store, tmp_path: Path) -> None:
    """Not the pooler, the pyramid's other levels and the biases by distance: DDP would wait for their gradients."""
    cell = make_cell(tmp_path, scrawl)
    step = native_step(cell)
    loss, gradients = step.loss_and_gradients(on_device(cell, scrawl))
    assert torch.isfinite(loss)
    assert all(gradient is not None for gradient in gradients)
    trained = {name for name, parameter in step.network.whole.named_parameters() if parameter.requires_grad}
    assert trained == step.network.trained_names()
    ours = {name for name in parameter_shapes(step.network.arch) if not is_statistic(name)}
    assert set(step.network.canonical_parameters()) == {name for name in ours if not name.startswith("attention_bias.")}


def test_the_peer_learns(scrawl: Store, tmp_path: Path) -> None:
    step = peer_step(make_cell(tmp_path, scrawl))
    losses = [float(step(1e-3)) for _ in range(8)]
    assert losses[-1] < losses[0]


TASKS = ("tags", "spans")


def cell_of(tmp_path: Path, of_tasks: dict[str, Store], task: str, **changes: Any) -> Cell:
    workload = head_stores.calm(task, **changes)
    return tiny.make_cell(tmp_path, of_tasks[task].path, workload=workload, arm="native")


@pytest.mark.parametrize("task", TASKS)
def test_it_trains_and_predicts_tokens(of_tasks: dict[str, Store], tmp_path: Path, task: str) -> None:
    """Every parameter that wants a gradient has one, and moves: those that the library has of its own, too."""
    cell = cell_of(tmp_path, of_tasks, task)
    step, batch = native_step(cell), on_device(cell, of_tasks[task])
    before = {name: parameter.detach().clone() for name, parameter in step.network.named_parameters()}
    losses = [float(step.train(batch, 1e-3)) for _ in range(4)]
    assert losses[-1] < losses[0]
    trained = {name for name, parameter in step.network.named_parameters() if parameter.requires_grad}
    moved = {name for name, parameter in step.network.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == trained
    assert len(step.network.canonical_parameters()) == len(trained) == len(step.optimizer.parameters)
    outputs = cell.workload.model.num_classes
    assert step.predict(batch).shape == (4, tiny_layout.TOKENS_WIDE, outputs)


def test_answers_have_a_vector_of_visual_tokens(of_tasks: dict[str, Store], tmp_path: Path) -> None:
    """As everybody gets it who builds the library's network, trained like the rest."""
    network = native_step(cell_of(tmp_path, of_tasks, "spans")).network
    vector = network.canonical_parameters()["layoutlmv2.visual_segment_embedding"]
    assert vector is network.whole.layoutlmv2.visual_segment_embedding
    assert vector.requires_grad and vector.any()


@pytest.mark.parametrize("task", TASKS)
def test_the_peer_learns_tokens(of_tasks: dict[str, Store], tmp_path: Path, task: str) -> None:
    step = peer_step(cell_of(tmp_path, of_tasks, task))
    losses = [float(step(1e-3)) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_the_peer_passes_over_what_has_no_answer(
    of_tasks: dict[str, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of(tmp_path, of_tasks, "spans")
    batch = on_device(cell, of_tasks["spans"])
    labels = torch.tensor([[3, 4], [NO_LABEL, NO_LABEL], [2, 6], [NO_LABEL, NO_LABEL]], dtype=torch.int32)
    losses = []
    for rows in (slice(None), slice(None, None, 2)):  # the whole batch, and those that have an answer
        made = type(batch)(*(array[rows] for array in batch._replace(labels=labels)))
        monkeypatch.setattr(peer.data, "resident", lambda *_, made=made: made)
        losses.append(float(peer_step(cell)(0.0)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("tags", {"model__layout": "none"}, "without an image or with other places"),
        ("spans", {"model__layout": "summed"}, "without an image or with other places"),
        ("tags", {"model__visual": False}, "without an image or with other places"),
        ("pretraining", {}, "no LayoutLMv2 that is pre-trained"),
    ],
)
def test_what_the_library_lacks_is_refused(
    of_tasks: dict[str, Store], tmp_path: Path, task: str, changes: dict[str, Any], message: str
) -> None:
    cell = cell_of(tmp_path, of_tasks, task, **changes)
    for ask in (native_step, peer_step):
        with pytest.raises(UserError, match=message) as caught:
            ask(cell)
        assert "\n" not in str(caught.value)
