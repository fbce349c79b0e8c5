"""The synthetic documents that a workload is given where its user names none."""

from __future__ import annotations

from bench.data import synthetic, synthetic_forms, synthetic_layout, synthetic_text
from bench.data.source import Source
from bench.data.splits import DEFAULT_SPLIT
from shared.errors import UserError
from shared.families import family_of
from shared.modalities import Boxes, Pages, Tokens, Words
from shared.spec import Workload
from shared.tasks import task_of

CLASSES = synthetic.CLASSES
NO_IMAGE = 32  # pixels of a page whose words alone are read: a store of words has pages


def source_of(
    workload: Workload,
    count: int,
    seed: int,
    num_classes: int,
    shares: tuple[float, ...] = DEFAULT_SPLIT,
    words: tuple[int, int] = synthetic_text.WORDS,
) -> tuple[Source, int]:
    """Synthetic documents of what a workload reads, labelled as its task wants them, and their size in pixels
    (0: they have no pages).

    Args:
        words: the fewest and the most of a text.

    Raises:
        UserError: the workload reads what no synthetic documents have together.
    """
    task, read = task_of(workload), family_of(workload).modalities(workload)
    kinds = {type(modality) for modality in read}
    if kinds == {Pages}:
        (pixels,) = (modality.pixels for modality in read if isinstance(modality, Pages))
        return synthetic.source(count, seed, num_classes, shares, task.several), pixels
    if kinds >= {Tokens, Boxes}:
        pixels = next((modality.pixels for modality in read if isinstance(modality, Pages)), NO_IMAGE)
        if task.parts != "documents":
            return synthetic_forms.source(count, seed, shares), pixels
        return synthetic_layout.source(count, seed, num_classes, shares, task.several), pixels
    if kinds == {Tokens}:
        return synthetic_text.source(count, seed, num_classes, shares, words, several=task.several), 0
    if kinds == {Words}:
        cut = any(modality.sentences for modality in read if isinstance(modality, Words))
        return synthetic_text.source(count, seed, num_classes, shares, words, task.several, cut), 0
    names = " and ".join(sorted(kind.__name__.lower() for kind in kinds))
    raise UserError(f"{workload.name}: no synthetic documents have {names}; name a --data")
