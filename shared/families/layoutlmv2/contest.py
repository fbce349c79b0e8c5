"""What the LayoutLMv2 wings are timed against. TensorFlow has no library that implements it."""

from __future__ import annotations

from shared.contest import PIPELINE_RATIOS, Contest, Ratio, contestants_of

CONTEST = Contest(
    workload="layoutlmv2-base",
    contestants=(
        *contestants_of("pt"),
        *(each for each in contestants_of("tf") if each.kind != "peer"),
    ),
    ratios=(Ratio("pt-wing", "pt-peer", 1.2), Ratio("pt-wing", "pt-peer-tuned", 1.2), *PIPELINE_RATIOS),
    batch=2,
)
