"""The command line of both wings' checkpoint converters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from shared.efficientnet import VARIANTS
from shared.errors import UserError

Convert = Callable[[str, str | None, int, Path], None]


def converter_main(module: str, convert: Convert, weights_help: str) -> int:
    """Run `convert(variant, weights, num_classes, out)` on this process's arguments.

    Returns:
        The exit status: 0, or 2 after one line on standard error about what the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description="Turn a public EfficientNet checkpoint into a safetensors file that both wings start from "
        "(`bench run --weights`). Only this command ever contacts a network, and only where no file is named.",
    )
    parser.add_argument("variant", metavar="VARIANT", choices=VARIANTS, help=f"one of {', '.join(VARIANTS)}")
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="the file to write")
    parser.add_argument("--weights", help=weights_help)
    parser.add_argument("--classes", type=int, default=1000, metavar="N", help="classes of the checkpoint (1000)")
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
