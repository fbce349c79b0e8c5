"""The wing's AdamW against the rule of shared.adamw and against torch.optim, under changing rates."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny_text

torch = pytest.importorskip("torch")

from pt_impl.networks import build, named_tensors  # noqa: E402
from pt_impl.optimizer import AdamW, make_optimizer  # noqa: E402
from shared.adamw import adamw_step  # noqa: E402
from shared.families import bert  # noqa: E402
from shared.family import ParameterGroup  # noqa: E402
from shared.schedule import warmup_linear  # noqa: E402
from shared.sections import AdamW as Settings  # noqa: E402

RATES = warmup_linear(10, 0.05, 0.3)
SETTINGS = tiny_text.workload(optimizer__weight_decay=0.1).optimizer
GROUPS = {
    "layers.0.up.weight": ParameterGroup(0.5, 0.1),
    "layers.1.up.weight": ParameterGroup(1.0, 0.1),
    "pooler.bias": ParameterGroup(1.0, 0.0),
    "classifier.weight": ParameterGroup(7.0, 0.0),
}
DECAYING = ParameterGroup(1.0, 0.1)
DTYPES = [(np.float32, 1e-5), (np.float64, 1e-12)]
Steps = list[dict[str, np.ndarray]]


def gradients_of(shapes: dict[str, tuple[int, ...]], dtype: type) -> Steps:
    """Of very different sizes, so that epsilon and the bias correction show."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-8, 2, len(RATES))
    return [{n: (size * rng.standard_normal(s)).astype(dtype) for n, s in shapes.items()} for size in sizes]


def reference(
    start: dict[str, np.ndarray], steps: Steps, groups: dict[str, ParameterGroup], settings: Settings
) -> dict[str, np.ndarray]:
    """What shared.adamw says, in float64."""
    state = {n: (w.astype(np.float64), np.zeros(w.shape), np.zeros(w.shape)) for n, w in start.items()}
    for number, (rate, gradients) in enumerate(zip(RATES, steps, strict=True), 1):
        for name, gradient in gradients.items():
            factor, decay = groups[name]
            own = float(rate) * factor
            state[name] = adamw_step(*state[name], gradient.astype(np.float64), number, own, decay, settings)
    return {name: weight for name, (weight, *_) in state.items()}


def no_scaling() -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", enabled=False)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_ten_steps_follow_the_shared_rule(dtype: type, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    start = {name: rng.standard_normal((4, 3)).astype(dtype) for name in GROUPS}
    steps = gradients_of(dict.fromkeys(GROUPS, (4, 3)), dtype)
    parameters = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    optimizer = AdamW(parameters, GROUPS, SETTINGS)
    for rate, gradients in zip(RATES, steps, strict=True):
        optimizer.apply([torch.tensor(gradients[name]) for name in parameters], float(rate), no_scaling())
    expected = reference(start, steps, GROUPS, SETTINGS)
    for name, parameter in parameters.items():
        assert parameter.grad is None
        assert tiny_text.closeness(parameter.detach(), expected[name]) < tolerance, name


def test_the_whole_network_follows_the_shared_rule() -> None:
    """Every tensor with its own factor and decay, as the wing itself puts them together."""
    settings = tiny_text.workload(optimizer__weight_decay=0.1)
    arch = tiny_text.architecture(settings)
    start = tiny_text.weights(arch, np.float64)
    network = build(settings, start)
    groups = bert.FAMILY.parameter_groups(arch, settings)
    optimizer = make_optimizer(network.canonical_parameters(), groups, settings.optimizer)
    named = named_tensors(network, settings)
    names = {id(tensor): name for name, tensor in named.items()}
    steps = gradients_of({name: value.shape for name, value in start.items()}, np.float64)
    for rate, gradients in zip(RATES, steps, strict=True):
        ordered = [torch.tensor(gradients[names[id(parameter)]]) for parameter in optimizer.parameters]
        optimizer.apply(ordered, float(rate), no_scaling())
    expected = reference(start, steps, groups, settings.optimizer)
    for name, tensor in named.items():
        assert tiny_text.closeness(tensor.detach(), expected[name]) < 1e-12, name


def test_torchs_own_optimizer_with_groups_of_layers() -> None:
    start = {name: np.random.default_rng(1).standard_normal((4, 3)) for name in GROUPS}
    steps = gradients_of(dict.fromkeys(GROUPS, (4, 3)), np.float64)
    ours = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    theirs = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in start.items()}
    groups = [{"params": [theirs[name]], "weight_decay": group.decay} for name, group in GROUPS.items()]
    oracle = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    optimizer = AdamW(ours, GROUPS, SETTINGS)
    for rate, gradients in zip(RATES, steps, strict=True):
        optimizer.apply([torch.tensor(gradients[name]) for name in ours], float(rate), no_scaling())
        for name, group in zip(GROUPS, oracle.param_groups, strict=True):
            group["lr"] = float(rate) * GROUPS[name].rate_factor
            theirs[name].grad = torch.tensor(gradients[name])
        oracle.step()
    for name in GROUPS:
        assert tiny_text.closeness(ours[name].detach(), theirs[name].detach()) < 1e-12, name


def test_rows_of_an_embedding_that_occur_twice_are_summed_before_they_are_squared() -> None:
    table = torch.nn.Parameter(torch.ones((4, 2), dtype=torch.float64))
    upstream = torch.tensor([[1.0, 2.0], [3.0, -1.0], [5.0, 1e-9]], dtype=torch.float64)
    loss = (torch.nn.functional.embedding(torch.tensor([1, 3, 1]), table) * upstream).sum()
    (gradient,) = torch.autograd.grad(loss, table)
    name = "embeddings.token.weight"
    AdamW({name: table}, {name: DECAYING}, SETTINGS).apply([gradient], 0.1, no_scaling())
    summed = np.array([[0, 0], [6.0, 2.0 + 1e-9], [0, 0], [3.0, -1.0]])
    expected, *_ = adamw_step(np.ones((4, 2)), np.zeros((4, 2)), np.zeros((4, 2)), summed, 1, 0.1, 0.1, SETTINGS)
    assert tiny_text.closeness(table.detach(), expected) < 1e-14


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_step_whose_gradient_is_not_finite_is_skipped(bad: float) -> None:
    """Weights, moments and the count of steps stay; the next step is as if it had not been."""
    name = "layers.0.up.weight"
    parameter = torch.nn.Parameter(torch.ones(3))
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, enabled=True)
    optimizer = AdamW({name: parameter}, {name: DECAYING}, SETTINGS)
    gradients = [np.array([1.0, -2.0, 3.0], np.float32), None, np.array([0.5, 0.5, -0.5], np.float32)]
    weight, first, second = np.ones(3), np.zeros(3), np.zeros(3)
    taken = 0
    for gradient in gradients:
        scale = float(scaler.scale(torch.ones(())))
        before = parameter.detach().clone()
        if gradient is None:
            optimizer.apply([torch.tensor([1.0, bad, 1.0])], 0.1, scaler)
            assert torch.equal(parameter.detach(), before)
            assert float(scaler.scale(torch.ones(()))) == scale / 2
            continue
        optimizer.apply([torch.tensor(gradient * scale)], 0.1, scaler)
        taken += 1
        weight, first, second = adamw_step(
            weight, first, second, gradient.astype(np.float64), taken, 0.1, DECAYING.decay, SETTINGS
        )
    assert tiny_text.closeness(parameter.detach(), weight) < 1e-6
