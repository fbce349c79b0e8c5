"""Which pages take part, and in which split: a function of names and a seed, never of the order of files on disk."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from bench.data.source import Page
from shared.errors import UserError
from shared.store import SPLITS

DEFAULT_SPLIT = (0.8, 0.1, 0.1)
DEFAULT_VAL_SHARE = 0.1  # of training documents, where a data set has its own splits and none of them is val


def parse_split(text: str) -> tuple[float, float, float]:
    """`0.8,0.1,0.1` to the shares of train, val and test.

    Raises:
        UserError: not three numbers, a negative one, no training share, or a sum other than 1.
    """
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--split {text}: give three shares, train,val,test, e.g. 0.8,0.1,0.1") from None
    if not (0 < train <= 1 and 0 <= val < 1 and 0 <= test < 1 and abs(train + val + test - 1) < 1e-6):
        raise UserError(f"--split {text}: the shares must add up to 1, with a training share above 0")
    return train, val, test


def shuffle_key(seed: int, name: str) -> bytes:
    """A page's place in a seeded order of its class."""
    return hashlib.sha256(f"{seed}/{name}".encode(errors="surrogatepass")).digest()


def assign_splits(names: Sequence[str], labels: Sequence[int], shares: Sequence[float], seed: int) -> list[str]:
    """A split for every page, stratified.

    Pages are dealt class by class to the split that is furthest behind its share, so both the whole and each class
    keep the shares as nearly as whole pages allow. The first page of a class always trains.

    Args:
        names: unique page names. labels: class of each. shares: of train, val, test; they add up to 1.

    Returns:
        Names of splits, in the order of `names`.
    """
    order = sorted(range(len(names)), key=lambda i: (labels[i], shuffle_key(seed, names[i])))
    dealt = [0] * len(shares)
    splits = [SPLITS[0]] * len(names)
    previous_label = None
    for position, page in enumerate(order, start=1):
        behind = [share * position - count for share, count in zip(shares, dealt, strict=True)]
        first_of_class = labels[page] != previous_label
        chosen = 0 if first_of_class else max(range(len(shares)), key=behind.__getitem__)
        dealt[chosen] += 1
        splits[page] = SPLITS[chosen]
        previous_label = labels[page]
    return splits


def draw_val(names: Sequence[str], labels: Sequence[int], own: Sequence[str], share: float, seed: int) -> list[str]:
    """Splits of a data set that has its own and no val: `share` of the training documents, stratified, become it."""
    splits = list(own)
    drawn = [row for row, split in enumerate(own) if split == SPLITS[0]]
    shares = (1 - share, share, 0.0)
    dealt = assign_splits([names[row] for row in drawn], [labels[row] for row in drawn], shares, seed)
    for row, split in zip(drawn, dealt, strict=True):
        splits[row] = split
    return splits


def whole_shares(total: int, weights: Sequence[int]) -> list[int]:
    """`total` divided in proportion to `weights` into whole numbers (largest remainders)."""
    exact = [total * weight / sum(weights) for weight in weights]
    shares = [int(value) for value in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def take(pages: Sequence[Page], limit: int, seed: int) -> list[Page]:
    """At most `limit` pages: each split in proportion, classes in turn, seeded; the original order is kept.

    Pages that may have several labels are taken without regard to them.

    Raises:
        UserError: a limit below the number of classes.
    """
    strata = [page.label if isinstance(page.label, int) else 0 for page in pages]  # several labels: one stratum
    num_classes = len(set(strata))
    if limit < num_classes:
        raise UserError(f"--limit {limit}: there are {num_classes} classes; give at least one page each")
    if limit >= len(pages):
        return list(pages)
    by_split: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, page in enumerate(pages):
        by_split[page.split][strata[i]].append(i)
    sizes = [sum(map(len, by_class.values())) for by_class in by_split.values()]
    taken: list[int] = []
    turn = 0  # goes on from one split to the next, so that a limit of one page a class reaches every class
    for quota, by_class in zip(whole_shares(limit, sizes), by_split.values(), strict=True):
        queues = [
            sorted(by_class[label], key=lambda i: shuffle_key(seed, pages[i].name), reverse=True)
            for label in sorted(by_class)
        ]
        while quota:
            queue = queues[turn % len(queues)]
            turn += 1
            if queue:
                taken.append(queue.pop())
                quota -= 1
    return [pages[i] for i in sorted(taken)]
