"""Starts of the parts of LayoutLMv2 from other networks' checkpoints, as the paper starts it: the text from a BERT or
UniLMv2, the image's backbone from a detector ([paper] section 3.2). Whatever they lack starts from seeded numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from shared import spec
from shared.errors import UserError
from shared.families.layoutlmv2 import FAMILY
from shared.families.layoutlmv2.architecture import Architecture, parameter_shapes
from shared.families.layoutlmv2.convert import PREFIX, transformers_name
from shared.families.layoutlmv2.settings import of_family
from shared.family import Weights
from shared.weights import read_tensors, save_weights

SEED = 0
MOST_LAYERS = 100
BERT = "bert."  # the prefix of a model with a head; the bare encoder's names have none
BACKBONE = "backbone."  # that of a detector's; the bare backbone's names have none
OF_TEXT = ("embeddings.token.", "embeddings.position.", "embeddings.segment.", "embeddings.norm.")
DISTANCE = "encoder.rel_pos_bias.weight"  # UniLMv2 has biases by distance in the text, as LayoutLMv2
# what a checkpoint holds beside the part: heads, a pooler, positions counted out; a detector's other half, the levels
# of the pyramid that nothing reads, counters of norms
BESIDE_TEXT = re.compile(r"(cls|pooler|classifier|qa_outputs)\.|embeddings\.position_ids$")
BESIDE_BACKBONE = re.compile(
    r"(proposal_generator|roi_heads|fpn_output[345])\.|pixel_(mean|std)$|.*\.num_batches_tracked$"
)


def text_part(tensors: Mapping[str, np.ndarray], arch: Architecture, origin: str) -> Weights:
    """The text vectors and the layers of a BERT, by our names; of more layers than ours the first ones.

    Raises:
        UserError: it lacks one, or one has another shape.
    """
    bare = Taken({name.removeprefix(BERT): tensor for name, tensor in tensors.items()}, origin)
    found: Weights = {}
    for name, shape in parameter_shapes(arch).items():
        if name.startswith("layers.") and ".projections." in name:
            found[name] = projections(bare, name)
        elif name.startswith(("layers.", *OF_TEXT)):
            found[name] = bare.take(transformers_name(name).removeprefix(PREFIX))
        elif name == "attention_bias.distance.weight" and DISTANCE in bare.tensors:
            found[name] = bare.take(DISTANCE)
        if name == "embeddings.position.weight":
            found[name] = found[name][: shape[0]]
    later = re.compile(rf"encoder\.layer\.({'|'.join(map(str, range(arch.num_layers, MOST_LAYERS)))})\.")
    bare.require_all(lambda name: bool(BESIDE_TEXT.match(name) or later.match(name)))
    return fitting(found, arch, origin)


def projections(tensors: Taken, name: str) -> np.ndarray:
    """One of the fused tensors of a layer from its queries, keys and values; the bias of the keys changes nothing."""
    layer, _, tensor = name.partition(".projections.")
    places = [transformers_name(f"{layer}.{part}.{tensor}").removeprefix(PREFIX) for part in ("query", "key", "value")]
    if tensor == "weight":
        return np.concatenate([tensors.take(place) for place in places])
    biases = [tensors.take(place.rpartition(".")[0] + ".bias") for place in places]
    return biases[0] if tensor == "query_bias" else biases[2]


def backbone_part(tensors: Mapping[str, np.ndarray], arch: Architecture, origin: str) -> Weights:
    """The backbone of a detector under detectron2's names, by ours.

    Raises:
        UserError: it lacks a tensor, one has another shape, or nothing takes one.
    """
    bare = Taken({name.removeprefix(BACKBONE): tensor for name, tensor in tensors.items()}, origin)
    found = {
        name: bare.take(transformers_name(name).removeprefix(f"{PREFIX}visual.{BACKBONE}"))
        for name in parameter_shapes(arch)
        if name.startswith("visual.backbone.")
    }
    bare.require_all(lambda name: bool(BESIDE_BACKBONE.match(name)))
    return fitting(found, arch, origin)


class Taken:
    """A checkpoint's tensors, and which of them were taken."""

    def __init__(self, tensors: Mapping[str, np.ndarray], origin: str) -> None:
        self.tensors, self.origin = tensors, origin
        self.names: set[str] = set()

    def take(self, name: str) -> np.ndarray:
        """A tensor in float32 by its name; norms of older releases have other ones.

        Raises:
            UserError: it is not there, or does not hold numbers.
        """
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        there = next((each for each in (name, older) if each in self.tensors), None)
        if there is None:
            raise UserError(f"{self.origin}: lacks {name}: another network's checkpoint?")
        self.names.add(there)
        tensor = self.tensors[there]
        if tensor.dtype.kind != "f" or not np.isfinite(tensor).all():
            raise UserError(f"{self.origin}: {there} does not hold finite numbers; take another checkpoint")
        return tensor.astype(np.float32)

    def require_all(self, may_stay: Callable[[str], bool]) -> None:
        """Raises UserError where a tensor was not taken that may not be passed over."""
        unused = sorted(name for name in self.tensors if name not in self.names and not may_stay(name))
        if unused:
            raise UserError(
                f"{self.origin}: nothing in the part takes {unused[0]} ({len(unused)} such tensors): an adapter, or "
                "another kind of network? Merge it, and save the checkpoint again"
            )


def fitting(found: Weights, arch: Architecture, origin: str) -> Weights:
    """The tensors as they are.

    Raises:
        UserError: one has another shape than ours.
    """
    shapes = parameter_shapes(arch)
    for name, tensor in found.items():
        if tensor.shape != shapes[name]:
            raise UserError(f"{origin}: {name} is {tensor.shape}, wanted {shapes[name]}: a checkpoint of another size?")
    return found


PARTS: dict[str, Callable[[Mapping[str, np.ndarray], Architecture, str], Weights]] = {
    "text": text_part,
    "backbone": backbone_part,
}


def convert_parts(workload: str, parts: Mapping[str, str], out: Path) -> None:
    """Write the body of a network whose parts are started from other checkpoints.

    Args:
        workload: whose network it is to be. parts: of PARTS, to a folder of `transformers` or a .safetensors file.

    Raises:
        UserError: no such part, nothing there, a pickle, or tensors that do not fit.
    """
    arch = FAMILY.architecture(of_family(spec.load(workload)))
    weights = FAMILY.initial_weights(arch, SEED)
    for part, origin in parts.items():
        if part not in PARTS:
            raise UserError(f"--part {part}: {workload} has the parts {', '.join(PARTS)}")
        weights |= PARTS[part](read_tensors(origin), arch, origin)
    save_weights(out, {name: value for name, value in weights.items() if not name.startswith("classifier.")})
