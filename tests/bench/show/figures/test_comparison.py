"""The comparison with published systems, read from matplotlib's own objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.records.record import Record
from bench.run import figures
from bench.show import papers
from bench.show.figures.comparison import STRIP, comparison_figure, references
from bench.show.papers import find, published, read_papers
from tests import golden
from tests.bench.record_maker import LABELS, scored

HOLLOW = "white"
RVL = {"data_name": "rvl-cdip", "num_documents": 400_000}
TOBACCO = {"data_name": "tobacco3482", "num_documents": 3_482}
REUTERS = {"data_name": "corpus", "num_documents": 10_789, "scores": scored("f1", test=0.7), **LABELS}


@pytest.fixture
def rvl_records(run_records) -> list[Record]:
    return [record.model_copy(update=RVL) for record in run_records]


@pytest.fixture
def figure(rvl_records) -> Figure:
    return comparison_figure(rvl_records, read_papers())


def published_names(figure: Figure) -> set[str]:
    gids = [str(artist.get_gid()) for artist in figure.axes[0].lines]
    return {gid.removeprefix("published-") for gid in gids if gid.startswith("published-")}


@pytest.mark.parametrize(
    ("data", "names"),
    [(RVL, {"LayoutLMv2-large", "LayoutLMv2-base"}), (TOBACCO, {"EfficientNet + BERT"}),
     (REUTERS, {"BERT-large", "KD-LSTMreg"})],
)  # fmt: skip
def test_published_values_stand_only_beside_the_data_they_were_measured_on(data, names, make_record) -> None:
    record = make_record("pt", 1, 10.0, **data)
    assert {each.label for each in references([record])} == names
    assert published_names(comparison_figure([record], read_papers())) == names


@pytest.mark.parametrize(
    "changes",
    [
        {"data_name": "synthetic"},
        {"data_name": "rvl-cdip", "num_documents": 182},  # a part of it
        {"data_name": "rvl-cdip"},  # an older record: who knows of how much of it
        {"data_name": "mine", "num_documents": 400_000},
        RVL | {"scores": scored(train=1.0, val=0.9)},  # papers report the test split
        RVL | {"num_parameters": None},
    ],
)
def test_other_data_has_nothing_published_beside_it(changes, make_record) -> None:
    assert references([make_record("pt", 1, 10.0, **changes)]) == []


def test_measured_points_stand_where_they_are_and_none_hides_another(figure: Figure) -> None:
    (axes,) = figure.axes
    cells = [artist for artist in axes.lines if str(artist.get_gid()).startswith("cell-")]
    assert {artist.get_xdata()[0] for artist in cells} == {4.028044}
    assert all(artist.get_transform() == axes.transData for artist in cells)
    by_series = {str(artist.get_gid()).rpartition("-")[0]: artist.get_markersize() for artist in cells}
    assert len(set(by_series.values())) == len(by_series) == 2


def marker(axes: Axes, gid: str):
    (found,) = [artist for artist in axes.lines if artist.get_gid() == gid]
    return found


def caption(figure: Figure) -> str:
    words = " ".join(figure.get_supxlabel().replace("\N{NO-BREAK SPACE}", " ").split())
    return words.replace("- ", "-")  # a line may end in a hyphen


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_measured_cells_stand_at_their_parameters_and_median_accuracy(make_record) -> None:
    records = [make_record("pt", 1, 10.0, repeat, scores=scored(test=share)) for repeat, share in enumerate((0.7, 0.9))]
    records.append(make_record("tf", 1, 10.0, scores=scored(test=0.6), num_parameters=8_000_000))
    (axes,) = comparison_figure(records, read_papers()).axes
    pt, tf = marker(axes, "cell-pt-matched-1"), marker(axes, "cell-tf-matched-1")
    assert (pt.get_xdata()[0], pt.get_ydata()[0]) == pytest.approx((4.028044, 0.8))
    assert (tf.get_xdata()[0], tf.get_ydata()[0]) == pytest.approx((8.0, 0.6))
    assert pt.get_marker() != tf.get_marker()
    low, high = axes.get_ylim()
    assert low < 0.6 and high > 0.9  # also the repeats' ends


def test_published_points_are_where_the_papers_put_them(figure: Figure) -> None:
    (axes,) = figure.axes
    large = marker(axes, "published-LayoutLMv2-large")
    size = published("layoutlmv2", "LayoutLMv2-large", "RVL-CDIP", "parameters").value
    accuracy = published("layoutlmv2", "LayoutLMv2-large", "RVL-CDIP", "test accuracy").value
    assert (large.get_xdata()[0], large.get_ydata()[0]) == pytest.approx((size, accuracy / 100))
    assert large.get_transform() == axes.transData


def test_a_system_without_a_parameter_count_stands_in_the_strip(make_record, figure: Figure) -> None:
    assert not [artist for artist in figure.axes[0].lines if artist.get_gid() == "strip"], "all have a size"
    figure = comparison_figure([make_record("pt", 1, 10.0, **REUTERS)], read_papers())
    (axes,) = figure.axes
    point = marker(axes, "published-BERT-large")
    assert STRIP < point.get_xdata()[0] < 1
    assert "BERT-large" in caption(figure).partition("n/s:")[2]
    border = axes.transData.transform((marker(axes, "strip").get_xdata()[0], 0))[0]
    assert axes.transAxes.inverted().transform((border, 0))[0] == pytest.approx(STRIP)
    assert axes.get_xticks().max() < marker(axes, "strip").get_xdata()[0]


def test_published_is_hollow_black_and_told_apart_by_markers(figure: Figure) -> None:
    (axes,) = figure.axes
    points = [marker(axes, f"published-{name}") for name in published_names(figure)]
    assert {point.get_markerfacecolor() for point in points} == {HOLLOW}
    assert {point.get_color() for point in points} == {"black"}
    assert len({point.get_marker() for point in points}) == len(points)
    assert marker(axes, "cell-pt-matched-1").get_markerfacecolor() != HOLLOW


def test_words_say_what_is_measured_and_what_was_published_on_which_data(figure: Figure) -> None:
    golden.check("figure-comparison", "\n".join([caption(figure), *legend(figure)]))


def test_an_unverified_cell_is_hollow_in_its_own_colour(make_record) -> None:
    record = make_record("pt", 1, 10.0, certificate="unverified", certificate_id=None, **RVL)
    figure = comparison_figure([record], read_papers())
    point = marker(figure.axes[0], "cell-pt-matched-1")
    assert point.get_markerfacecolor() == "none"
    assert point.get_color() != "black"
    assert "unverified (drawn hollow)" in caption(figure)


def test_of_several_labels_f1_is_drawn_and_named(make_record) -> None:
    both = {"train": {"test": {"f1": 0.7, "accuracy": 0.5}}}
    record = make_record("pt", 1, 10.0, **(REUTERS | {"scores": both}))
    figure = comparison_figure([record], read_papers())
    assert marker(figure.axes[0], "cell-pt-matched-1").get_ydata()[0] == 0.7
    assert "measured here, F1 (micro) on test" in caption(figure)


def test_failed_cells_are_named(run_records, make_record) -> None:
    figure = comparison_figure([*run_records, make_record("tf", 4, None, status="oom")], read_papers())
    assert "TensorFlow, 4 replicas: oom" in caption(figure)


def test_a_missing_or_refuted_figure_is_never_drawn(run_records) -> None:
    rows = read_papers()
    records = [record.model_copy(update=REUTERS) for record in run_records]
    with pytest.raises(KeyError, match="KD-LSTMreg"):
        comparison_figure(records, [row for row in rows if row.system != "KD-LSTMreg"])
    row = find(rows, "docbert", "BERT-large", "Reuters", "test F1")
    refuted = [replace(row, note="not a fact: made up") if other == row else other for other in rows]
    with pytest.raises(AssertionError):
        comparison_figure(records, refuted)


@pytest.mark.parametrize("arms", [["matched"], ["matched", "native"]])
def test_nothing_is_cut_off_at_column_width(arms: list[str], make_record) -> None:
    records = [make_record(framework, 1, 10.0, arm=arm, **RVL) for framework in ("pt", "tf") for arm in arms]
    figure = comparison_figure(records, read_papers())
    figure.draw_without_rendering()  # lays it out
    assert figure.get_size_inches()[0] == 3.5
    drawn = figure.get_tightbbox()  # inches
    assert drawn.x0 >= -0.02
    assert drawn.x1 <= 3.52
    assert figure.axes[0].get_position().height * figure.get_size_inches()[1] > 1.2  # the legend leaves it room


def test_it_is_drawn_where_there_is_an_accuracy_and_data(
    rvl_records, make_record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(records, folder: str) -> set[str]:
        return {path.stem for path in figures.plot_records(records, tmp_path / folder, ["svg"])}

    assert "comparison" in names(rvl_records, "with")
    assert "comparison" not in names([make_record("pt", 1, 10.0, epochs=0, scores={}, **RVL)], "without")
    monkeypatch.setattr(papers, "PAPERS", tmp_path / "absent")
    assert "comparison" not in names(rvl_records, "installed")
