"""What the figures draw and say, read from matplotlib's own objects."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.show.figures.bars import score_figure, throughput_figure
from bench.show.figures.lines import speedup_figure, training_time_figure
from bench.show.groups import group_records
from bench.statistics.intervals import median
from tests import golden
from tests.bench.record_maker import UNKNOWN, scored

FIGURES = (speedup_figure, training_time_figure, throughput_figure, score_figure)


def draw(figure_of, records) -> tuple[Figure, Axes]:
    (group,) = group_records(records)
    figure = figure_of(group)
    return figure, figure.axes[0]


def line(axes: Axes, gid: str) -> tuple[list[float], list[float]]:
    (found,) = [artist for artist in axes.lines if artist.get_gid() == gid]
    return list(found.get_xdata()), list(found.get_ydata())


def caption(figure: Figure) -> str:
    """The text below the axes, unwrapped."""
    return " ".join(figure.get_supxlabel().replace("\N{NO-BREAK SPACE}", " ").split())


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_speedup_draws_the_centres_the_band_and_the_ideal_line(run_records) -> None:
    figure, axes = draw(speedup_figure, run_records)
    assert line(axes, "median-pt-matched") == ([1, 2], pytest.approx([1.0, 1.8], rel=0.01))
    assert line(axes, "median-tf-matched") == ([1, 2], pytest.approx([1.0, 1.5], rel=0.01))
    assert line(axes, "ideal") == ([1, 2], [1, 2])
    assert legend(figure) == ["PyTorch", "TensorFlow", "ideal"]
    (band,) = [artist for artist in axes.collections if artist.get_gid() == "band-pt-matched"]
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1.0, 178 / 98))  # of the pairs


def test_the_captions(run_records, make_record) -> None:
    """What each figure says below its axes: all that a reader needs, no hashes, and what spoils or limits it."""
    several = [make_record("pt", count, 10.0 * count + step, step) for count in (1, 2) for step in range(6)]
    on_gpu = {"device": "cuda", "device_name": "Example GPU", "cores_per_replica": None, "data_name": "rvl"}
    failed = [make_record("tf", 4, None, status="oom"), make_record("tf", 4, None, 1, status="timeout")]
    situations = {
        "an ordinary run": run_records,
        "repeats enough for intervals": several,  # of pairs the level nearest to 95 % is another
        "at 1 replica too few of them": [each for each in several if each.replicas == 2 or each.repeat < 2],
        "a single cell": several[:1],
        "real data on a GPU": [make_record("pt", 1, 9.0, **on_gpu)],
        "failed cells": [*run_records, *failed],
        "nothing but failed cells": [make_record("pt", count, None, status="crash") for count in (1, 2)],
        "too few cores": [*run_records, make_record("pt", 4, 200.0, oversubscribed=True)],
        "above linear": [*run_records, make_record("pt", 4, 440.0, 1), make_record("tf", 4, 320.0, 1)],
        "no cell at 1 replica": [make_record("pt", 2, 50.0)],
        "a cell unverified": [*run_records, make_record("tf", 4, 200.0, certificate="unverified", certificate_id=None)],
        "an unknown number of classes": [make_record("pt", 1, 10.0, settings={})],
    }
    lines = []
    for situation, records in situations.items():
        lines += [f"{situation}:"]
        lines += [f"- {figure_of.__name__}: {caption(draw(figure_of, records)[0])}" for figure_of in FIGURES]
    golden.check("figure-captions", "\n".join(lines))


def test_whiskers_are_the_intervals_of_the_medians(make_record) -> None:
    values = [10.0, 11.0, 12.0, 13.0, 30.0]
    _, axes = draw(throughput_figure, [make_record("pt", 1, value, repeat) for repeat, value in enumerate(values)])
    assert line(axes, "whisker-pt-matched-1")[1] == list(median(values).interval or ())


def test_speedup_leaves_out_oversubscribed_cells(run_records, make_record) -> None:
    _, axes = draw(speedup_figure, [*run_records, make_record("pt", 4, 200.0, oversubscribed=True)])
    assert line(axes, "median-pt-matched")[0] == [1, 2]


def test_speedup_flags_what_is_above_linear(run_records, make_record) -> None:
    _, axes = draw(speedup_figure, [*run_records, make_record("pt", 4, 440.0, 1), make_record("tf", 4, 320.0, 1)])
    assert line(axes, "flag-pt-matched") == ([4], pytest.approx([4.4]))
    assert line(axes, "flag-tf-matched") == ([], [])


def test_speedup_without_a_baseline_is_not_drawn(make_record) -> None:
    _, axes = draw(speedup_figure, [make_record("pt", 2, 50.0)])
    assert line(axes, "median-pt-matched") == ([], [])


@pytest.mark.parametrize("figure_of", FIGURES)
def test_failed_cells_are_crosses_with_their_status(figure_of, run_records, make_record) -> None:
    failed = [make_record("tf", 4, None, status="oom"), make_record("tf", 4, None, 1, status="timeout")]
    _, axes = draw(figure_of, [*run_records, *failed])
    (x,), _ = line(axes, "failed-tf-matched")
    ticks = dict(zip((label.get_text() for label in axes.get_xticklabels()), axes.get_xticks(), strict=True))
    assert abs(x - ticks["4"]) < 0.5
    assert "oom, timeout" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("figure_of", FIGURES)
def test_a_run_without_one_good_cell_is_drawn_too(figure_of, make_record) -> None:
    _, axes = draw(figure_of, [make_record("pt", count, None, status="crash") for count in (1, 2)])
    assert len([artist for artist in axes.lines if artist.get_gid() == "failed-pt-matched"]) == 2


@pytest.mark.parametrize("figure_of", FIGURES)
def test_the_caption_of_an_ordinary_run_has_two_lines(figure_of, make_record) -> None:
    cells = [make_record(name, r, 10.0 * r + n, n, device_name="AMD EPYC") for name in ("pt", "tf") for r in (1, 2)
             for n in range(5)]  # fmt: skip
    assert len(draw(figure_of, cells)[0].get_supxlabel().splitlines()) <= 2


def test_unverified_points_are_hollow(run_records, make_record) -> None:
    unverified = make_record("tf", 4, 200.0, certificate="unverified", certificate_id=None)
    _, axes = draw(speedup_figure, [*run_records, unverified])
    assert line(axes, "unverified-tf-matched")[0] == [4]
    assert line(axes, "verified-tf-matched")[0] == [1, 2]
    (markers,) = [artist for artist in axes.lines if artist.get_gid() == "unverified-tf-matched"]
    assert markers.get_markerfacecolor() == "white"


def test_series_differ_without_their_colour(run_records, make_record) -> None:
    native = [make_record(framework, 1, 5.0, arm="native") for framework in ("pt", "tf")]
    _, axes = draw(speedup_figure, [*run_records, *native])
    medians = [artist for artist in axes.lines if str(artist.get_gid()).startswith("median-")]
    markers = [artist for artist in axes.lines if str(artist.get_gid()).startswith("verified-")]
    assert len({artist.get_linestyle() for artist in medians}) == len(medians) == 4
    assert len({artist.get_marker() for artist in markers}) == len(markers) == 4


def test_versions_of_one_framework_differ_without_their_colour(make_record) -> None:
    columns = ["pt", "pt@2.9", "pt@2.13", "tf@2.20", "tf@2.21"]
    cells = [make_record(name[:2], 1, 5.0, variant=name if "@" in name else None) for name in columns]
    _, axes = draw(speedup_figure, cells)
    markers = [artist.get_marker() for artist in axes.lines if str(artist.get_gid()).startswith("verified-")]
    assert len(set(markers)) == len(markers) == 5
    figure, axes = draw(throughput_figure, cells)
    assert len({bar.get_hatch() for bar in axes.patches}) == len({bar.get_facecolor() for bar in axes.patches}) == 5
    assert legend(figure)[1:3] == ["PyTorch 2.9", "PyTorch 2.13"]


def test_training_time_is_a_projection_in_hours_and_says_so(run_records) -> None:
    _, axes = draw(training_time_figure, run_records)
    replicas, hours = line(axes, "median-pt-matched")
    assert replicas == [1, 2]
    assert hours == pytest.approx([6_400_000 / 100 / 3600, 6_400_000 / 180 / 3600])
    assert "projection" in axes.get_title()
    assert "projection" in axes.get_ylabel()
    assert axes.get_yscale() == "linear"


def test_training_time_over_a_wide_range_is_logarithmic(make_record) -> None:
    cells = [make_record("pt", 1, 10.0), make_record("pt", 8, 100.0)]
    assert draw(training_time_figure, cells)[1].get_yscale() == "log"


def test_throughput_bars_stand_at_the_medians_with_a_dot_a_repeat(run_records) -> None:
    _, axes = draw(throughput_figure, run_records)
    heights = {bar.get_gid(): bar.get_height() for bar in axes.patches}
    assert heights == {
        "bar-pt-matched-1": 100.0,
        "bar-pt-matched-2": 180.0,
        "bar-tf-matched-1": 80.0,
        "bar-tf-matched-2": 120.0,
    }
    assert line(axes, "repeats-pt-matched-1")[1] == [98.0, 100.0, 104.0]
    assert len({bar.get_hatch() for bar in axes.patches}) == 2


def test_accuracy_has_a_panel_a_split_and_the_line_of_chance(run_records) -> None:
    figure, axes = draw(score_figure, run_records)
    assert [panel.get_title() for panel in figure.axes] == ["train", "val", "test"]
    assert {bar.get_height() for bar in figure.axes[2].patches} == {0.9}
    assert line(axes, "chance")[1] == [1 / 16, 1 / 16]
    assert "6 epochs" in axes.get_ylabel()


def test_scores_after_the_second_stage_are_drawn_and_said_to_be(make_record) -> None:
    figure, axes = draw(score_figure, [make_record("pt", 1, 10.0, scores=scored(test=0.5))])
    assert ([panel.get_title() for panel in figure.axes], axes.get_ylabel()) == (["test"], "accuracy after 6 epochs")
    both = scored(test=0.5) | scored(stage="finetune", test=0.75)
    figure, axes = draw(score_figure, [make_record("pt", 1, 10.0, scores=both)])
    assert {bar.get_height() for bar in axes.patches} == {0.75}
    assert axes.get_ylabel() == "accuracy after 6 epochs and the second stage"
    alone = make_record("pt", 1, 10.0, epochs=0, scores=scored(stage="finetune", test=0.75))
    assert draw(score_figure, [alone])[1].get_ylabel() == "accuracy after the second stage"


def test_scores_of_an_unknown_task_are_drawn_by_their_names(make_record) -> None:
    unknown = make_record("pt", 1, 10.0, scores=scored("syllables", test=17.0), **UNKNOWN)
    figure, axes = draw(score_figure, [unknown])
    assert axes.get_ylabel().startswith("syllables after")
    assert axes.get_ylim()[1] > 17
    assert "chance" not in caption(figure)


def test_accuracy_without_a_class_count_draws_no_chance(make_record) -> None:
    _, axes = draw(score_figure, [make_record("pt", 1, 10.0, settings={})])
    assert not [artist for artist in axes.lines if artist.get_gid() == "chance"]


@pytest.mark.parametrize("figure_of", FIGURES)
def test_nothing_is_cut_off_at_column_width(figure_of, run_records, make_record) -> None:
    more = [make_record(framework, 8, 60.0, arm="native", device_name="Example CPU") for framework in ("pt", "tf")]
    failed = [make_record("pt", 8, None, 1, status="timeout")]
    figure, _ = draw(figure_of, [*run_records, *more, *failed])
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == 3.5
    drawn = figure.get_tightbbox()  # inches
    assert drawn.x0 >= -0.02
    assert drawn.x1 <= 3.52
