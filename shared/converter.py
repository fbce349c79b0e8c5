"""The command line of both wings' checkpoint converters."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from shared import families
from shared.errors import UserError


def converter_main(wing: str, weights_help: str) -> int:
    """Run the converter of a family's room in a wing on this process's arguments.

    Args:
        wing: "pt_impl" or "tf_impl".

    Returns:
        The exit status: 0, or 2 after one line on standard error about what the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {wing}.convert",
        description="Turn a public checkpoint into a safetensors file that both wings start from (`bench run "
        "--weights`). Only this command ever contacts a network, and only where no file is named.",
    )
    networks = {network: name for name in families.NAMES for network in families.family(name).checkpoints}
    parser.add_argument("network", metavar="NETWORK", choices=networks, help=f"one of {', '.join(networks)}")
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="the file to write")
    parser.add_argument("--weights", help=weights_help)
    parser.add_argument(
        "--part", action="append", default=[], metavar="PART=CHECKPOINT",
        help="start a part of the network from another one's checkpoint, the rest from seeded numbers (of a layout "
        "network: text, from a BERT; backbone, from a detector)",
    )  # fmt: skip
    parser.add_argument("--classes", type=int, default=1000, metavar="N", help="classes of an image network (1000)")
    arguments = parser.parse_args()
    if arguments.out.suffix != ".safetensors":
        parser.error(f"{arguments.out}: the file to write must end in .safetensors")
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"{arguments.out}: no such folder")
    if arguments.classes < 1:
        parser.error(f"--classes: {arguments.classes} is not a number of classes")
    room = import_module(f"{wing}.families.{networks[arguments.network]}.convert")
    parts = dict(each.partition("=")[::2] for each in arguments.part)
    if parts and (arguments.weights or not hasattr(room, "convert_parts")):
        why = "a whole checkpoint is named too" if arguments.weights else f"{arguments.network} starts from whole ones"
        parser.error(f"--part: {why}; leave it away")
    try:
        if parts:
            room.convert_parts(arguments.network, parts, arguments.out)
        else:
            room.convert(arguments.network, arguments.weights, arguments.classes, arguments.out)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(f"wrote {arguments.out}")
    return 0
