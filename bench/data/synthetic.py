"""Synthetic pages: rendered documents of sixteen kinds, so that the suite runs where no data set is at hand."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
from PIL import Image

from bench.data.canvas import Canvas
from bench.data.layouts import LAYOUTS
from bench.data.source import Page, Source
from bench.data.splits import DEFAULT_SPLIT, assign_splits
from shared.errors import UserError

CLASSES = list(LAYOUTS)
OCR_SIZE = 1000  # pixels, height and width of a page for OCR: its small print is 18 pixels high
NOISE = 24  # grey levels between the lightest and the darkest grain of a scan


def render(number: int, size: int, seed: int, num_classes: int) -> np.ndarray:
    """One page, drawn at its final size.

    Args:
        number: of the page; its class is number modulo num_classes.
        size: height and width, pixels.
        seed: of the whole set of pages.
        num_classes: how many of CLASSES take part.

    Returns:
        uint8, size x size, grey: the same for the same arguments in any process.
    """
    canvas = drawn(number, size, seed, num_classes)
    rng, page = canvas.rng, np.asarray(canvas.image).astype(np.int16)
    grain = np.frombuffer(rng.randbytes(size * size), dtype=np.uint8).reshape(size, size)
    page += grain.astype(np.int16) * NOISE // 256 - NOISE // 2
    return page.clip(0, 255).astype(np.uint8)


def drawn(number: int, size: int, seed: int, num_classes: int) -> Canvas:
    """A page before it is scanned, with the words on it; arguments as those of `render`."""
    class_name = CLASSES[number % num_classes]
    canvas = Canvas(size, class_name, random.Random(f"{seed}/{number}"))
    LAYOUTS[class_name](canvas)
    return canvas


def image(number: int, seed: int, num_classes: int) -> Image.Image:
    """The page for OCR. It is drawn again, large enough to be read, so its lines are not those of the small one."""
    return Image.fromarray(render(number, OCR_SIZE, seed, num_classes))


def source(
    num_pages: int,
    seed: int = 0,
    num_classes: int = 16,
    shares: tuple[float, ...] = DEFAULT_SPLIT,
    several: bool = False,
) -> Source:
    """`num_pages` pages, balanced over the first `num_classes` classes.

    Args:
        several: a page of an odd class has the label of the class before it too.

    Raises:
        UserError: classes that are not 2 to 16, or fewer pages than classes.
    """
    if not 2 <= num_classes <= len(CLASSES):
        raise UserError(f"--classes {num_classes}: the synthetic pages have 2 to {len(CLASSES)} classes")
    if num_pages < num_classes:
        raise UserError(f"--pages {num_pages}: {num_classes} classes need at least a page each")
    names = [f"page {number}" for number in range(num_pages)]
    labels = [number % num_classes for number in range(num_pages)]
    splits = assign_splits(names, labels, shares, seed)
    return Source(
        name="synthetic",
        classes=CLASSES[:num_classes],
        pages=[Page(i, labels_of(labels[i]) if several else labels[i], splits[i], names[i]) for i in range(num_pages)],
        render=partial(render, seed=seed, num_classes=num_classes),
        image=partial(image, seed=seed, num_classes=num_classes),
        arguments={"pages": num_pages, "seed": seed, "classes": num_classes, "split": list(shares)}
        | ({"several": True} if several else {}),
        multi_label=several,
    )


def labels_of(number: int) -> tuple[int, ...]:
    """The labels of a page of a class, where pages may have several.

    >>> labels_of(4), labels_of(5)
    ((4,), (4, 5))
    """
    return (number - 1, number) if number % 2 else (number,)
