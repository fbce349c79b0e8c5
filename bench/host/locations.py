"""Where the suite lies and where its results go."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def results_directory() -> Path:
    """The folder of runs, certificates and prepared stores.

    `TWINBENCH_RESULTS` where it is set; `results/` of the checkout; for an installed package `results/` here.
    """
    chosen = os.environ.get("TWINBENCH_RESULTS")
    if chosen:
        return Path(chosen).resolve()
    is_checkout = (PROJECT_ROOT / "pyproject.toml").is_file()
    return (PROJECT_ROOT if is_checkout else Path.cwd()) / "results"
