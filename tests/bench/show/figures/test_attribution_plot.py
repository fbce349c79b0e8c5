"""The stacked bars of an attribution."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bench.attribution.figures import FILLS, attribution_figure, attribution_figures, spread, stack
from bench.attribution.split import PARTS, attribute
from bench.run.figures import plot_records
from tests.bench.attribution.records import attribution_records, plain_record


@pytest.fixture
def figure() -> Figure:
    return attribution_figure(attribute(attribution_records()))


def bars(figure: Figure, key: str) -> dict[str, tuple[float, float]]:
    """Part to bottom and height of a bar's segments."""
    prefix = f"part-{key}-"
    patches = [patch for patch in figure.axes[0].patches if str(patch.get_gid()).startswith(prefix)]
    return {str(patch.get_gid()).removeprefix(prefix): (patch.get_y(), patch.get_height()) for patch in patches}  # type: ignore[attr-defined]


def test_the_segments_are_the_parts_and_reach_the_step(figure: Figure) -> None:
    (split,) = [each for each in attribute(attribution_records()) if (each.replicas, each.name) == (2, "TensorFlow")]
    found = bars(figure, "tf-2")
    assert {part: height for part, (_, height) in found.items()} == pytest.approx(
        {part: 1e3 * estimate.value for part, estimate in split.parts.items()}
    )
    top = max(bottom + height for bottom, height in found.values())
    assert top == pytest.approx(1e3 * split.step.value)
    assert {line.get_gid() for line in figure.axes[0].lines} >= {"step-tf-2", "interval-tf-2", "step-pt-1"}


def test_a_negative_part_lies_below_zero() -> None:
    records = [
        record.model_copy(update={"part_seconds": {**record.part_seconds, "optimizer": [0.030] * 3}})
        if record.part_seconds
        else record
        for record in attribution_records(replicas=(1,))
    ]
    segments = stack(attribute(records)[0])
    start, end = segments["unexplained"]
    assert start == 0
    assert end < 0
    assert segments["wait"][0] == segments["copy"][1]
    low, _ = attribution_figure(attribute(records)).axes[0].get_ylim()
    assert low < end


def test_parts_can_be_told_apart_without_colour() -> None:
    assert set(FILLS) == set(PARTS)
    lightness = {part: round(sum(to_rgb(fill.color)) / 3, 1) for part, fill in FILLS.items()}
    assert len({(lightness[part], FILLS[part].hatch) for part in PARTS}) == len(PARTS)
    assert FILLS["unexplained"].hatch


def test_the_caption_names_how_it_was_measured_and_what_is_left_open(figure: Figure) -> None:
    caption = " ".join(figure._supxlabel.get_text().split())  # type: ignore[attr-defined]
    for words in ("medians of 7 repeats", "verified", "95 %", "CPU replicas of 1 core"):
        assert words in caption
    assert "% of the step is unexplained" in caption
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"forward+backward", "gradient exchange", "input wait", "unexplained"} <= texts


def test_a_part_that_nobody_has_is_not_named() -> None:
    figure = attribution_figure(attribute(attribution_records(replicas=(1,))))
    assert "gradient exchange" not in {text.get_text() for text in figure.axes[0].texts}


def test_names_keep_their_distance() -> None:
    assert spread([0.0, 0.1, 0.2, 10.0], 1.0, 0.0, 10.0) == [0.0, 1.0, 2.0, 10.0]
    assert spread([9.9, 10.0], 1.0, 0.0, 10.0) == [9.0, 10.0]


def test_a_run_is_drawn_from_its_records_and_stands_in_no_other_figure(tmp_path: Path) -> None:
    paths = plot_records(attribution_records(repeats=2), tmp_path / "own", ("svg",))
    assert [path.name for path in paths] == ["attribution.svg"]
    again = plot_records(attribution_records(repeats=2), tmp_path / "again", ("svg",))
    assert paths[0].read_bytes() == again[0].read_bytes()
    plain = [plain_record("disk", count) for count in (1, 2)]
    names = {path.name for path in plot_records([*attribution_records(repeats=2), *plain], tmp_path / "both", ("svg",))}
    assert names == {"attribution.svg", "speedup.svg", "throughput.svg"}


def test_two_settings_have_a_figure_each() -> None:
    other = attribution_records(replicas=(1,), repeats=2, spec_hash="other", run_id="other")
    figures = attribution_figures([*attribution_records(replicas=(1,), repeats=2), *other])
    assert len({slug for slug, _ in figures}) == 2
