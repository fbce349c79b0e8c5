"""The text workload's settings: the paper's, the released code's; what is refused; hashes; the schedule."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from shared import spec
from shared.errors import UserError
from shared.families.bert.settings import BertWorkload, of_family
from shared.schedule import learning_rates, warmup_linear
from shared.sections import Constant, WarmupLinear
from tests import tiny_text

BERT_6L = (spec.WORKLOADS / "bert-6l.toml").read_text(encoding="utf-8")


def load(preset: str = "full") -> BertWorkload:
    return of_family(spec.load("bert-6l", preset))


def own(tmp_path: Path, old: str, new: str) -> str:
    """bert-6l with one thing changed, as a user's file."""
    assert BERT_6L.count(old) >= 1
    path = tmp_path / "own.toml"
    path.write_text(BERT_6L.replace(old, new, 1), encoding="utf-8")
    return str(path)


def test_presets_are_listed() -> None:
    assert spec.preset_names("bert-6l") == ["full", "released", "quick"]
    assert "bert-6l" in spec.workload_names()


def test_the_papers_settings() -> None:
    workload = load()
    model = workload.model
    assert (model.num_layers, model.hidden_size, model.num_heads, model.intermediate_size) == (6, 768, 12, 3072)
    assert (model.max_positions, model.vocabulary_size, model.num_classes) == (512, 30522, 16)
    assert workload.task == "classification"
    assert (model.activation, model.norm_epsilon, model.hidden_dropout, model.classifier_dropout) == (
        ("gelu", 1e-12, 0.1, 0.2)
    )
    assert (workload.input.max_tokens, workload.input.truncation, workload.input.buckets) == (512, "head", ())
    optimizer = workload.optimizer
    assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.weight_decay) == (0.9, 0.999, 1e-8, 0.01)
    assert (optimizer.head_rate, optimizer.layer_decay) == (1e-6, 1e-8)
    assert workload.schedule == Constant(name="constant", peak_rate=3e-5)
    assert (workload.train.batch_per_replica, workload.train.epochs) == (6, 5)


def test_the_released_code_differs_where_it_does() -> None:
    paper, code = load(), load("released")
    assert (code.input.truncation, code.train.epochs) == ("head+tail", 1)
    assert (code.optimizer.head_rate, code.optimizer.layer_decay) == (1e-3, 1.0)
    assert code.model == paper.model
    assert code.schedule == paper.schedule
    assert code.train.batch_per_replica == paper.train.batch_per_replica


def test_the_quick_preset_is_a_small_network_of_the_same_mathematics() -> None:
    paper, quick = load(), load("quick")
    assert (quick.model.num_layers, quick.model.hidden_size, quick.input.max_tokens) == (2, 128, 128)
    for same in ("activation", "norm_epsilon", "hidden_dropout", "classifier_dropout", "num_classes"):
        assert getattr(quick.model, same) == getattr(paper.model, same)
    assert quick.optimizer.weight_decay == paper.optimizer.weight_decay
    assert isinstance(quick.schedule, WarmupLinear)


def test_every_figure_has_a_source() -> None:
    tables = {name: keys for name, keys in load().model_dump(mode="json").items() if isinstance(keys, dict)}
    given = {f"{table}.{key}" for table, keys in tables.items() for key in keys}
    assert given - set(spec.sources("bert-6l")) <= {"input.buckets"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_heads = 12", "num_heads = 11", r"hidden_size 768 is not a multiple of 11 heads"),
        ("max_tokens = 512", "max_tokens = 600", r"600 max_tokens need as many positions; the model has 512"),
        ("max_tokens = 512", "max_tokens = 512\nbuckets = [128, 512]", r"buckets \(128, 512\): .* below max_tokens"),
        ("max_tokens = 512", "max_tokens = 512\nbuckets = [4]", r"input\.buckets\.0: .*equal to 8, got 4"),
        ("max_tokens = 512", "max_token = 512", r"input\.max_token: unknown key; allowed here: buckets, max_tokens"),
        ('family = "bert"', 'family = "gpt"', r"model\.family: one of efficientnet, bert, .* expected, got 'gpt'"),
        ('family = "bert"', "", r"model\.family: one of efficientnet, bert, layoutlmv2.* expected, got None"),
        ("num_layers = 6", "num_layers = 6\nvariant = 'b0'", r"model\.variant: unknown key; allowed here: activation"),
        ('activation = "gelu"', 'activation = "gelu_new"', r"model\.activation: .*'gelu'.*got 'gelu_new'"),
        ('truncation = "head"', 'truncation = "tail"', r"input\.truncation: .*'head' or 'head\+tail', got 'tail'"),
        ('name = "adamw"', 'name = "adam"', r"optimizer\.name: .*'adamw', got 'adam'"),
        ("layer_decay = 1e-8", "layer_decay = 1.5", r"optimizer\.layer_decay: .*less than or equal to 1, got 1\.5"),
        ("head_rate = 1e-6", "", r"optimizer\.head_rate: Field required"),
        ('name = "constant"', 'name = "cosine"', r"schedule: .*'cosine'.*'warmup_linear', 'constant'"),
        ('name = "constant"', 'name = "slanted_triangular"', r"schedule: .*'warmup_linear', 'constant'"),
        ("peak_rate = 3e-5", "peak_rate = 3e-5\nwarmup = 0.1", r"schedule\.warmup: unknown key; .*peak_rate"),
        ("peak_rate = 3e-5", "peak_rate = 0", r"schedule\.peak_rate: .*greater than 0, got 0"),
        ('task = "classification"', 'task = "multi"', r"task: one of classification, .* expected of bert, got 'multi'"),
        ('task = "classification"', "task = 1", r"task: one of classification, labels.* expected of bert, got 1"),
        ("num_classes = 16", "num_classes = 16\nmulti_label = false", r"model\.multi_label: unknown key"),
        ("[data]", "[finetune]\nepochs = 1\npeak_rate = 0.1\n[data]", r"finetune: unknown key; .*measure"),
        ("vocabulary_size = 30522", "vocabulary_size = 10", r"model\.vocabulary_size: .*equal to 64, got 10"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how_it_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        spec.load(own(tmp_path, old, new))
    assert re.search(message, str(refused.value)), str(refused.value)
    assert str(refused.value).startswith("own.toml: ")
    assert "\n" not in str(refused.value)


def test_an_override_is_checked_like_the_file() -> None:
    with pytest.raises(UserError, match=r"--heads: .*hidden_size 32 is not a multiple of 3 heads"):
        tiny_text.workload().overridden({"model.num_heads": 3}, "--heads")


COMPUTED = tiny_text.workload()


@pytest.mark.parametrize(
    "changes",
    [
        {"model__num_classes": 90},
        {"model__vocabulary_size": 4096},
        {"train__batch_per_replica": 2},
        {"train__epochs": 2},
        {"measure__measured_steps": 9},
        {"data__synthetic_pages": 320},
    ],
)
def test_a_certificate_covers_other_sizes_of_data(changes: dict[str, int]) -> None:
    other = tiny_text.workload(**changes)
    assert other.spec_hash != COMPUTED.spec_hash
    assert other.computation_hash == COMPUTED.computation_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"model__hidden_dropout": 0.2},
        {"model__classifier_dropout": 0.1},
        {"task": "labels"},
        {"model__num_layers": 3},
        {"model__norm_epsilon": 1e-6},
        {"input__max_tokens": 16},
        {"input__buckets": (16,)},
        {"input__truncation": "head+tail"},
        {"optimizer__layer_decay": 1.0},
        {"optimizer__head_rate": 1e-4},
        {"schedule__peak_rate": 1e-4},
        {"schedule__warmup_fraction": 0.0},
    ],
)
def test_a_certificate_does_not_cover_other_mathematics(changes: dict[str, object]) -> None:
    assert tiny_text.workload(**changes).computation_hash != COMPUTED.computation_hash


def test_hashes_of_the_presets_differ() -> None:
    assert len({load(preset).computation_hash for preset in ("full", "released", "quick")}) == 3


@pytest.mark.parametrize(
    ("steps", "fraction", "expected"),
    [
        (10, 0.2, [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        (4, 0.0, [1, 0.75, 0.5, 0.25]),
        (3, 1.0, [1 / 3, 2 / 3, 1]),
        (1, 0.1, [1]),
        (2, 0.5, [0.5, 1]),
    ],
)
def test_warm_up_and_fall(steps: int, fraction: float, expected: list[float]) -> None:
    np.testing.assert_allclose(warmup_linear(steps, 3e-5, fraction), 3e-5 * np.array(expected), rtol=1e-12)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_no_step_is_without_effect_and_none_above_the_peak(steps: int, fraction: float) -> None:
    found = warmup_linear(steps, 1.0, fraction)
    assert found.shape == (steps,)
    assert found.max() == 1.0
    assert found.min() > 0.0


def test_text_schedules_do_not_scale_with_the_global_batch() -> None:
    for schedule in (load().schedule, load("quick").schedule):
        one, four = (learning_rates(schedule, schedule.peak_rate, 20, batch) for batch in (6, 24))
        assert np.array_equal(one, four)
    assert np.array_equal(learning_rates(load().schedule, 3e-5, 3, 6), np.full(3, 3e-5))
