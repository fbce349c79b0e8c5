"""Which cells ran side by side: those of a repeat that followed each other, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.records.record import Record
from bench.records.repeats import rows
from bench.records.sittings import LEAST_IDLE, MOST_IDLE, Sittings
from bench.show.table_notes import column_ratios, interval_notes, ratio_lines
from tests.bench.compare.records import make_record

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def cell(framework: str, replicas: int, repeat: int, minute: float, wall: float = 30.0, **changes: object) -> Record:
    """A record of a cell that began so many minutes after BEGIN and took `wall` seconds."""
    started = (BEGIN + timedelta(minutes=minute)).isoformat()
    return make_record(framework, replicas, repeat, started=started, wall_seconds=wall, **changes)


def run_of(repeats: int) -> list[Record]:
    """Two columns at 1 and 2 replicas, a cell a minute, repeat after repeat."""
    places = [(framework, replicas) for replicas in (1, 2) for framework in ("pt", "tf")]
    return [
        cell(framework, replicas, repeat, 4 * repeat + place)
        for repeat in range(repeats)
        for place, (framework, replicas) in enumerate(places)
    ]


def test_the_cells_of_a_repeat_share_a_sitting_whatever_their_order() -> None:
    records = run_of(3)
    sittings = Sittings(records[::-1])
    assert len({sittings.key(record) for record in records}) == 3
    for repeat in range(3):
        assert len({sittings.key(record) for record in records if record.repeat == repeat}) == 1


def test_a_cell_that_is_run_again_behind_another_repeat_is_apart() -> None:
    records = run_of(2)
    again = [*records[1:], cell("pt", 1, 0, 9)]  # a minute after the last cell of repeat 1
    sittings = Sittings(again)
    assert len({sittings.key(record) for record in again if record.repeat == 0}) == 2


def test_whole_repeats_that_are_run_again_are_pairs_again() -> None:
    records = [record for record in run_of(2) if record.repeat == 1]
    later = [cell(each.framework, each.replicas, 0, 60 + place) for place, each in enumerate(records)]
    assert len({Sittings([*records, *later]).key(record) for record in later}) == 1


def test_a_rest_parts_and_a_short_one_does_not() -> None:
    wall = 2 * LEAST_IDLE
    for idle, apart in ((MOST_IDLE * wall - 1, False), (MOST_IDLE * wall + 1, True)):
        pair = [cell("pt", 1, 0, 0, wall), cell("tf", 1, 0, (wall + idle) / 60, 1.0)]
        keys = {Sittings(pair).key(record) for record in pair}
        assert (len(keys) == 2) is apart
    short = [cell("pt", 1, 0, 0, 1.0), cell("tf", 1, 0, LEAST_IDLE / 60, 1.0)]
    assert len({Sittings(short).key(record) for record in short}) == 1


def test_cells_that_take_turns_are_alive_at_once_and_the_last_to_end_counts() -> None:
    turns = [cell("pt", 1, 0, 0, 3600.0), cell("tf", 1, 0, 0.1, 5.0)]
    after = cell("pt", 2, 0, 61, 5.0)
    assert len({Sittings([*turns, after]).key(record) for record in [*turns, after]}) == 1


def test_runs_never_meet() -> None:
    pair = [cell("pt", 1, 0, 0, run_id="one"), cell("tf", 1, 0, 0, run_id="other")]
    assert len({Sittings(pair).key(record) for record in pair}) == 2


def test_tables_pair_only_what_ran_side_by_side_and_count_the_rest() -> None:
    records = [record for record in run_of(6) if not (record.framework == "tf" and record.replicas == 1)]
    tf_at_one = [cell("tf", 1, repeat, 4 * repeat + 1 + (1440 if repeat < 4 else 0)) for repeat in range(6)]
    found = rows([*records, *tf_at_one])
    ratios = {other.records[0].replicas: ratio for _, other, ratio in column_ratios(found)}
    assert (ratios[1].count, ratios[1].apart, ratios[1].interval) == (2, 4, None)
    assert (ratios[2].count, ratios[2].apart) == (6, 0)
    (first, _) = ratio_lines(found)
    assert first.endswith(", 2 pairs; 4 repeats that did not run side by side (run again later, or after a rest) are "
                          "not paired")  # fmt: skip
    assert any(note.startswith("speedup of TensorFlow at 2 replicas: 4 repeats") for note in interval_notes(found))
