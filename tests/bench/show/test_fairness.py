"""The fairness record: what both sides used is held against each other, and no difference passes unexplained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Record, read_records
from bench.show import tables
from bench.show.fairness import Diff, Line, diff, markdown, table_rows, verdict_line
from tests.bench.compare.records import make_record

REFERENCE = Path(__file__).parents[3] / "results/reference"


def both(replicas: int = 1, tf: dict[str, Any] | None = None, **changes: Any) -> list[Record]:
    """A cell of either framework; TensorFlow's reports other settings."""
    return [make_record("pt", replicas), make_record("tf", replicas, settings=tf or {}, **changes)]


def line(found: Diff, key: str) -> Line:
    (only,) = [each for each in found.lines if each.key == key]
    return only


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_the_wings_as_they_are_differ_in_nothing_unexplained(replicas: int) -> None:
    found = diff(both(replicas))
    assert found.is_fair
    assert found.sides == ("PyTorch", "TensorFlow")
    assert line(found, "compiled").values == (("PyTorch", "no"), ("TensorFlow", "tf.function"))
    assert "process per replica" in line(found, "affinity").reason or replicas == 1
    assert verdict_line(found).endswith("all explained")


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        ("tf32", True, "unfair"), ("precision", "bf16", "unfair"), ("padding", "explicit", "unfair"),
        ("norm_rule", "synchronised", "unfair"), ("loader_workers", 4, "unfair"), ("num_parameters", 2, "unfair"),
        ("weights", "seeded start 7", "unfair"), ("affinity", [1], "unfair"), ("affinity", [0, 1], "unfair"),
        ("env.MALLOC_MMAP_MAX_", "9", "unfair"), ("env.LD_PRELOAD", "libtcmalloc.so", "unexplained"),
        ("env.OMP_NUM_THREADS", "4", "unexplained"), ("compiled", "tf.keras.fit", "unexplained"),
        ("threads.intra_op", 2, "unexplained"), ("some new setting", 1, "unexplained"),
        ("reduction", "mean", "unexplained"), ("prefetch", 8, "unfair"),
        ("loader", "fork", "unexplained"), ("env.TF_XLA_FLAGS", "--x", "explained"),
        ("env.TORCH_LOGS", "x", "unexplained"), ("num_classes", "16", "unfair"), ("loader_pool", 5, "unexplained"),
    ],
)  # fmt: skip
def test_what_must_be_equal_and_what_has_no_reason_is_flagged(key: str, value: object, verdict: str) -> None:
    found = diff(both(tf={key: value}))
    assert line(found, key).verdict == verdict
    assert found.is_fair == (verdict == "explained")
    if verdict != "explained":
        assert found.lines[0].key == key, "the worst stands first"
        assert f"{verdict.upper()}: {key}" in verdict_line(found)
        assert f"| {key} |" in markdown(found)


def test_more_cores_than_a_replica_each_is_unfair_and_shared_cores_are_not() -> None:
    assert line(diff(both(2, tf={"affinity": [0, 1, 2, 3]})), "affinity").verdict == "unfair"
    assert line(diff(both(2, tf={"affinity": [1, 2]})), "affinity").verdict == "unfair"
    assert line(diff(both(4, tf={"affinity": [0, 1]})), "affinity").verdict == "unfair"
    shared = [record.model_copy(update={"oversubscribed": True}) for record in both(4, tf={"affinity": [0, 1]})]
    assert line(diff(shared), "affinity").verdict == "explained"


def test_true_is_not_one_and_a_number_is_not_its_text() -> None:
    assert line(diff(both(tf={"onednn": 1})), "onednn").verdict == "explained"
    assert line(diff(both(tf={"tf32": 0})), "tf32").verdict == "unfair"


def test_repeats_of_one_side_that_differ_are_flagged() -> None:
    records = [make_record("pt", repeat=repeat, settings={"tf32": bool(repeat)}) for repeat in range(2)]
    records += [make_record("tf", repeat=repeat) for repeat in range(2)]
    found = line(diff(records), "tf32")
    assert (found.verdict, found.reason) == ("unfair", "differs between repeats of PyTorch")
    assert found.values == (("PyTorch", "no, yes"), ("TensorFlow", "no"))
    alone = diff(records[:2])
    assert not alone.is_fair
    assert verdict_line(alone) == "fairness: PyTorch alone, nothing to hold it against; UNFAIR: tf32"


def test_seeds_and_weights_are_held_against_each_other_repeat_by_repeat() -> None:
    records = [make_record(framework, repeat=repeat) for repeat in range(3) for framework in ("pt", "tf")]
    assert line(diff(records), "seed").verdict == "equal"
    assert diff(records[:-1]).is_fair, "a repeat that failed on one side is held against nothing"
    swapped = [*records[:-1], make_record("tf", repeat=2, seed=9)]
    assert line(diff(swapped), "seed").verdict == "unfair"


def test_other_windows_are_named() -> None:
    found = line(diff(both(warmup_steps=9)), "warmup_steps")
    assert (found.verdict, "widths" in found.reason) == ("explained", True)
    assert line(diff(both(measured_steps=9)), "measured_steps").verdict == "unfair"


def test_denormals_have_their_line_where_they_differ() -> None:
    assert "known effect" in line(diff(both()), "denormals").reason
    assert line(diff(both(tf={"denormals": "computed with"})), "denormals").verdict == "equal"
    reversed_ = [
        make_record("pt", settings={"denormals": "flushed to zero"}),
        *both(tf={"denormals": "computed with"})[1:],
    ]
    assert line(diff(reversed_), "denormals").verdict == "unexplained"


def test_versions_of_one_framework_are_columns_of_their_own() -> None:
    records = [
        make_record("pt", variant=f"pt@{version}", settings={"version.torch": version}) for version in ("2.9", "2.13")
    ]
    found = diff([*records, make_record("tf")])
    assert found.sides == ("PyTorch 2.9", "PyTorch 2.13", "TensorFlow")
    assert found.is_fair
    assert line(diff(records), "version.torch").verdict == "explained"
    compiled = records[1].model_copy(update={"settings": records[1].settings | {"compiled": "inductor"}})
    assert line(diff([records[0], compiled]), "compiled").verdict == "unexplained"


def test_the_native_arm_claims_no_equal_mathematics() -> None:
    records = both(tf={"padding": "its own", "num_parameters": 2, "tf32": True})
    native = [record.model_copy(update={"arm": "native"}) for record in records]
    found = diff(native)
    assert [each.key for each in found.of("unfair")] == ["tf32"]
    assert "native arm" in line(found, "padding").reason
    assert {each.key for each in diff(records).of("unfair")} == {"tf32", "padding", "num_parameters"}


def test_only_cells_that_both_sides_ran_are_held_against_each_other() -> None:
    found = diff([make_record("pt", 1), make_record("tf", 2)])
    assert (found.lines, verdict_line(found)) == ((), "fairness: no cell was run by both PyTorch and TensorFlow")
    crashed = make_record("tf").model_copy(update={"settings": {"env.OMP_NUM_THREADS": "1"}, "status": "crash"})
    assert verdict_line(diff([make_record("pt"), crashed])).startswith("fairness: PyTorch alone")
    assert verdict_line(diff([crashed])) == "fairness: no cell reported its settings"
    assert verdict_line(diff([])) == "fairness: no cell reported its settings"
    unexchanged = make_record("tf", settings={"tf32": True}, exchange=False)
    assert diff([make_record("pt"), make_record("tf"), unexchanged]).is_fair


def test_a_difference_says_where_it_is() -> None:
    found = diff([*both(1), *both(2), *both(4)])
    wheres = {(each.verdict, each.where) for each in found.lines if each.key == "reduction"}
    assert wheres == {("equal", "at 1 replica"), ("explained", "at 2 and 4 replicas")}
    assert {each.where for each in found.lines if each.key == "compiled"} == {""}


def test_an_older_record_is_not_blamed_for_what_it_could_not_say() -> None:
    new = make_record("tf", settings={"deterministic": False})
    old = make_record("pt").model_copy(update={"schema_version": 2})
    assert "older schema" in line(diff([old, new]), "deterministic").reason
    same = line(diff([make_record("pt"), new]), "deterministic")
    assert (same.verdict, same.reason) == ("unexplained", "not reported by PyTorch")


def test_the_reference_runs_are_fair() -> None:
    for name in ("quick-synthetic", "bert-6l-synthetic", "rvl-cdip-mini", "reuters-bert-quick"):
        found = diff(read_records([REFERENCE / name]))
        assert found.is_fair, (name, found.of("unfair", "unexplained"))
        assert found.num_equal > 15, name


def test_the_diff_stands_under_the_table_and_fits_its_headings() -> None:
    text = tables.markdown(both(2))
    assert "Fairness: " in text
    assert "\n| compiled | no | tf.function |" in text
    headings, rows = table_rows(diff(both(2)))
    assert headings == ["setting", "PyTorch", "TensorFlow", "where", "verdict", "why"]
    assert {len(row) for row in rows} == {len(headings)}
    assert all(row[-1] for row in rows), "every difference has its reason"
