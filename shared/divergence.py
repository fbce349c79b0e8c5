"""Trainings whose numbers are none any more: found where losses are read anyway, and told to all ranks at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.wing import Wing


class DivergedError(Exception):
    """A loss or a logit that is not finite: nothing that the cell measures from there on is worth anything."""


def finite_losses(wing: Wing, losses: Sequence[Any], first: int, where: str = "") -> list[float]:
    """Wait for losses and read them. Every rank calls this after the same steps, and all of them leave together.

    Args:
        losses: of consecutive steps, as `Wing.train_step` handed them out.
        first: index of the first of these steps, from 0.
        where: ends the sentence, where the steps are not those of the training.

    Raises:
        DivergedError: names the first step (counted from 1) whose loss is not finite on any rank.
    """
    values = [wing.loss_value(loss) for loss in losses]
    bad = next((index for index, value in enumerate(values) if not math.isfinite(value)), len(values))
    # the earliest step of any rank is the one with the most steps from it to the end
    earliest = len(values) - int(wing.largest(float(len(values) - bad)))
    if earliest == len(values):
        return values
    is_nan = wing.largest(float(bad == earliest and math.isnan(values[bad])))
    raise DivergedError(f"loss is {'NaN' if is_nan else 'infinite'} at step {first + earliest + 1}{where}")


def check_logits(wing: Wing, logits: Sequence[np.ndarray], split: str) -> None:
    """Called by every rank with its logits of a split.

    Raises:
        DivergedError: one that is not finite, on any rank.
    """
    if wing.largest(float(not all(np.isfinite(each).all() for each in logits))):
        raise DivergedError(f"logits of the {split} split are not finite")
