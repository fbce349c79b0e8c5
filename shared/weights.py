"""Weights by canonical name: seeded initial ones, safetensors in and out, the public checkpoints' layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from shared.checkpoint_config import check_config
from shared.errors import UserError
from shared.families import family_of
from shared.family import AnyFamily, Weights
from shared.spec import Workload

KERAS_SUFFIXES = (".h5", ".keras")

MOST_NAMED = 3  # tensors of another shape that an error names
HEAD = "classifier."  # what the names of a head begin with


def save_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write a safetensors file with canonical names, under a temporary name first."""
    temporary = path.with_name(f".{path.name}.partial")
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, temporary)
    temporary.replace(path)


def weights_file(path: str | Path) -> Path:
    """The file that weights are read from: the path itself, or that of a `transformers` folder."""
    return Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)


def load_weights(path: str | Path, workload: Workload, seed: int | None = 0) -> Weights:
    """`read_weights` for a workload's network."""
    family = family_of(workload)
    return read_weights(path, family, family.architecture(workload), seed)


def read_weights(path: str | Path, family: AnyFamily, arch: Any, seed: int | None = 0) -> Weights:
    """Read float32 weights for a network: our own safetensors, or a `transformers` folder or file of safetensors.

    Of a network of more layers the first ones are taken, where its family does so. Keras checkpoints go through
    `python -m tf_impl.convert` first: only Keras can read all of its formats.

    Args:
        seed: a classifier of another width (ImageNet's 1000 classes) is replaced by the initial one of this seed;
            None: it has to fit like the rest.

    Raises:
        UserError: nothing there, a pickle (it could run code), another network by its `config.json`, tensors that do
            not fit (which one, both shapes), that nobody takes, that are no floats or not finite.
    """
    file, tensors = checked_file(path), read_tensors(path)
    check_config(file, family.transformers_config(arch))
    return fitted(under_our_names(tensors, family, arch, str(file)), family, arch, seed, str(file))


def read_tensors(path: str | Path) -> Weights:
    """The tensors of a safetensors file, or of that of a `transformers` folder, under their own names.

    Raises:
        UserError: nothing there, a pickle (it could run code), or numbers that NumPy has not.
    """
    file = checked_file(path)
    try:
        with safe_open(file, "numpy") as opened:
            # NumPy has no bfloat16, unless another library of this process has taught it
            reduced = [name for name in opened.keys() if opened.get_slice(name).get_dtype() == "BF16"]  # noqa: SIM118
        if reduced:
            raise UserError(f"{file}: {reduced[0]} is in bfloat16; save it in float32")
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: not a readable safetensors file: {error}") from None


def checked_file(path: str | Path) -> Path:
    """The safetensors file that weights are to be read from.

    Raises:
        UserError: nothing there, or something that is not read (a pickle, a Keras checkpoint).
    """
    file = weights_file(path)
    if not file.is_file():
        pickles = sorted(Path(path).glob("*.bin")) if Path(path).is_dir() else []
        if pickles:
            raise UserError(f"{pickles[0]}: a pickle, which could run code; save the model again as safetensors")
        raise UserError(f"{path}: no weights there; give a .safetensors file or a folder with model.safetensors")
    if file.suffix in KERAS_SUFFIXES:
        raise UserError(
            f"{file}: a Keras checkpoint; convert it first: "
            f"python -m tf_impl.convert NETWORK OUT.safetensors --weights {file}"
        )
    if file.suffix != ".safetensors":
        raise UserError(f"{file}: only .safetensors files are read; a pickled checkpoint could run code")
    return file


def under_our_names(tensors: Weights, family: AnyFamily, arch: Any, origin: str) -> Weights:
    """A checkpoint's tensors by canonical name, if they have `transformers`' names; else as they are.

    Raises:
        UserError: a tensor of the encoder that the network has no place for (an adapter's, a scale of quantised
            weights, relative positions): without it the network would not be the one that was saved.
    """
    if not family.is_transformers(tensors):
        return tensors
    converted, unused = family.from_transformers(tensors, arch), family.leftovers(tensors, arch)
    if unused:
        raise UserError(
            f"{origin}: nothing in the network takes {unused[0]} ({len(unused)} such tensors): an adapter, quantised "
            "weights or another kind of network? Merge or dequantise them, and save the model again"
        )
    return converted


def fitted(weights: Mapping[str, np.ndarray], family: AnyFamily, arch: Any, seed: int | None, origin: str) -> Weights:
    """Check names and shapes against a network; replace a classifier of another width as `load_weights` says."""
    shapes = family.parameter_shapes(arch)
    weights = dict(weights)
    head = weights.get("classifier.weight")
    if head is None or not family.own_classifier:  # a pre-trained encoder has none of its own, or one of another task
        theirs = {name: tensor.shape for name, tensor in weights.items() if name.startswith(HEAD)}
        ours = {name: shape for name, shape in shapes.items() if name.startswith(HEAD)}
        replaced = not family.own_classifier and theirs != ours
    else:
        replaced = head.shape[1:] == (family.classifier_inputs(arch),) and len(head) != arch.num_classes
    if replaced and seed is not None:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(HEAD)}
        start = family.initial_weights(arch, seed)
        weights |= {name: tensor for name, tensor in start.items() if name.startswith(HEAD)}
    missing = sorted(set(shapes) - set(weights))
    unknown = sorted(set(weights) - set(shapes))
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has an unknown {unknown[0]}"
        raise UserError(
            f"{origin}: {what} ({len(missing)} missing, {len(unknown)} unknown): another network's weights?"
        )
    other = [name for name, shape in shapes.items() if weights[name].shape != shape]
    if other:
        pairs = "; ".join(f"{name} is {weights[name].shape}, wanted {shapes[name]}" for name in other[:MOST_NAMED])
        rest = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        raise UserError(f"{origin}: tensors of other shapes than the network's: {pairs}{rest}")
    for name in shapes:
        check_values(name, weights[name], origin)
    return {name: np.asarray(weights[name], np.float32) for name in shapes}


def check_values(name: str, value: np.ndarray, origin: str) -> None:
    """Let a tensor pass that float32 can hold.

    Raises:
        UserError: integers (quantised weights), or values that are not finite there.
    """
    if not np.issubdtype(value.dtype, np.floating):
        raise UserError(f"{origin}: {name} holds {value.dtype}, not floats: quantised weights? Save them in float32")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes an infinity, and is refused as one
        held = np.asarray(value, np.float32)
    if not np.isfinite(held).all():
        raise UserError(f"{origin}: {name} has values that are not finite in float32; the checkpoint is damaged")
