"""Workloads laid over another one: tables, presets and sources are merged, bases that cannot be are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared import spec
from shared.errors import UserError
from shared.families.layoutlmv2.settings import LayoutWorkload

BASE = "layoutlmv2-base"
OWN = f"""
base = "{BASE}"
task = "tags"

[model]
num_classes = 9

[train]
epochs = 3

[presets.quick]
train = {{ epochs = 2 }}

[presets.wide]
model = {{ visual = false }}

[sources]
"train.epochs" = "ours"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def settings(name: str, preset: str = spec.FULL) -> LayoutWorkload:
    found = spec.load(name, preset)
    assert isinstance(found, LayoutWorkload)
    return found


def test_what_a_workload_does_not_say_is_its_bases(own: Path) -> None:
    base, found = settings(BASE), settings(str(own))
    assert (found.name, found.task, found.model.num_classes, found.train.epochs) == ("own", "tags", 9, 3)
    same = {"task": base.task, "model.num_classes": base.model.num_classes, "train.epochs": base.train.epochs}
    again = found.overridden(same, "test")
    assert again.spec_hash == base.spec_hash
    assert (again.model, again.train, again.input) == (base.model, base.train, base.input)


def test_presets_are_merged_key_by_key(own: Path) -> None:
    base = settings(BASE, "quick")
    found = settings(str(own), "quick")
    assert spec.preset_names(str(own)) == [*spec.preset_names(BASE), "wide"]
    assert found.train.epochs == 2
    assert found.train.batch_per_replica == base.train.batch_per_replica != settings(BASE).train.batch_per_replica
    assert found.model.num_classes == 9
    assert found.model.model_copy(update={"num_classes": base.model.num_classes}) == base.model
    assert settings(str(own), "wide").model.visual is False
    assert settings(str(own), "released").model.backbone_frozen == settings(BASE, "released").model.backbone_frozen


def test_sources_are_merged(own: Path) -> None:
    base, found = spec.sources(BASE), spec.sources(str(own))
    assert found == base | {"train.epochs": "ours"}
    assert base["train.epochs"] != "ours"


def test_the_base_itself_is_left_alone(own: Path) -> None:
    before = settings(BASE, "quick").model_dump()
    settings(str(own), "quick")
    assert settings(BASE, "quick").model_dump() == before


def test_a_workload_without_a_base_is_read_as_it_is() -> None:
    content = {"model": {"family": "bert"}}
    assert spec.on_base(Path("own.toml"), dict(content)) == content


@pytest.mark.parametrize("name", ["layoutlmv2-base-tags", "layoutlmv2-base-spans", "layoutlmv2-base-pretraining"])
def test_the_suites_own_stand_on_their_base(name: str) -> None:
    base, found = settings(BASE), settings(name)
    assert found.task == name.removeprefix(f"{BASE}-")
    assert found.model.model_copy(update={"num_classes": base.model.num_classes}) == base.model
    assert found.input == base.input
    assert (found.pretraining is not None) == (found.task == "pretraining")


@pytest.mark.parametrize(
    "base", ['"absent"', '""', "5", '["layoutlmv2-base"]', f'"{BASE}.toml"', f'"./{BASE}"', f'"../workloads/{BASE}"']
)
def test_a_base_that_is_no_workload_of_the_suite(own: Path, base: str) -> None:
    own.write_text(OWN.replace(f'"{BASE}"', base))
    with pytest.raises(UserError, match=r"own\.toml: base: .* is no workload of the suite; `bench list`") as caught:
        spec.load(str(own))
    assert "\n" not in str(caught.value)


def test_a_path_is_no_base(own: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text((spec.WORKLOADS / f"{BASE}.toml").read_text(encoding="utf-8"))
    own.write_text(OWN.replace(BASE, str(tmp_path / "other.toml")))
    with pytest.raises(UserError, match=r"own\.toml: base: .* is no workload of the suite"):
        spec.load(str(own))


def test_a_base_that_has_one_itself(own: Path) -> None:
    own.write_text(OWN.replace(BASE, "layoutlmv2-base-tags"))
    with pytest.raises(UserError, match=r"own\.toml: base: layoutlmv2-base-tags has a base itself; name") as caught:
        spec.load(str(own))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 3", "epoch = 3", r"own\.toml: train\.epoch: unknown key; allowed here: .*epochs"),
        ("epochs = 3", "epochs = 0", r"own\.toml: train\.epochs: .*got 0"),
        ('task = "tags"', 'task = "haiku"', r"own\.toml: task: one of classification, .*'haiku'"),
        ('task = "tags"', 'task = "pretraining"', r"own\.toml: the workload: .*table pretraining"),
        (
            "[presets.quick]\ntrain = { epochs = 2 }",
            "[presets]\nquick = 3",
            r"own\.toml: presets\.quick: a table expected",
        ),
    ],
)
def test_what_is_wrong_is_told_as_of_any_workload(own: Path, old: str, new: str, said: str) -> None:
    assert old in OWN
    own.write_text(OWN.replace(old, new))
    with pytest.raises(UserError, match=said) as caught:
        spec.load(str(own))
    assert "\n" not in str(caught.value)


def test_a_preset_is_laid_over_another_of_the_same_workload(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        f'base = "{BASE}"\n[presets.quiet]\non = "quick"\nmodel = {{ hidden_dropout = 0.0 }}\n', encoding="utf-8"
    )
    quick, quiet = settings(BASE, "quick"), settings(str(own), "quiet")
    assert quiet.model == quick.model.model_copy(update={"hidden_dropout": 0.0})
    assert (quiet.train, quiet.input) == (quick.train, quick.input)


@pytest.mark.parametrize("below", ["absent", "second"])
def test_a_preset_that_stands_by_nothing_is_refused(tmp_path: Path, below: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        f'base = "{BASE}"\n[presets.second]\non = "quick"\n[presets.third]\non = "{below}"\n', encoding="utf-8"
    )
    with pytest.raises(UserError, match=rf"presets\.third\.on: '{below}' is no preset that stands by itself"):
        spec.load(str(own), "third")
