"""What every family has to keep: names, shapes, batches, variants, its ladder and its contest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import families, spec, tasks
from shared.batches import EvalBatches, TrainBatches
from shared.family import AnyFamily
from shared.frameworks import KEYS
from shared.ladder import COMMON_MUTATIONS, Mutation, Tolerance
from shared.modalities import Boxes, Pages, Tokens, Words
from shared.spec import Workload
from shared.store import Store
from tests import tiny, tiny_layout, tiny_text, tiny_words

TINY: Mapping[str, Workload] = {
    "efficientnet": tiny.workload(),
    "bert": tiny_text.workload(),
    "layoutlmv2": tiny_layout.workload(),
    "cnn": tiny_words.workload("kim-cnn"),
    "han": tiny_words.workload("han", model__dropout=0.5),
    "lstm": tiny_words.workload("lstm", model__hidden_size=16),
}
# what a family's small workload reads, if not `babble`
FIXTURES = {"efficientnet": "noise", "layoutlmv2": "scrawl", "han": "chatter"}
# families of which nobody has published the number of trained scalars
UNCOUNTED = {"cnn", "han"}
# what a task needs beside its name
NEEDED = {
    "pretraining": {
        "pretraining": {
            "masked": 0.15, "covered": 0.15, "replaced": 0.15, "dropped": 0.05, "alignment": True, "matching": True,
        },
    },
} | {
    name: {"distillation": {"weight": 1.0, "direction": "student", "temperature": 1.0, "form": "task"}}
    for name in tasks.NAMES if tasks.task(name).distils is not None
}  # fmt: skip
SHIPPED = [(name, preset) for name in spec.workload_names() for preset in spec.preset_names(name)]
# the ladder's tasks whose rung a mutation may break; the replicas' is rung 6, which has no task
OWNERS = {"input-fp64", "forward-fp64", "backward-fp64", "trajectory-fp64", "predictions", "replicas"}

every_family = pytest.mark.parametrize("name", families.NAMES)


def of(name: str) -> tuple[AnyFamily, Workload, Any]:
    """A family, a small workload of it and that workload's network."""
    family, workload = families.family(name), TINY[name]
    return family, workload, family.architecture(workload)


@cache
def at_ladders_size(name: str, preset: str) -> Workload:
    """A shipped workload as the rungs compute it."""
    workload = spec.load(name, preset)
    ladder = families.family_of(workload).ladder
    key, most = ladder.size
    changes = {"train.batch_per_replica": ladder.batch, "model.num_classes": 16, key: min(most, workload.setting(key))}
    return workload.overridden(changes | dict(ladder.small), "test")


@pytest.fixture
def store(request: pytest.FixtureRequest, name: str) -> Store:
    """What a family's small workload reads."""
    found: Store = request.getfixturevalue(FIXTURES.get(name, "babble"))
    return found


def same(left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[each], right[each]) for each in left)


def test_every_family_has_a_small_workload_here() -> None:
    assert set(TINY) == set(families.NAMES)


def test_an_unknown_family_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown family 'gpt'; known: efficientnet, bert"):
        families.family("gpt")


@every_family
def test_a_family_has_its_name_and_its_workloads(name: str) -> None:
    family, workload, _ = of(name)
    assert (family.name, workload.model.family) == (name, name)
    assert family.workload is type(workload)
    assert families.family_of(workload) is family
    assert any(families.family_of(spec.load(shipped)) is family for shipped in spec.workload_names())


@every_family
def test_names_and_shapes_are_the_same_whoever_is_asked(name: str) -> None:
    family, workload, arch = of(name)
    shapes = family.parameter_shapes(arch)
    start = family.initial_weights(arch, 3)
    assert {each: value.shape for each, value in start.items()} == shapes
    assert list(start) == list(shapes)
    assert {value.dtype for value in start.values()} == {np.dtype(np.float32)}
    trained = [each for each in shapes if not family.is_statistic(each)]
    assert list(family.parameter_groups(arch, workload)) == trained
    assert family.num_trained(arch) == sum(start[each].size for each in trained)


@every_family
def test_the_start_is_decided_by_the_seed_alone(name: str) -> None:
    family, _, arch = of(name)
    assert same(family.initial_weights(arch, 3), family.initial_weights(arch, 3))
    assert not same(family.initial_weights(arch, 3), family.initial_weights(arch, 4))


@every_family
def test_groups_are_rates_and_decays(name: str) -> None:
    family, workload, arch = of(name)
    groups = family.parameter_groups(arch, workload)
    assert all(group.rate_factor > 0 for group in groups.values())
    assert {group.decay for group in groups.values()} <= {0.0, workload.optimizer.weight_decay}


@every_family
def test_the_classifier_has_a_row_a_class(name: str) -> None:
    family, workload, arch = of(name)
    shapes = family.parameter_shapes(arch)
    classes = workload.model.num_classes
    assert shapes["classifier.weight"] == (classes, family.classifier_inputs(arch))
    assert shapes["classifier.bias"] == (classes,)


@every_family
def test_it_reads_something_and_says_what(name: str) -> None:
    family, workload, _ = of(name)
    read = family.modalities(workload)
    assert read
    assert all(isinstance(modality, Pages | Tokens | Boxes | Words) for modality in read)
    described = family.describe(workload)
    assert described.network.startswith(name)
    assert described.sample
    assert described.unit
    assert described.cost > 0


@every_family
def test_what_follows_from_the_data_does_not_change_the_computation(name: str) -> None:
    family, workload, _ = of(name)
    for size in family.sizes:
        other = workload.overridden({f"model.{size}": 2 * workload.setting(f"model.{size}")}, "test")
        assert other.computation_hash == workload.computation_hash
        assert other.spec_hash != workload.spec_hash


@every_family
@pytest.mark.parametrize("task", tasks.NAMES)
def test_a_task_is_allowed_where_its_head_is_there(name: str, task: str) -> None:
    family, workload, _ = of(name)
    assert set(family.heads) <= {tasks.task(each).head for each in tasks.NAMES}
    if tasks.task(task).head in family.heads:
        assert workload.overridden({"task": task, **NEEDED.get(task, {})}, "test").task == task


@every_family
def test_batches_have_rows_labels_and_widths(name: str, store: Store) -> None:
    family, workload, _ = of(name)
    batches = TrainBatches(store, workload, 0, 1)
    size = workload.train.batch_per_replica
    widths = family.widths(workload)
    assert list(widths) == sorted(widths)
    batch = batches.batch(0)
    assert {len(array) for array in batch} == {size}
    assert np.array_equal(batch.labels, store.labels[batches.samples(0)])
    assert family.width(store, workload, batches.samples(0)) in widths
    for width in widths:
        filler = batches.filler(width)
        assert [array.dtype for array in filler] == [array.dtype for array in batch]
        assert type(filler) is type(batch)
    evaluated = EvalBatches(store, workload, "val", 1).batch(0, 0)
    assert [array.dtype for array in evaluated] == [array.dtype for array in batch]


@every_family
def test_the_smallest_batch_is_part_of_a_batch(name: str, store: Store) -> None:
    family, workload, _ = of(name)
    batch = TrainBatches(store, workload, 0, 1).batch(0)
    smallest = family.smallest(batch)
    assert type(smallest) is type(batch)
    assert 1 <= len(smallest.labels) <= len(batch.labels)
    for part, whole in zip(smallest, batch, strict=True):
        assert np.array_equal(part, whole[tuple(slice(length) for length in part.shape)])
    assert sum(part.nbytes for part in smallest) < sum(whole.nbytes for whole in batch)


@every_family
def test_tokens_are_counted_where_they_are_read(name: str, store: Store) -> None:
    family, workload, _ = of(name)
    counted = family.num_tokens(store, np.arange(3))
    reads = any(isinstance(modality, Tokens | Words) for modality in family.modalities(workload))
    assert (counted is not None) is reads


@every_family
def test_variants_of_a_workload_are_of_the_same_network(name: str) -> None:
    family, workload, arch = of(name)
    shapes = family.parameter_shapes(arch)
    for variant in (family.without_drops, family.with_fresh_statistics, family.one_width):
        changed = variant(workload)
        assert type(changed) is type(workload)
        assert family.parameter_shapes(family.architecture(changed)) == shapes
        assert variant(changed) == changed
    assert family.without_drops(workload) != workload
    assert len(family.widths(family.one_width(workload))) == 1


@every_family
def test_without_drops_nothing_is_dropped(name: str, store: Store) -> None:
    """By factors that a batch brings, or by rates of the network."""
    family, workload, arch = of(name)
    without = family.without_drops(workload)
    batch = TrainBatches(store, without, 0, 1).batch(0)
    kept = {field: value for field, value in batch._asdict().items() if field.startswith("keep_")}
    assert all((value == 1).all() for value in kept.values())
    rates = getattr(family.architecture(without), "drop_rates", {})
    assert not rates
    assert kept or arch.drop_rates


@every_family
def test_a_second_stage_is_settings_or_nothing(name: str) -> None:
    family, workload, _ = of(name)
    stage = family.second_stage(workload)
    assert stage is None or (stage.epochs >= 1 and stage.peak_rate > 0)


@every_family
def test_names_of_the_library_are_told_from_ours(name: str) -> None:
    family, _, arch = of(name)
    start = family.initial_weights(arch, 0)
    assert not family.is_transformers(start)
    if not family.checkpoints:
        pytest.skip("no public checkpoints of it are read")
    theirs = import_module(f"shared.families.{name}.convert").to_transformers(start)
    assert family.is_transformers(theirs)
    assert family.leftovers(theirs, arch) == []
    assert family.leftovers({**theirs, "elsewhere.weight": np.zeros(1)}, arch) == ["elsewhere.weight"]
    assert same(family.from_transformers(theirs, arch), start)
    assert family.transformers_config(arch)["model_type"] == (name, name)


def test_no_two_families_convert_a_network_of_the_same_name() -> None:
    networks = Counter(network for name in families.NAMES for network in families.family(name).checkpoints)
    assert networks
    assert set(networks.values()) == {1}


# the ladder


@pytest.mark.parametrize(("name", "preset"), SHIPPED)
def test_every_shipped_workload_has_a_ladder_that_is_usable_at_its_size(name: str, preset: str) -> None:
    small = at_ladders_size(name, preset)
    family = families.family_of(small)
    ladder = family.ladder
    assert small.setting(ladder.size[0]) <= ladder.size[1]
    task = tasks.like(small.task, ladder.easy.get("task", small.task))
    easy = small.overridden({"model.num_classes": 4, **ladder.easy, "task": task}, "test")
    assert not tasks.task_of(easy).several
    replicas = small.overridden({"train.batch_per_replica": ladder.batch // 2, **ladder.replicas}, "test")
    for workload in (small, easy, replicas):
        assert family.num_trained(family.architecture(workload)) > 0
    counted, published = ladder.counts(spec.load(name, preset)) or (0, 0)
    assert counted == published


@every_family
def test_a_ladder_has_sizes_and_tolerances(name: str) -> None:
    ladder = families.family(name).ladder
    assert ladder.batch % 2 == 0
    assert ladder.unit
    assert ladder.easy_steps > 160 // ladder.easy.get("train.batch_per_replica", ladder.batch), "more than an epoch"
    for tolerance in (ladder.logits, ladder.gradients, ladder.trajectory, ladder.statistics, *ladder.inputs.values()):
        assert 0 <= tolerance.fp64 <= tolerance.fp32 < 0.01
    assert Tolerance(1.0, 2.0).of("fp64") == 1.0
    assert Tolerance(1.0, 2.0).of("fp32") == 2.0


@every_family
def test_published_counts_are_of_published_networks_alone(name: str) -> None:
    family, workload, _ = of(name)
    counted = any(family.ladder.counts(spec.load(each)) for each, _ in SHIPPED if spec.load(each).model.family == name)
    assert counted is (name not in UNCOUNTED)
    if name == "bert":
        assert family.ladder.counts(workload) is None


@pytest.mark.parametrize(
    "mutation",
    [each for name in families.NAMES for each in families.family(name).ladder.mutations],
    ids=lambda each: each.name,
)
def test_a_mutation_changes_one_thing_of_one_wing(mutation: Mutation) -> None:
    assert mutation.wing in KEYS
    assert mutation.owner in OWNERS
    ways = [mutation.function, mutation.changes, mutation.weight_shift]
    assert sum(bool(way) for way in ways) == 1


@every_family
def test_mutations_fit_the_workloads_that_they_are_planted_in(name: str) -> None:
    family = families.family(name)
    for shipped, preset in SHIPPED:
        if spec.load(shipped, preset).model.family != name:
            continue
        small = at_ladders_size(shipped, preset)
        shapes = family.parameter_shapes(family.architecture(small))
        for mutation in family.ladder.mutations:
            changed = small.overridden(dict(mutation.changes), mutation.name)
            assert (changed != small) is bool(mutation.changes), mutation.name
            assert family.parameter_shapes(family.architecture(changed)) == shapes
            if mutation.weight_shift:
                tensor, shift = mutation.weight_shift
                assert len(shapes[tensor]) >= 2
                assert shift


@every_family
def test_mutations_have_names_of_their_own_and_the_common_ones_are_of_every_family(name: str) -> None:
    every = families.family(name).ladder.all_mutations
    assert every[-len(COMMON_MUTATIONS) :] == COMMON_MUTATIONS
    assert len({mutation.name for mutation in every}) == len(every)
    assert {mutation.owner for mutation in every} == OWNERS, "a rung that nothing is planted for"
    assert {mutation.wing for mutation in every} == set(KEYS)


# the contest


@every_family
def test_every_ratio_is_of_contestants_that_take_part(name: str) -> None:
    contest = families.family(name).contest
    known = {contestant.name for contestant in contest.contestants}
    assert len(known) == len(contest.contestants)
    assert all({ratio.over, ratio.under} <= known for ratio in contest.ratios)
    assert {contestant.framework for contestant in contest.contestants} == set(KEYS)
    assert {contestant.kind for contestant in contest.contestants} == {"peer", "bare", "worker"}
    assert contest.batch >= 1


@every_family
def test_a_contest_is_of_a_workload_of_its_family(name: str) -> None:
    assert spec.load(families.family(name).contest.workload).model.family == name


def test_a_family_room_has_the_same_modules_as_the_others() -> None:
    rooms = Path(families.__file__).parent
    needed = {"__init__.py", "settings.py", "architecture.py", "batch.py", "start.py", "ladder.py", "contest.py"}
    for name in families.NAMES:
        assert needed <= {path.name for path in (rooms / name).glob("*.py")}
