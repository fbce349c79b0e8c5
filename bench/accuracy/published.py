"""The published accuracies that may stand beside a run's, and those that may not."""

from __future__ import annotations

from collections.abc import Sequence

from bench.accuracy.protocol import load_protocol
from bench.accuracy.results import ENSEMBLE, AccuracyRecord
from bench.show.papers import PAPERS, Published, published

PAPER = "efficientnet-bert-parallel"
INPUTS = {"image": "image", ENSEMBLE: "image and text"}  # member to what the paper says it was given
OURS = "proposed work"
# (member, whether pre-trained) to the best system before the paper's whose evaluation it does not question (table 2)
EARLIER = {
    ("image", False): "Audebert et al. [6]",
    (ENSEMBLE, False): "Audebert et al. [6]",
    ("image", True): "Afzal et al. [2]",
}


def is_pretrained(records: Sequence[AccuracyRecord]) -> bool:
    """Whether the image model was trained on a large set of documents first, and then its classifier alone."""
    return any(record.member == "image" and record.training == "classifier" for record in records)


def evaluated_data(records: Sequence[AccuracyRecord]) -> str | None:
    """The name of the data that was evaluated, not of that of stage 1; None where nothing was."""
    return next((record.data_name for record in records if record.stage == "split"), None)


def why_not(records: Sequence[AccuracyRecord]) -> str | None:
    """Why no published value may stand beside these records; None where it may."""
    protocol, data_name = records[0].protocol, evaluated_data(records)
    if not PAPERS.is_dir():
        return "the published values lie in a checkout's results/papers, which is not here: left out"
    if data_name != protocol.data_name:
        return f"the published values are of {protocol.dataset}, this data is {data_name}: left out"
    if protocol.shape != load_protocol(protocol.name).shape:
        return "the published values are of the protocol as published, this one is changed: left out"
    return None


def published_for(records: Sequence[AccuracyRecord]) -> dict[str, list[Published]]:
    """Member to the published accuracies on these documents, this paper's first; empty where none may be shown.

    Args:
        records: of one run.
    """
    if why_not(records):
        return {}
    pretrained, dataset = is_pretrained(records), records[0].protocol.dataset
    found = {}
    with_layout = any(record.member == "layout" for record in records)
    for member, words in INPUTS.items():
        if member == ENSEMBLE and with_layout:
            continue  # theirs is of two members
        metric = f"accuracy, {words}, {'BigTobacco' if pretrained else 'no'} pre-training"
        systems = [OURS, *([EARLIER[member, pretrained]] if (member, pretrained) in EARLIER else [])]
        found[member] = [published(PAPER, system, dataset, metric) for system in systems]
    return found
