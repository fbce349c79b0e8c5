"""The study's curves: a score over one setting, a line a framework, as DocBERT's figures 1 and 2 have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from bench.records.record import Record
from bench.show import captions, scores
from bench.show.figures.style import STYLES, draw_legend, new_figure, styled
from bench.studies.docbert.tables import TEST, by_framework
from shared.frameworks import framework


@styled
def curve(found: Mapping[int, Sequence[Record]], setting: str, name: str, logarithmic: bool = False) -> Figure:
    """The headline on the test documents: medians over seeds, lines from lowest to highest.

    Args:
        found: the setting's value to its records. setting: in words. name: of the network.
    """
    every = [record for records in found.values() for record in records]
    notes = [f"{name}: {scores.title(every)} on {TEST}", "lines: lowest to highest over seeds"]
    figure, (axes,) = new_figure([captions.data(every[0]), captions.device(every[0])], notes)
    handles = {}
    for value, records in sorted(found.items()):
        for key, own in by_framework(records).items():
            marks = [100 * mark for record in own if (mark := record.score(TEST)) is not None]
            style = STYLES[f"{key}-matched"]
            handles[key] = Line2D(
                [], [], color=style.color, marker=style.marker, linestyle="none", label=framework(key).title
            )
            if marks:
                axes.plot([value, value], [min(marks), max(marks)], color=style.color, linestyle=style.line)
                axes.plot([value], [median(marks)], color=style.color, marker=style.marker)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(sorted(found)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(setting)
    axes.set_ylabel(f"{scores.title(every)}, %")
    draw_legend(figure, [handles[key] for key in sorted(handles)])
    return figure
