"""What pre-training hides of a page, and what has to be found again: drawn from counters, the same in both wings.

Xu et al., "LayoutLMv2" (ACL 2021), section 2.2: masked visual-language modelling hides words (and where they stand on
the image), text-image alignment covers lines on the image, text-image matching takes the image of another page or none.
Not in the paper nor in the release, and ours: what is hidden on the image is black, an image that is left out is white,
and the three losses have the same weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.draws import Purpose, uniform, words
from shared.errors import UserError
from shared.sections import Pretraining
from shared.store import NO_LABEL, VOCABULARY, Store
from shared.wordpiece import MASK, read_vocabulary
from shared.words import BOX_SCALE

KEPT_SHARE, RANDOM_SHARE = 0.1, 0.1  # of the masked tokens: those that stay, and those that become another
HIDDEN, NO_PAGE = 0, 255  # grey levels
NOT_COVERED, COVERED = 0, 1
OTHER_PAGE, OWN_PAGE = 0, 1
EVALUATION = (0, 0)  # seed and epoch of what is hidden in evaluation: always the same


class Hidden(NamedTuple):
    """What a network reads of n pages, and what it has to find."""

    tokens: np.ndarray  # int32, n x T
    pixels: np.ndarray  # uint8, n x S x S
    positions: np.ndarray  # int32, n x P: of the masked tokens, filled up with 0
    labels: np.ndarray  # int32, n x (P + T + 1): tokens, COVERED or not, OWN_PAGE or not; NO_LABEL


def num_masked(width: int, share: float) -> int:
    """P, the most tokens that are masked of a text of `width`.

    >>> num_masked(128, 0.15)
    19
    """
    return max(1, round(width * share))


def masked_of(num_words: np.ndarray, share: float) -> np.ndarray:
    """How many tokens are masked of texts of so many tokens that are of words (int64)."""
    return np.minimum(np.maximum(np.rint(num_words * share).astype(np.int64), 1), num_words)


def readable(store: Store, samples: np.ndarray, width: int) -> np.ndarray:
    """Which tokens are of words (bool, n x T), and so may be masked or covered."""
    assert store.token_words is not None, "the plan gives a store what its workload reads"
    return np.asarray(store.token_words[samples, :width]) >= 0


def hide(
    store: Store,
    settings: Pretraining,
    samples: np.ndarray,
    tokens: np.ndarray,
    boxes: np.ndarray,
    pixels: np.ndarray,
    drawn: tuple[int, int] | None,
) -> Hidden:
    """Hide parts of some pages.

    Args:
        tokens: int32, size x T; boxes: int32, size x T x 4; pixels: uint8, size x S x S, or of no pages: rows behind
            the samples are left alone.
        drawn: seed and epoch; None: evaluation.

    Raises:
        UserError: a vocabulary without a token that stands for a hidden word.
    """
    size, width = tokens.shape
    most = num_masked(width, settings.masked)
    tokens, pixels = tokens.copy(), pixels.copy()
    positions = np.zeros((size, most), np.int32)
    of_tokens = np.full((size, most), NO_LABEL, np.int32)
    covered = np.full((size, width), NO_LABEL, np.int32)
    own = np.full((size, 1), NO_LABEL, np.int32)
    of_words, lines = readable(store, samples, width), lines_of(store, samples, width)
    vocabulary = read_vocabulary(store.path / VOCABULARY)
    if MASK not in vocabulary:
        raise UserError(
            f"{store.path}: its vocabulary has no {MASK}, which stands for a hidden word; take another --vocab"
        )
    mask = vocabulary.index(MASK)
    seed, epoch = EVALUATION if drawn is None else drawn
    for row, sample in enumerate(samples.tolist()):
        draws = uniform(words(seed, Purpose.HIDING, epoch, sample, 4 * width + 4))
        of_row = draws[: 4 * width].reshape(4, width)
        found = np.flatnonzero(of_words[row])
        count = int(masked_of(np.array([len(found)]), settings.masked)[0])
        chosen = np.sort(found[np.argsort(of_row[0, found], kind="stable")[: min(count, most)]])
        positions[row, : len(chosen)], of_tokens[row, : len(chosen)] = chosen, tokens[row, chosen]
        other = (of_row[2, chosen] * len(vocabulary)).astype(np.int32)
        kind = of_row[1, chosen]
        replaced = np.where(kind < 1 - RANDOM_SHARE, mask, other)
        stays = kind < KEPT_SHARE
        tokens[row, chosen] = np.where(stays, tokens[row, chosen], replaced)
        if not pixels.shape[1]:
            continue
        own[row] = OWN_PAGE
        hidden_lines = np.flatnonzero(of_row[3] < settings.covered) if settings.alignment else np.zeros(0, np.int64)
        is_covered = np.isin(lines[row], hidden_lines) & of_words[row]
        decides, which = draws[-4], draws[-3]
        other_page = another_page(store, sample, which)
        if settings.matching and other_page is not None and decides < settings.replaced:
            pixels[row], own[row] = other_page, OTHER_PAGE
        elif settings.matching and decides < settings.replaced + settings.dropped:
            pixels[row], own[row] = NO_PAGE, OTHER_PAGE
        blacken(pixels[row], boxes[row, chosen])
        blacken(pixels[row], boxes[row, is_covered])
        covered[row, of_words[row]] = NOT_COVERED
        covered[row, is_covered] = COVERED
        if own[row] == OTHER_PAGE:
            covered[row, of_words[row]] = COVERED  # nothing of the text is on the image
        covered[row, chosen] = NO_LABEL
    if not settings.alignment:
        covered[:] = NO_LABEL
    if not settings.matching:
        own[:] = NO_LABEL
    return Hidden(tokens, pixels, positions, np.concatenate([of_tokens, covered, own], 1))


def lines_of(store: Store, samples: np.ndarray, width: int) -> np.ndarray:
    """The line of the text that each token stands in (int32, n x T; below the width of a text)."""
    assert store.token_lines is not None, "the plan gives a store what its workload reads"
    return np.asarray(store.token_lines[samples, :width])


def another_page(store: Store, sample: int, draw: float) -> np.ndarray | None:
    """The image of a page of the same split that is not a sample's (uint8, S x S); None where there is no other."""
    assert store.pixels is not None, "the plan gives a store what its workload reads"
    split = store.split_documents[int(store.split_codes[sample])]
    own = int(np.searchsorted(split, store.document_of(np.array([sample]))[0]))
    if len(split) < 2:
        return None
    page: np.ndarray = store.pixels[split[(own + 1 + int(draw * (len(split) - 1))) % len(split)]]
    return page


def blacken(pixels: np.ndarray, boxes: np.ndarray) -> None:
    """Hide boxes (k x 4, thousandths) on an image (S x S), in place."""
    side = pixels.shape[0]
    for left, top, right, bottom in np.unique(boxes, axis=0).tolist():
        across = slice(left * side // BOX_SCALE, -(-right * side // BOX_SCALE))
        down = slice(top * side // BOX_SCALE, -(-bottom * side // BOX_SCALE))
        pixels[down, across] = HIDDEN


def loss_weights(store: Store, settings: Pretraining, size: int, together: np.ndarray, pages: bool) -> np.ndarray:
    """The factors of a sample's three losses (float32, size x 3): with them each is the mean over what has a label in
    the global batch."""
    assert store.max_tokens is not None, "the plan gives a store what its workload reads"
    num_words = readable(store, together, store.max_tokens).sum(1)
    masked = np.minimum(masked_of(num_words, settings.masked), num_masked(store.max_tokens, settings.masked))
    labelled = (int(masked.sum()), int((num_words - masked).sum()), len(together))
    factors = [len(together) / max(count, 1) for count in labelled]
    used = (True, settings.alignment and pages, settings.matching and pages)
    return np.tile(np.array(factors, np.float32) * np.array(used, np.float32), (size, 1))
