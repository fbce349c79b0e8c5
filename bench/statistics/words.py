"""What has to be said beside intervals: the level that they really have, and what several of them are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def level_text(levels: Iterable[float]) -> str:
    """One or several levels in per cent.

    >>> level_text([0.9375]), level_text([0.95, 0.953125, 0.9375])
    ('93.75 %', '93.75 to 95.31 %')
    """
    ordered = sorted(levels)
    texts = dict.fromkeys(f"{100 * level:.4g}" for level in (ordered[0], ordered[-1]))
    return f"{' to '.join(texts)} %"


def direction_text(levels: Iterable[float]) -> str:
    """What a verdict of one direction ("faster") rests on, of two-sided levels.

    >>> direction_text([0.9375])
    'faster or slower is said where one bound is beyond 1, and that bound alone holds with 96.88 %'
    """
    held = level_text((1 + level) / 2 for level in levels)
    return f"faster or slower is said where one bound is beyond 1, and that bound alone holds with {held}"


def family_notes(levels: Sequence[float]) -> list[str]:
    """How often one or more of several intervals miss; nothing where there is one. Whatever they have in common.

    Args:
        levels: of each comparison's interval.

    >>> family_notes([0.9375] * 3)
    ['3 comparisons, each with an interval of its own: in up to 18.75 % of such tables one or more of them miss']
    """
    if len(levels) < 2:
        return []
    missed = min(1.0, sum(1 - level for level in levels))
    return [
        f"{len(levels)} comparisons, each with an interval of its own: in up to {100 * missed:.4g} % of such tables "
        "one or more of them miss"
    ]
