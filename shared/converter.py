"""The command line of both wings' checkpoint converters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shared import bert, spec
from shared.efficientnet import VARIANTS
from shared.errors import UserError
from shared.networks import architecture_of
from shared.weights import Weights, save_weights

TEXT_WORKLOADS = ("bert-6l", "bert-base", "bert-large")

Convert = Callable[[str, str | None, int, Path], None]


def converter_main(module: str, convert: Convert, weights_help: str) -> int:
    """Run `convert(variant, weights, num_classes, out)` on this process's arguments.

    Returns:
        The exit status: 0, or 2 after one line on standard error about what the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description="Turn a public checkpoint of EfficientNet or BERT into a safetensors file that both wings start "
        "from (`bench run --weights`). Only this command ever contacts a network, and only where no file is named.",
    )
    networks = (*VARIANTS, *TEXT_WORKLOADS)
    parser.add_argument("variant", metavar="VARIANT", choices=networks, help=f"one of {', '.join(networks)}")
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="the file to write")
    parser.add_argument("--weights", help=weights_help)
    parser.add_argument("--classes", type=int, default=1000, metavar="N", help="classes of an EfficientNet (1000)")
    arguments = parser.parse_args()
    if arguments.out.suffix != ".safetensors":
        parser.error(f"{arguments.out}: the file to write must end in .safetensors")
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"{arguments.out}: no such folder")
    if arguments.classes < 1:
        parser.error(f"--classes: {arguments.classes} is not a number of classes")
    try:
        convert(arguments.variant, arguments.weights, arguments.classes, arguments.out)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(f"wrote {arguments.out}")
    return 0


def encoder_architecture(workload: str) -> bert.Architecture:
    """The network of a text workload as published."""
    arch = architecture_of(spec.load(workload))
    assert isinstance(arch, bert.Architecture)
    return arch


def save_encoder(out: Path, weights: Weights, arch: bert.Architecture, origin: str) -> None:
    """Write a BERT without its classifier, which every task starts anew.

    Args:
        weights: under canonical names; what the network has no place for is left out.

    Raises:
        UserError: a tensor is missing or has another shape.
    """
    shapes = bert.parameter_shapes(arch)
    encoder = {name: shape for name, shape in shapes.items() if not name.startswith("classifier.")}
    missing = [name for name in encoder if name not in weights]
    if missing:
        raise UserError(f"{origin}: lacks {missing[0]} ({len(missing)} tensors): another network's checkpoint?")
    other = [name for name, shape in encoder.items() if weights[name].shape != shape]
    if other:
        name = other[0]
        raise UserError(
            f"{origin}: {name} is {weights[name].shape}, wanted {encoder[name]} ({len(other)} tensors of other shapes)"
        )
    save_weights(out, {name: np.asarray(weights[name], np.float32) for name in encoder})
