"""The differences that `bench verify --mutations` plants, each in one wing, and the rung that owns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutation:
    """One planted difference."""

    name: str
    wing: str
    task: str  # of TASKS, or "replicas": the rung that owns it
    patch: str = ""  # Python executed in the wing's process
    changes: tuple[tuple[str, Any], ...] = ()  # workload settings of that wing alone
    weight_shift: tuple[str, float] | None = None  # a tensor and what is added to a part of it in that wing's start


ORDER_OF_ANOTHER_SEED = Mutation(
    "the order of another seed",
    "pt",
    "input-fp64",
    patch=(
        "import shared.batches as m, pt_impl.data as d\norder, stream = m.order, d.stream\n"
        "m.order = lambda seed, epoch, count: order(seed + 1, epoch, count)\n"
        "d.stream = lambda load, count, workers, replicas: stream(load, count, 0, replicas)"  # in this process
    ),
)
# what the frameworks' samplers do where nobody tells them the epoch; only the last rung goes beyond the first
ORDER_OF_THE_FIRST_EPOCH = Mutation(
    "every epoch in the order of the first",
    "pt",
    "predictions",
    patch="import shared.batches as m\nold = m.order\nm.order = lambda seed, epoch, count: old(seed, 0, count)",
)
SUMMED_GRADIENTS = Mutation(
    "gradients summed over replicas, not averaged",
    "tf",
    "replicas",
    patch=(
        "import tf_impl.step as m\nold = m.Step.loss_and_gradients\n"
        "def summed(self, batch):\n"
        "    loss, gradients = old(self, batch)\n"
        "    return loss, [g * self.num_sharing for g in gradients]\n"
        "m.Step.loss_and_gradients = summed"
    ),
)
PAGE_MUTATIONS = (
    Mutation(
        "one weight of 4 million off by 1e-4", "pt", "forward-fp64", weight_shift=("blocks.3.project.conv.weight", 1e-4)
    ),
    Mutation("epsilon 1.1e-3 for 1e-3", "pt", "forward-fp64", changes=(("model.norm_epsilon", 1.1e-3),)),
    Mutation(
        "symmetric padding at stride 2",
        "pt",
        "forward-fp64",
        patch="import pt_impl.ops as m\nm.same_padding = lambda size, kernel, stride: (kernel // 2, kernel // 2)",
    ),
    Mutation(
        "biased running variance",
        "tf",
        "forward-fp64",
        patch=(
            "import tensorflow as tf, tf_impl.ops as m\nold = tf.nn.moments\n"
            "tf.nn.moments = lambda x, axes: (old(x, axes)[0], old(x, axes)[1] * 0.999)"
        ),
    ),
    Mutation(
        "half the gradient of one bias",
        "pt",
        "backward-fp64",
        patch=(
            "import pt_impl.ops as m\nold = m.squeeze_excite\n"
            "m.squeeze_excite = lambda x, w1, b1, w2, b2: old(x, w1, b1, w2, (b2 + b2.detach()) / 2)"
        ),
    ),
    Mutation("momentum 0.89 for 0.9", "pt", "trajectory-fp64", changes=(("optimizer.momentum", 0.89),)),
    Mutation(
        "batch-norm momentum off by 0.001",
        "pt",
        "trajectory-fp64",
        patch=(
            "import pt_impl.efficientnet as m\nold = m.BatchNorm.__init__\n"
            "def init(self, weights, name, momentum, epsilon, activate):\n"
            "    old(self, weights, name, momentum - 0.001, epsilon, activate)\n"
            "m.BatchNorm.__init__ = init"
        ),
    ),
    Mutation(
        "decoupled weight decay",
        "pt",
        "trajectory-fp64",
        patch=(
            "import torch, pt_impl.optimizer as m\nold = m.Sgd.apply\n"
            "def apply(self, gradients, rate, scaler):\n"
            "    decay = self._torch.param_groups[0]['weight_decay']\n"
            "    with torch.no_grad():\n"
            "        for p in self.parameters: p.mul_(1 - rate * decay)\n"
            "    self._torch.param_groups[0]['weight_decay'] = 0.0\n"
            "    old(self, gradients, rate, scaler)\n"
            "    self._torch.param_groups[0]['weight_decay'] = decay\n"
            "m.Sgd.apply = apply"
        ),
    ),
    Mutation(
        "one page of the first batch sheared the other way",
        "pt",
        "input-fp64",
        patch=(
            "import pt_impl.inputs as m\nold = m.network_input\n"
            "def other_way(pages, shear, *rest):\n"
            "    shear = shear.clone()\n"
            "    shear[0] = -shear[0]\n"
            "    return old(pages, shear, *rest)\n"
            "m.network_input = other_way"
        ),
    ),
    ORDER_OF_ANOTHER_SEED,
    ORDER_OF_THE_FIRST_EPOCH,
    SUMMED_GRADIENTS,
)
TEXT_MUTATIONS = (
    Mutation("one weight off by 1e-4", "pt", "forward-fp64", weight_shift=("layers.0.value.weight", 1e-4)),
    Mutation("norm epsilon 1e-10 for 1e-12", "pt", "forward-fp64", changes=(("model.norm_epsilon", 1e-10),)),
    Mutation(
        "tanh-GELU",
        "pt",
        "forward-fp64",
        patch="import pt_impl.text_ops as m\nold = m.F.gelu\nm.gelu = lambda x: old(x, approximate='tanh')",
    ),
    Mutation(
        "padding mask off",
        "tf",
        "forward-fp64",
        patch=(
            "import tensorflow as tf, tf_impl.inputs as m\nold = m.text_inputs\n"
            "def unmasked(*arguments):\n"
            "    tokens, bias, *noise = old(*arguments)\n"
            "    return tokens, tf.zeros_like(bias), *noise\n"
            "m.text_inputs = unmasked"
        ),
    ),
    Mutation(
        "[SEP] missing",
        "pt",
        "input-fp64",
        patch=(
            "import shared.batches as m, pt_impl.data as d\nold, stream = m.text_batch, d.stream\n"
            "def without_sep(*arguments):\n"
            "    batch = old(*arguments)\n"
            "    for row, length in enumerate(batch.lengths):\n"
            "        batch.tokens[row, length - 1] = 0\n"
            "    return batch._replace(lengths=batch.lengths - 1)\n"
            "m.text_batch = without_sep\n"
            "d.stream = lambda load, count, workers, replicas: stream(load, count, 0, replicas)"  # in this process
        ),
    ),
    Mutation(
        "half the gradient of one bias",
        "tf",
        "backward-fp64",
        patch=(
            "import tensorflow as tf, tf_impl.layers as m\nold = m.Linear.tensors\n"
            "def halved(self, dtype):\n"
            "    weight, bias = old(self, dtype)\n"
            "    half = self.bias.name.startswith('layers.0.down')\n"
            "    return weight, (bias + tf.stop_gradient(bias)) / 2 if half else bias\n"
            "m.Linear.tensors = halved"
        ),
    ),
    Mutation(
        "coupled weight decay",
        "pt",
        "trajectory-fp64",
        patch=(
            "import torch, pt_impl.optimizer as m\nold = m.AdamW.apply\n"
            "def apply(self, gradients, rate, scaler):\n"
            "    decays = {}\n"
            "    for group in self._torch.param_groups:\n"
            "        decays |= {parameter: group['weight_decay'] or decays.get(parameter, 0.0)"
            " for parameter in group['params']}\n"
            "        group['weight_decay'] = 0.0\n"
            "    self.decays = getattr(self, 'decays', decays)\n"
            "    with torch.no_grad():\n"
            "        gradients = [g + self.decays[p] * p for p, g in zip(self.parameters, gradients)]\n"
            "    old(self, gradients, rate, scaler)\n"
            "m.AdamW.apply = apply"
        ),
    ),
    Mutation(
        "one layer's rate off by a thousandth",
        "pt",
        "trajectory-fp64",
        patch=(
            "import pt_impl.optimizer as m\nold = m.rate_factors\n"
            "def other(arch, workload):\n"
            "    last = f'layers.{arch.num_layers - 1}.'\n"
            "    return {n: f * 1.001 if n.startswith(last) else f for n, f in old(arch, workload).items()}\n"
            "m.rate_factors = other"
        ),
    ),
    Mutation("Adam's epsilon 2e-8 for 1e-8", "pt", "trajectory-fp64", changes=(("optimizer.epsilon", 2e-8),)),
    Mutation(
        "a rate of dropout off by 1/256",
        "tf",
        "trajectory-fp64",
        patch="import tf_impl.bert as m\nold = m.noise_threshold\nm.noise_threshold = lambda rate: old(rate) + 1",
    ),
    ORDER_OF_ANOTHER_SEED,
    ORDER_OF_THE_FIRST_EPOCH,
    SUMMED_GRADIENTS,
)
