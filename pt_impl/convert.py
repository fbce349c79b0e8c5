"""`python -m pt_impl.convert NETWORK OUT.safetensors`: Hugging Face checkpoints. Mirror: `tf_impl/convert.py`."""

from __future__ import annotations

import sys

from shared.converter import converter_main


def main() -> int:
    """Convert what the command line names."""
    return converter_main("pt_impl", "a `transformers` folder, a .safetensors file or a hub name (over the network)")


if __name__ == "__main__":
    sys.exit(main())
