"""`python -m tf_impl.convert NETWORK OUT.safetensors`: Keras checkpoints. Mirror: `pt_impl/convert.py`."""

from __future__ import annotations

import sys

from shared.converter import converter_main


def main() -> int:
    """Convert what the command line names."""
    return converter_main(
        "tf_impl", "a .weights.h5 file of keras.applications or a keras_hub preset (by default over the network)"
    )


if __name__ == "__main__":
    sys.exit(main())
