"""The figures and the table of `bench accuracy`: what they draw and say, and when published values stand there."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.accuracy.figures import classes_figure, confusion_figure, plot_accuracy, splits_figure
from bench.accuracy.results import AccuracyRecord, accuracies_on_test, over_splits
from bench.accuracy.tables import columns, markdown, notes, rows
from tests import golden
from tests.bench.accuracy.fakes import CLASSES, make_records

SKILLS = {("pt", "image"): 0.7, ("tf", "image"): 0.7, ("pt", "text"): 0.8, ("tf", "text"): 0.4}


@pytest.fixture(scope="module")
def records() -> list[AccuracyRecord]:
    return make_records(SKILLS)


def lines(figure: Figure, gid: str) -> list[list[float]]:
    return [list(artist.get_ydata()) for artist in figure.axes[0].lines if artist.get_gid() == gid]


def caption(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().replace("\N{NO-BREAK SPACE}", " ").split())


def test_boxes_are_of_the_splits_accuracies(records: list[AccuracyRecord]) -> None:
    figure = splits_figure(records)
    for key, group in over_splits(records).items():
        name = "-".join(part for part in key if part)
        values = [100 * value for value in accuracies_on_test(group).values()]
        assert lines(figure, f"splits-{name}") == [values]
        assert lines(figure, f"median-{name}")[0][0] == pytest.approx(median(values))
    assert len([patch for patch in figure.axes[0].patches if str(patch.get_gid()).startswith("box-")]) == 10
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["PyTorch", "TensorFlow", "both"]


@pytest.mark.parametrize(
    ("training", "image", "ensemble"), [("full", [85.99, 84.5], [89.47, 87.8]), ("classifier", [94.04, 91.13], [94.9])]
)
def test_published_lines_are_those_of_the_same_training(
    training: str, image: list[float], ensemble: list[float]
) -> None:
    figure = splits_figure(make_records(SKILLS, 2, training=training))
    assert [y[0] for y in lines(figure, "published-image")] == pytest.approx(image)
    assert [y[0] for y in lines(figure, "published-ensemble")] == pytest.approx(ensemble)
    assert lines(figure, "published-text") == []
    assert f"proposed work {image[0]} %" in caption(figure)


def test_no_published_value_stands_beside_other_documents_or_another_protocol(records: list[AccuracyRecord]) -> None:
    others = make_records(SKILLS, 2, data_name="rvl-cdip")
    protocol = records[0].protocol.model_copy(update={"per_class": 50})
    changed = [record.model_copy(update={"protocol": protocol}) for record in records]
    for given, words in ((others, "this data is rvl-cdip"), (changed, "this one is changed")):
        figure = splits_figure(given)
        assert lines(figure, "published-image") == lines(figure, "published-ensemble") == []
        assert words in caption(figure)
        assert "published %" not in columns(given)
        assert words in markdown(given)


def test_what_failed_is_a_cross_or_a_note_and_what_is_unverified_is_hollow(records: list[AccuracyRecord]) -> None:
    failed = [r.model_copy(update={"status": "oom"}) if r.key == ("tf", "text", None) else r for r in records]
    one = failed.index(next(r for r in failed if r.result_id == "pt-image-03"))
    failed[one] = failed[one].model_copy(update={"status": "crash", "reason": "why", "log": "cells/x/log.txt"})
    failed = [r.model_copy(update={"certificate": "unverified"}) if r.framework == "pt" else r for r in failed]
    figure = splits_figure(failed)
    assert len(lines(figure, "failed-tf-text")) == 1
    assert len(lines(figure, "splits-pt-image")[0]) == 9
    boxes = {patch.get_gid(): patch for patch in figure.axes[0].patches}
    assert boxes["box-pt-image"].get_facecolor()[:3] == (1, 1, 1)
    assert boxes["box-tf-image"].get_facecolor()[:3] != (1, 1, 1)
    assert "TensorFlow, text: 10 of 10 splits oom" in caption(figure)
    assert "PyTorch, image: 1 of 10 splits crash" in caption(figure)
    assert "results unverified (drawn hollow)" in caption(figure)
    classes_figure(failed, "text")
    assert "pt-image-03: crash: why (log: cells/x/log.txt)" in notes(failed)


def test_the_confusion_matrix_is_summed_and_its_rows_are_shares(records: list[AccuracyRecord]) -> None:
    group = over_splits(records)["pt", "text", None]
    figure = confusion_figure(records, "pt", "text")
    (image,) = figure.axes[0].images
    shares = np.asarray(image.get_array())
    assert shares.sum(1) == pytest.approx([100] * 3)
    expected = np.sum([record.confusion for record in group], axis=0)
    assert shares == pytest.approx(100 * expected / expected.sum(1, keepdims=True))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(CLASSES)


def test_class_bars_are_medians_over_the_splits(records: list[AccuracyRecord]) -> None:
    figure = classes_figure(records, "image")
    bars = [patch.get_height() for patch in figure.axes[0].patches if patch.get_gid() == "classes-tf"]
    group = over_splits(records)["tf", "image", None]
    assert bars == pytest.approx([100 * median(record.per_class[name] for record in group) for name in CLASSES])


def test_one_framework_and_one_member_make_figures_too(tmp_path: Path) -> None:
    written = plot_accuracy(make_records({("pt", "text"): 0.5}, 1), tmp_path / "figures", ["svg"])
    assert [path.name for path in written] == [
        "accuracy-splits.svg", "accuracy-classes-text.svg", "confusion-pt-text.svg"
    ]  # fmt: skip
    again = plot_accuracy(make_records({("pt", "text"): 0.5}, 1), tmp_path / "again", ["svg"])
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_the_table_has_median_mean_of_three_published_and_p(records: list[AccuracyRecord]) -> None:
    names, table = columns(records), rows(records)
    found = {(row[0], row[1]): dict(zip(names, row, strict=True)) for row in table}
    image, text = found["PyTorch", "image"], found["TensorFlow", "text"]
    values = list(accuracies_on_test(over_splits(records)["pt", "image", None]).values())
    assert image["median %"] == f"{100 * median(values):.2f}"
    assert image["mean of first 3 %"] == f"{100 * np.mean(values[:3]):.2f}"
    assert (image["splits"], image["published %"], text["published %"]) == ("10/10", "85.99", "-")
    assert text["p between frameworks"] == "0.00195"
    assert (
        found["both", "ensemble (equal weights)"]["weights"]
        == "pt image 0.25, pt text 0.25, tf image 0.25, tf text 0.25"
    )
    assert found["both", "ensemble (equal weights)"]["p between frameworks"] == "-"
    golden.check("accuracy-published", markdown(records))
