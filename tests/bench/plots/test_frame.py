"""Groups, points, speedups and projections, against values worked out by hand."""

from __future__ import annotations

import pytest

from bench.plots.frame import group_records, is_implausible, projected_hours, speedups, throughput_of


def only_group(records):
    (group,) = group_records(records)
    return group


def test_speedup_is_throughput_over_the_median_at_one_replica(run_records) -> None:
    pt, tf = only_group(run_records).series(throughput_of)
    assert [point.median for point in speedups(pt)] == [1.0, 1.8]
    assert [point.median for point in speedups(tf)] == [1.0, 1.5]
    assert speedups(pt)[1].values == (1.78, 1.8, 1.84)


def test_no_baseline_no_speedup(make_record) -> None:
    (series,) = only_group([make_record("pt", 2, 50.0), make_record("pt", 4, 90.0)]).series(throughput_of)
    assert speedups(series) == []


def test_oversubscribed_and_failed_cells_give_no_speedup(make_record) -> None:
    cells = [make_record("pt", 1, 10.0), make_record("pt", 4, 12.0, oversubscribed=True)]
    cells.append(make_record("pt", 2, None, status="oom"))
    (series,) = only_group(cells).series(throughput_of)
    assert [point.replicas for point in speedups(series)] == [1]
    assert [(point.replicas, point.failures) for point in series.failed] == [(2, ("oom",))]


def test_a_failed_cell_gives_no_value_even_where_it_measured_one(make_record) -> None:
    (series,) = only_group([make_record("pt", 1, 10.0, status="timeout")]).series(throughput_of)
    assert series.measured == []


@pytest.mark.parametrize(("throughput", "flagged"), [(210.0, False), (210.1, True)])
def test_efficiency_is_flagged_only_above_the_limit(make_record, throughput: float, flagged: bool) -> None:
    (series,) = only_group([make_record("pt", 1, 100.0), make_record("pt", 2, throughput)]).series(throughput_of)
    assert is_implausible(speedups(series)[1]) is flagged


def test_projection_of_the_published_job() -> None:
    # 6.4 million pages at 1,000 pages/s take 6,400 s
    assert projected_hours(1000.0) == pytest.approx(6400 / 3600)


@pytest.mark.parametrize(
    "change",
    [
        {"spec_hash": "another"},
        {"precision": "bf16"},
        {"device": "cuda"},
        {"device_name": "Another CPU"},
        {"cores_per_replica": 2},
        {"input_mode": "device"},
        {"preset": "full"},
        {"epochs": 1},
        {"data_digest": "d2"},
    ],
)
def test_records_that_do_not_compare_are_in_groups_of_their_own(make_record, change) -> None:
    groups = group_records([make_record("pt", 1, 10.0), make_record("tf", 1, 10.0, **change)])
    assert len({group.slug for group in groups}) == 2


def test_labels_name_the_arm_only_where_arms_are_mixed(make_record) -> None:
    matched, native = make_record("pt", 1, 10.0), make_record("pt", 1, 5.0, arm="native")
    assert [series.label for series in only_group([matched]).series(throughput_of)] == ["PyTorch"]
    labels = [series.label for series in only_group([matched, native]).series(throughput_of)]
    assert labels == ["PyTorch (matched)", "PyTorch (native)"]


def test_a_point_is_verified_only_if_all_its_repeats_are(make_record) -> None:
    cells = [make_record("pt", 1, 10.0), make_record("pt", 1, 11.0, 1, certificate="unverified", certificate_id=None)]
    (series,) = only_group(cells).series(throughput_of)
    assert not series.points[0].verified
