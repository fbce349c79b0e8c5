"""Groups, points, speedups and projections, against values worked out by hand."""

from __future__ import annotations

import pytest

from bench.show.groups import group_records, is_implausible, projected_hours, speedups, throughput_of


def only_group(records):
    (group,) = group_records(records)
    return group


def test_speedup_is_throughput_over_that_at_one_replica_pair_by_pair(run_records) -> None:
    pt, tf = only_group(run_records).series(throughput_of)
    one, two = speedups(pt)
    assert (one.centre, one.values) == (1.0, (1.0, 1.0, 1.0))
    assert two.values == (178 / 98, 180 / 100, 184 / 104)
    # of the six averages of the logarithms the middle two are (178/98 with 184/104) and 180/100
    assert two.centre == pytest.approx(((178 / 98 * 184 / 104) ** 0.5 * 1.8) ** 0.5)
    assert two.estimate.interval is None
    assert two.low_high == (184 / 104, 178 / 98)
    assert speedups(tf)[1].centre == pytest.approx(1.5, rel=0.01)


def test_repeats_of_different_runs_are_no_pairs(make_record) -> None:
    one = [make_record("pt", 1, value, repeat) for repeat, value in enumerate((90.0, 100.0, 110.0))]
    two = [make_record("pt", 2, value, repeat, run_id="other") for repeat, value in enumerate((150.0, 160.0))]
    (series,) = only_group([*one, *two]).series(throughput_of)
    point = speedups(series)[1]
    assert (point.values, point.centre, point.estimate.count) == ((1.5, 1.6), pytest.approx(1.55), 0)


def test_with_repeats_enough_a_point_has_an_interval(make_record) -> None:
    cells = [make_record("pt", 1, value, repeat) for repeat, value in enumerate((9.0, 10.0, 11.0, 12.0, 13.0, 99.0))]
    (series,) = only_group(cells).series(throughput_of)
    (point,) = series.points
    low, high = point.low_high
    assert point.estimate.interval == (low, high)
    assert 9.0 <= low < point.centre == 11.5 < high <= 99.0


def test_versions_are_series_of_their_own_in_the_order_that_people_count(make_record) -> None:
    names = ["pt@2.13", "pt@2.9", "pt", "tf@2.21"]
    cells = [make_record(name[:2], 1, 10.0, variant=None if name == "pt" else name) for name in names]
    found = only_group(cells).series(throughput_of)
    assert [series.label for series in found] == ["PyTorch", "PyTorch 2.9", "PyTorch 2.13", "TensorFlow 2.21"]
    assert [series.order for series in found] == [0, 1, 2, 0]
    assert found[2].key == "pt@2.13-matched"


def test_cells_without_exchange_are_no_training_and_in_no_figure(make_record) -> None:
    (group,) = group_records([make_record("pt", 2, 10.0), make_record("pt", 2, 12.0, exchange=False)])
    assert [record.throughput for record in group.records] == [10.0]


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
