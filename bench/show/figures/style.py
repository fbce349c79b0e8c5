"""How figures look: column width, readable in greyscale (markers, lines and hatches besides colour), reproducible."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from bench.host.files import write_for_user
from bench.show.captions import statuses
from bench.show.groups import Point, Series
from bench.terminal.printable import printable_lines

P = ParamSpec("P")

WIDTH = 3.5  # inches: one column
HEIGHT = 2.3  # inches, without the caption
DOTS_PER_INCH = 300
CAPTION_SIZE, CAPTION_COLUMNS = 5.5, 86  # points; characters that fit the width at that size
CAPTION_LINE = 1.35 * CAPTION_SIZE / 72  # inches

SETTINGS: dict[Any, Any] = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "legend.fontsize": 6.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # names are the user's: a dollar sign in one is no formula
    "svg.hashsalt": "twinbench",  # without it every drawing of the same figure has other ids
}


@dataclass(frozen=True)
class Style:
    """What tells one series from another; the colours (Okabe and Ito's palette) differ in lightness too."""

    color: str
    marker: str
    line: Literal["-", "--", "-.", ":"]
    hatch: str


STYLES = {
    "pt-matched": Style("#0072b2", "o", "-", ""),
    "tf-matched": Style("#e69f00", "s", "--", "/////"),
    "pt-native": Style("#56b4e9", "^", "-.", "....."),
    "tf-native": Style("#d55e00", "D", ":", "xxxxx"),
}


# further versions of a framework: its colour in another lightness, other markers
SHADES = (("white", 0.5), ("black", 0.45), ("white", 0.75))  # blended with, and how far
MORE_MARKERS = {"pt": ("v", "P", "<"), "tf": ("X", "*", ">")}
MORE_HATCHES = {"pt": ("|||", "---", "ooo"), "tf": ("\\\\\\\\", "+++", "***")}
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")


def style_of(series: Series) -> Style:
    """The style of a series: that of its framework and arm, varied where versions of one framework are compared."""
    style = STYLES[f"{series.framework}-{series.arm}"]
    if series.order == 0:
        return style
    place = (series.order - 1) % len(SHADES)
    toward, share = SHADES[place]
    pairs = zip(to_rgb(style.color), to_rgb(toward), strict=True)
    red, green, blue = ((1 - share) * own + share * other for own, other in pairs)
    line = LINES[(LINES.index(style.line) + 2 * series.order) % len(LINES)]
    framework = series.framework
    return Style(to_hex((red, green, blue)), MORE_MARKERS[framework][place], line, MORE_HATCHES[framework][place])


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator of a function that draws a figure: texts take their size as they are made, so SETTINGS hold for all."""
    return matplotlib.rc_context(SETTINGS)(draw)


def new_figure(
    caption: Sequence[str], notes: Sequence[str], panels: int = 1, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of column width with its caption below the axes: the statements, then one line a note.

    Args:
        share: whether the panels share the y axis.

    Returns:
        The figure, and its axes from left to right.
    """
    lines = textwrap.wrap("\N{NO-BREAK SPACE}· ".join(caption), CAPTION_COLUMNS)
    for note in notes:
        lines += textwrap.wrap(note, CAPTION_COLUMNS, subsequent_indent="   ")
    figure = Figure(figsize=(WIDTH, HEIGHT + CAPTION_LINE * len(lines)), dpi=DOTS_PER_INCH, layout="constrained")
    axes = list(figure.subplots(1, panels, sharey=share, squeeze=False)[0])
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=CAPTION_SIZE, linespacing=1.2)
    return figure, axes


def draw_points(axes: Axes, series: Series, points: Sequence[Point]) -> None:
    """A series as a line through its centres, a band, and a marker a point.

    The band is the interval where there are repeats enough for one, else from the lowest to the highest. The markers
    of unverified points are hollow.
    """
    style = style_of(series)
    replicas = [point.replicas for point in points]
    centres = [point.centre for point in points]
    axes.plot(replicas, centres, style.line, color=style.color, gid=f"median-{series.key}")
    low, high = [point.low_high[0] for point in points], [point.low_high[1] for point in points]
    axes.fill_between(replicas, low, high, color=style.color, alpha=0.2, linewidth=0, gid=f"band-{series.key}")
    for verified in (True, False):
        chosen = [point for point in points if point.verified == verified]
        axes.plot(
            [point.replicas for point in chosen],
            [point.centre for point in chosen],
            style.marker,
            color=style.color,
            markerfacecolor=style.color if verified else "white",
            gid=f"{'verified' if verified else 'unverified'}-{series.key}",
        )


def draw_failures(axes: Axes, series: Series, position: Callable[[int], float], row: int | None = None) -> None:
    """A cross with the status at the foot of the axes for every cell that has failures.

    Args:
        position: replicas to x.
        row: 0, 1, ...: stacks the crosses of series that share their x; None: the status goes above the cross.
    """
    transform = axes.get_xaxis_transform()
    beside = {"xytext": (4, 0), "va": "center"}
    above = {"xytext": (0, 4), "ha": "center", "rotation": 90}
    for point in series.failed:
        place = position(point.replicas), 0.05 + 0.08 * (row or 0)
        axes.plot(
            [place[0]],
            [place[1]],
            "x",
            color=style_of(series).color,
            transform=transform,
            markeredgewidth=1.5,
            gid=f"failed-{series.key}",
        )
        text: dict[str, Any] = above if row is None else beside
        axes.annotate(statuses(point), place, xycoords=transform, textcoords="offset points", fontsize=6, **text)


def line_handle(series: Series) -> Line2D:
    """The legend's entry of a series drawn as a line."""
    style = style_of(series)
    return Line2D([], [], color=style.color, linestyle=style.line, marker=style.marker, label=series.label)


def bar_handle(series: Series) -> Patch:
    """The legend's entry of a series drawn as bars."""
    style = style_of(series)
    return Patch(facecolor=style.color, edgecolor="black", hatch=style.hatch, linewidth=0.5, label=series.label)


def draw_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """The legend above the axes, where it hides nothing."""
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if len(handles) == 4 else 3, frameon=False)


def replica_axis(axes: Axes, replicas: Iterable[int]) -> None:
    """Ticks at the replica counts that were asked for."""
    counts = sorted(replicas)
    axes.set_xticks(counts, [str(count) for count in counts])
    margin = 0.08 * (counts[-1] - counts[0]) or 0.5
    axes.set_xlim(counts[0] - margin, counts[-1] + 1.5 * margin)  # the status of a failed cell stands right of it
    axes.set_xlabel("replicas")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of the path's suffix; equal figures give equal SVG bytes.

    Raises:
        UserError: the file cannot be written.
    """
    write_for_user(path, rendered(figure, path.suffix[1:]), "name another folder")
    return path


def rendered(figure: Figure, kind: str, transparent: bool = False) -> bytes:
    """A figure as a file's bytes, every text in it printable: a control character makes an SVG no XML.

    Args:
        kind: "png" or "svg".
        transparent: leave the ground to what the figure lies on.
    """
    buffer = io.BytesIO()
    for text in figure.findobj(Text):
        given = text.get_text()
        if (shown := printable_lines(given)) != given.rstrip("\n"):
            text.set_text(shown)
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # the font has not every script: a box stands there, and matplotlib would print the character
        warnings.filterwarnings("ignore", message="Glyph ")
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None, transparent=transparent)
    return buffer.getvalue()
