"""What the BERT wings are timed against."""

from __future__ import annotations

from shared.contest import PIPELINE_RATIOS, Contest, Contestant, Ratio, contestants_of

# with `transformers`' own attention in place of the fused kernel
EAGER = Contestant("pt-peer-eager", "pt", "peer", variables=(("TWINBENCH_PEER_ATTENTION", "eager"),))
CONTEST = Contest(
    workload="bert-6l",
    contestants=(*contestants_of("pt"), EAGER, *contestants_of("tf")),
    ratios=(
        Ratio("pt-wing", "pt-peer", 1.0),
        Ratio("pt-wing", "pt-peer-tuned", 1.0),
        Ratio("pt-wing", "pt-peer-eager", 1.0),
        Ratio("tf-wing", "tf-peer", 1.0),
        *PIPELINE_RATIOS,
    ),
    batch=6,
    loop="        for layer in lower:\n",
    # TensorFlow's grappler would cancel two transpositions
    copies={
        "pt": "x.transpose(1, 2).contiguous().transpose(1, 2).contiguous()",
        "tf": "tf.reverse(tf.reverse(x, [1]), [1])",
    },
)
