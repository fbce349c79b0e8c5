"""Figures of `bench accuracy`: accuracies over the splits as in the paper's figure 4, confusion matrices, classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from bench.accuracy.published import published_for, why_not
from bench.accuracy.results import (
    BOTH,
    ENSEMBLE,
    EQUAL,
    FRAMEWORK_NAMES,
    SEARCHED,
    AccuracyRecord,
    accuracies_on_test,
    over_splits,
)
from bench.accuracy.tables import members_of, split_data
from bench.show.figures.bars import spread_out
from bench.show.figures.style import STYLES, Style, draw_legend, new_figure, save, styled
from bench.show.papers import Published
from bench.show.titles import joined
from shared.errors import UserError
from shared.frameworks import KEYS

FRAMEWORK_STYLES = {
    **{key: STYLES[f"{key}-matched"] for key in KEYS},
    BOTH: Style("#999999", "D", ":", "\\\\\\\\"),
}
GROUP_WIDTH = 0.8  # of the distance between two groups of boxes or bars
MOST_NUMBERED = 10  # classes whose confusions are also written as numbers
LONGEST_NAME = 14  # characters of a class's name
SQUARE_INCHES = 1.2  # what a confusion matrix is taller than other figures

Groups = dict[tuple[str, str, str | None], list[AccuracyRecord]]


def plot_accuracy(records: Sequence[AccuracyRecord], out: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Draw the figures of one run and return the files written.

    Raises:
        UserError: no records over splits, or a folder that cannot be written.
    """
    groups = over_splits(records)
    if not groups:
        raise UserError("no record over splits to draw, only stage 1; `bench accuracy --resume` runs what is left")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot make this folder for the figures ({error.strerror}); name another") from None
    figures = {"accuracy-splits": splits_figure(records)}
    for member in dict.fromkeys(member for _, member, _ in groups):
        figures[f"accuracy-classes-{member}"] = classes_figure(records, member)
    for (framework, member, rule), group in groups.items():
        # the searched weights' matrix hardly differs from that of equal ones
        if rule != SEARCHED and any(record.confusion for record in group):
            figures[f"confusion-{framework.replace('+', '-')}-{member}"] = confusion_figure(records, framework, member)
    return [save(figure, out / f"{name}.{suffix}") for name, figure in figures.items() for suffix in formats]


@styled
def splits_figure(records: Sequence[AccuracyRecord]) -> Figure:
    """A box per framework and member over the splits (paper, figure 4), a dot per split, the published lines.

    The box spans the quartiles, its line is the median, the whiskers reach the lowest and the highest split. Published
    values are drawn only where they are of these documents.
    """
    groups = over_splits(records)
    frameworks = list(dict.fromkeys(framework for framework, _, _ in groups))
    members = list(dict.fromkeys((member, rule) for _, member, rule in groups))
    published = published_for(records)
    figure, (axes,) = new_figure(caption(records), [*published_notes(records, published), *failure_notes(groups)])
    width = GROUP_WIDTH / len(frameworks)
    for (framework, member, rule), group in groups.items():
        place = members.index((member, rule)) + (frameworks.index(framework) - (len(frameworks) - 1) / 2) * width
        draw_box(axes, group, place, 0.8 * width, f"{framework}-{member}" + (f"-{rule}" if rule else ""))
    for member, values in published.items():
        places = [place for place, (name, _) in enumerate(members) if name == member]
        for value, style in zip(values, ("--", ":"), strict=False):
            if places:
                ends = [min(places) - 0.5, max(places) + 0.5]
                halo = [withStroke(linewidth=2, foreground="white")]
                axes.plot(ends, [100 * value.share] * 2, style, color="black", linewidth=0.9, path_effects=halo,
                          gid=f"published-{member}")  # fmt: skip
    axes.set_xticks(range(len(members)), [f"{member}\n({rule})" if rule else member for member, rule in members])
    axes.set_xlim(-0.5, len(members) - 0.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test accuracy, %")
    axes.set_title(f"Accuracy over {records[0].protocol.num_splits} random splits")
    draw_legend(figure, [framework_handle(framework) for framework in frameworks])
    return figure


def draw_box(axes: Axes, group: Sequence[AccuracyRecord], place: float, width: float, name: str) -> None:
    """One box with its dots; a cross with the statuses where no split ended well."""
    style = FRAMEWORK_STYLES[group[0].framework]
    values = [100 * value for value in accuracies_on_test(group).values()]
    if not values:
        transform = axes.get_xaxis_transform()
        axes.plot(
            [place], [0.05], "x", color=style.color, transform=transform, markeredgewidth=1.5, gid=f"failed-{name}"
        )
        words = ", ".join(sorted({record.status for record in group}))
        axes.annotate(words, (place, 0.05), xycoords=transform, xytext=(0, 4), textcoords="offset points",
                      fontsize=6, ha="center", rotation=90)  # fmt: skip
        return
    verified = all(record.certificate == "verified" for record in group)
    drawn = axes.boxplot(
        [values],
        positions=[place],
        widths=width,
        whis=(0, 100),
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": style.color if verified else "white", "edgecolor": "black" if verified else style.color,
                  "hatch": style.hatch, "linewidth": 0.6},
        medianprops={"color": "black", "linewidth": 1.4},
        whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
    )  # fmt: skip
    drawn["boxes"][0].set_gid(f"box-{name}")
    drawn["medians"][0].set_gid(f"median-{name}")
    drawn["medians"][0].set_path_effects([withStroke(linewidth=2.6, foreground="white")])
    dots = [place + 0.25 * width * offset for offset in spread_out(len(values))]
    axes.plot(dots, values, ".", color="black", markersize=2.5, gid=f"splits-{name}")


@styled
def confusion_figure(records: Sequence[AccuracyRecord], framework: str, member: str) -> Figure:
    """The confusion matrix of one framework and member, summed over the splits, each row a share of its class.

    A document is tested in most splits, and counts once in each. Of the ensemble it is that with equal weights.
    """
    group = over_splits(records)[framework, member, EQUAL if member == ENSEMBLE else None]
    first = group[0]
    counts = np.sum([record.confusion for record in group if record.confusion], axis=0)
    documents = counts.sum(1, keepdims=True)
    shares = np.divide(counts, documents, out=np.zeros(counts.shape), where=documents > 0)
    note = f"rows: true class, each summing to 100 %; test documents of {sum(r.status == 'ok' for r in group)} splits"
    figure, (axes,) = new_figure(caption(records), [note])
    figure.set_figheight(figure.get_figheight() + SQUARE_INCHES)
    image = axes.imshow(100 * shares, cmap="Greys", vmin=0, vmax=100, gid="confusion")
    names = [short(name) for name in first.classes]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=5.5)
    axes.set_yticks(range(len(names)), names, fontsize=5.5)
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{FRAMEWORK_NAMES[first.framework]}, {first.label}")
    if len(names) <= MOST_NUMBERED:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=5, color=color)
    figure.colorbar(image, ax=axes, shrink=0.7, label="% of the true class")
    return figure


@styled
def classes_figure(records: Sequence[AccuracyRecord], member: str) -> Figure:
    """Accuracy on each class of one member (of the ensemble with equal weights), a bar per framework.

    The bar is the median over the splits, the thin line reaches from the lowest split to the highest.
    """
    groups = {key[0]: group for key, group in over_splits(records).items() if key[1] == member and key[2] != SEARCHED}
    classes = next(iter(groups.values()))[0].classes
    own = [record for group in groups.values() for record in group]
    notes = ["bars: median over the splits; lines: lowest to highest"]
    notes += failure_notes(over_splits(own))
    figure, (axes,) = new_figure(caption(records), notes)
    width = GROUP_WIDTH / len(groups)
    for index, (framework, group) in enumerate(groups.items()):
        good = [record for record in group if record.status == "ok"]
        if not good:
            continue
        style, places = FRAMEWORK_STYLES[framework], np.arange(len(classes)) + (index - (len(groups) - 1) / 2) * width
        values = 100 * np.array([[record.per_class[name] for name in classes] for record in good])
        verified = all(record.certificate == "verified" for record in good)
        medians = np.median(values, axis=0)
        axes.bar(places, medians, width, color=style.color if verified else "white",
                 edgecolor="black" if verified else style.color, hatch=style.hatch, linewidth=0.5,
                 gid=f"classes-{framework}")  # fmt: skip
        axes.vlines(places, values.min(0), values.max(0), color="black", linewidth=0.6)
    axes.set_xticks(range(len(classes)), [short(name) for name in classes], rotation=90, fontsize=5.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 100)
    axes.set_ylabel("test accuracy, %")
    axes.set_title(f"Accuracy by class: {member}{' (equal weights)' if member == ENSEMBLE else ''}")
    draw_legend(figure, [framework_handle(framework) for framework in groups])
    return figure


def framework_handle(framework: str) -> Patch:
    """The legend's entry of a framework."""
    style, label = FRAMEWORK_STYLES[framework], FRAMEWORK_NAMES[framework]
    return Patch(facecolor=style.color, edgecolor="black", hatch=style.hatch, linewidth=0.5, label=label)


def caption(records: Sequence[AccuracyRecord]) -> list[str]:
    """What a figure must not be shown without, in a line or two; versions and hashes are in the run's report."""
    first, protocol = records[0], records[0].protocol
    name = split_data(records)
    unverified = sum(record.certificate != "verified" for record in records)
    share = "" if unverified == len(records) else f"{unverified} of {len(records)} results "
    return [
        f"data: {name}",
        joined(f"{record.workload} {record.preset}" for record in members_of(records)),
        f"{protocol.train_per_class}/{protocol.val_per_class} documents per class to train/validate",
        f"{'CPU' if first.device == 'cpu' else 'GPU'}: {first.device_name}",
        f"{share}unverified (drawn hollow)" if unverified else "verified",
    ]


def short(name: str) -> str:
    """A class's name, cut where it is too long for an axis."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def published_notes(records: Sequence[AccuracyRecord], published: dict[str, list[Published]]) -> list[str]:
    """Which published lines are drawn, or why none is."""
    if reason := why_not(records):
        return [reason]
    lines = []
    for member, values in published.items():
        words = [
            f"{name} {value.system} {value.value:g} %"
            for name, value in zip(("dashed", "dotted"), values, strict=False)
        ]
        lines.append(f"published ({values[0].paper}, {values[0].table}), {member}: {'; '.join(words)}")
    return lines


def failure_notes(groups: Groups) -> list[str]:
    """What failed, a line per framework and member."""
    lines = []
    for (framework, _, _), group in groups.items():
        failed = [record for record in group if record.status != "ok"]
        if failed:
            statuses = ", ".join(sorted({record.status for record in failed}))
            lines.append(
                f"{FRAMEWORK_NAMES[framework]}, {group[0].label}: {len(failed)} of {len(group)} splits {statuses}"
            )
    return lines
