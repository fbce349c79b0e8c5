"""Figures as inline SVG: no ids that two of them share, nothing that refers to anywhere, no style beyond themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.report.blocks import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IDENTITY = re.compile(r' id="([^"]*)"')
REFERENCE = re.compile(r'(?:url\(|href=")#([^)"]+)')
# XML prologue, document type, comments (each text once more), metadata (names of vocabularies), and a style that would
# hold for the whole page; the page's own style sheet has it for figures
SURPLUS = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
# of the outermost element: its size, which the page decides, and namespaces, which HTML knows
FRAME = re.compile(r' (?:width|height)="[\d.]+pt"| xmlns(?::\w+)?="[^"]*"')


def picture(figure: Figure, name: str, label: str, beside: bool = False) -> Picture:
    """A figure of `bench.run.figures` for the page.

    Args:
        figure: as drawn for a file.
        name: unique on the page; what its ids begin with.
        label: what it shows, in words.
        beside: of what follows it, where the window is wide.
    """
    from bench.show.figures.style import rendered

    svg = rendered(figure, "svg", transparent=True).decode("utf-8")  # the page gives the ground, light or dark
    return Picture(inlined(svg, name), label, beside)


def inlined(svg: str, name: str) -> str:
    """An SVG file's text as an element of a page, its ids prefixed or left out, its size left to the page."""
    element = SURPLUS.sub("", svg).strip()
    # what a file's elements are called for its readers' sake may be there twice (a panel each); a page wants only ids
    # that something refers to
    wanted = set(REFERENCE.findall(element))
    element = IDENTITY.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in wanted else "", element)
    element = REFERENCE.sub(lambda found: found[0].replace("#", f"#{name}-", 1), element)
    frame, _, content = element.partition(">")
    return f'{FRAME.sub("", frame)} aria-hidden="true">{content}'
