"""What makes cells comparable: each level takes in what it says, and everything that compares cells asks here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from bench.compare.matching import said
from bench.records import identity
from bench.records.identity import ASPECTS, FIGURE_FIELDS, Planned, differing
from bench.records.record import Record
from bench.records.repeats import rows
from bench.show.fairness import diff
from bench.show.groups import group_records
from bench.show.table_notes import column_ratios
from tests.bench.compare.records import make_record

# a change of each field of a setting
CHANGES: dict[str, dict[str, Any]] = {
    "workload": {"workload": "mine"}, "preset": {"preset": "full"}, "spec_hash": {"spec_hash": "other"},
    "mode": {"mode": "infer"}, "arm": {"arm": "native"}, "device": {"device": "cuda"},
    "device_name": {"device_name": "Another CPU"},
    "precision": {"precision": "bf16"}, "input_mode": {"input_mode": "memory"},
    "batch_per_replica": {"batch_per_replica": 8}, "data_name": {"data_name": "rvl-cdip"},
    "data_digest": {"data_digest": "other"}, "cores_per_replica": {"cores_per_replica": 2},
}  # fmt: skip
LEVELS = (identity.setting, identity.place, identity.line, identity.cell, identity.figure)


def levels_that_see(**changes: Any) -> set[str]:
    first, second = make_record(), make_record(**changes)
    return {level.__name__ for level in LEVELS if level(first) != level(second)}


def test_every_field_of_a_setting_is_tried() -> None:
    assert {name for names in ASPECTS.values() for name in names} == set(CHANGES)
    assert set(identity.OF_A_PLACE) <= set(ASPECTS)
    planned = {each.name for each in fields(Planned)}
    assert planned == {*CHANGES, "replicas", *(name for names in identity.OF_A_PLACE.values() for name in names)}


@pytest.mark.parametrize("field", CHANGES)
def test_all_levels_see_a_difference_of_settings(field: str) -> None:
    expected = {level.__name__ for level in LEVELS} - ({"figure"} if field == "arm" else set())
    assert levels_that_see(**CHANGES[field]) == expected


def test_a_level_sees_what_it_adds() -> None:
    assert levels_that_see(replicas=2) == {"place", "cell"}
    assert levels_that_see(oversubscribed=True) == {"place", "cell"}
    assert levels_that_see(framework="tf") == {"line", "cell"}
    assert levels_that_see(variant="pt@2.13") == {"line", "cell"}
    assert levels_that_see(epochs=3) == {"figure"}
    assert levels_that_see(repeat=1, throughput=1.0, seed=7, certificate="unverified") == set()


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_setting_may_be_asked_for_without_an_aspect(aspect: str) -> None:
    changes = {key: value for name in ASPECTS[aspect] for key, value in CHANGES[name].items()}
    first, second = make_record(), make_record(**changes)
    assert differing(first, second) == [aspect]
    assert identity.setting(first, besides=(aspect,)) == identity.setting(second, besides=(aspect,))
    assert identity.place(first, besides=(aspect,)) == identity.place(second, besides=(aspect,))
    assert said(first, aspect) != said(second, aspect)


def test_shared_cores_are_other_cores() -> None:
    first, second = make_record(), make_record(oversubscribed=True)
    assert differing(first, second) == ["cores"]
    assert (said(first, "cores"), said(second, "cores")) == ("1", "1 shared")


def test_a_planned_cell_is_compared_like_a_record() -> None:
    record = make_record()
    planned = Planned(**{each.name: getattr(record, each.name) for each in fields(Planned)})
    assert differing(record, planned) == []
    assert identity.place(record) == identity.place(planned)


@pytest.mark.parametrize("field", CHANGES)
def test_tables_figures_ratios_and_the_diff_of_settings_keep_apart_what_differs(field: str) -> None:
    """The same cell in another setting is never its repeat, its column's partner or its neighbour in a figure."""
    here, there = make_record("pt"), make_record("tf", **CHANGES[field])
    other = make_record("pt", repeat=1, **CHANGES[field])
    assert len(rows([here, other])) == 2
    assert column_ratios(rows([here, there])) == []
    assert len(group_records([here, there])) == (1 if field == "arm" else 2)
    assert diff([here, there]).lines == ()


def test_two_columns_of_one_setting_are_held_against_each_other_everywhere() -> None:
    both: list[Record] = [make_record("pt"), make_record("tf")]
    assert len(column_ratios(rows(both))) == 1
    assert len(group_records(both)) == 1
    assert diff(both).lines
    assert "epochs" in FIGURE_FIELDS
