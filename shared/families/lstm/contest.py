"""What the wings of a bidirectional LSTM are timed against."""

from __future__ import annotations

from shared.contest import PIPELINE_RATIOS, Contest, Ratio, contestants_of

CONTEST = Contest(
    workload="lstm",
    contestants=(*contestants_of("pt"), *contestants_of("tf")),
    ratios=(
        Ratio("pt-wing", "pt-peer", 1.0),
        Ratio("pt-wing", "pt-peer-tuned", 1.0),
        Ratio("tf-wing", "tf-peer", 1.0),
        *PIPELINE_RATIOS,
    ),
    batch=32,
)
