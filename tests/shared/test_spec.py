"""Workload files: what is refused and how it is said, presets, hashes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from shared import spec
from shared.errors import UserError

SHIPPED = [(name, preset) for name in spec.workload_names() for preset in spec.preset_names(name)]
EVERY_B = [f"effnet-b{number}" for number in range(5)]
# workload and preset to spec hash and computation hash: records and certificates of earlier releases are found by them
HASHES = {
    ("layoutlmv2-base", "full"): ("f0d805770aeb1622", "05d15fe276a52b5c"),
    ("layoutlmv2-base", "released"): ("dc4ec01c0448241f", "b5657ecc1d57c3cb"),
    ("layoutlmv2-base", "quick"): ("ca30cc7581cd32dd", "656c260b5a8ec35d"),
    ("layoutlmv2-base-pretraining", "full"): ("ea88b368d9bd9362", "eb927ed08d705aed"),
    ("layoutlmv2-base-pretraining", "released"): ("de97b9f3798ecee0", "62d582943498ef48"),
    ("layoutlmv2-base-pretraining", "quick"): ("ec7ac59104f21590", "a83a5308bb34eae9"),
    ("layoutlmv2-base-pretraining", "layoutlm"): ("3aa493ed0f98a9fa", "f900307461f6a327"),
    ("layoutlmv2-base-pretraining", "image"): ("1f454c9b7adc020a", "ceb5a7ffc0b14c15"),
    ("layoutlmv2-base-pretraining", "image-alignment"): ("b65e64c95e74064c", "05ab9bfcb2dd1679"),
    ("layoutlmv2-base-pretraining", "image-matching"): ("b47a653e156b03bc", "e4ca72f5d75801a7"),
    ("layoutlmv2-base-pretraining", "image-alignment-matching"): ("5819f9fd63698497", "c6ce9417d3ce1564"),
    ("layoutlmv2-base-spans", "full"): ("92fde6fdddb8f67d", "68237fc065d9eece"),
    ("layoutlmv2-base-spans", "released"): ("308e6234406c9455", "87e059eec891d1f9"),
    ("layoutlmv2-base-spans", "quick"): ("d0aaba0d9cf0786d", "7e093cda59d59cbf"),
    ("layoutlmv2-base-tags", "full"): ("4cf1869d80c5d653", "ca1e86f32df8189f"),
    ("layoutlmv2-base-tags", "released"): ("04e16e246d77fa1c", "3553c4a9b6f122a7"),
    ("layoutlmv2-base-tags", "quick"): ("900c62d67845c0ad", "79314d203d0c7874"),
    ("layoutlmv2-base-tags", "quick-layout"): ("2803e4d447322014", "cd1f08d2c22b7edc"),
    ("layoutlmv2-base-tags", "quick-text"): ("e37276f1697dbb69", "1a69a9dd5da0af68"),
    ("layoutlmv2-base-tags", "middle"): ("3bce5f362278115e", "7338282763221db8"),
    ("layoutlmv2-large", "full"): ("a4fadbbf9f0f1ad5", "87f43e935c7b4304"),
    ("layoutlmv2-large", "released"): ("73d02e90268e3e9b", "6f172143367877e7"),
    ("layoutlmv2-large", "quick"): ("16ab46900f894ee8", "a50e8817cd6c1e31"),
    ("bert-6l", "full"): ("223a5da4a645c045", "ec6a7f89a8609628"),
    ("bert-6l", "released"): ("24180b9252c66cb4", "fcb22e31ebd21327"),
    ("bert-6l", "quick"): ("cb8db21202de6704", "a28d12bdd7bef34d"),
    ("bert-base", "full"): ("f775128dc428cebf", "62e0316ff7d2bd51"),
    ("bert-base", "aapd"): ("406c2c2f11c5be11", "62e0316ff7d2bd51"),
    ("bert-base", "imdb"): ("9589838d50a4d6ec", "ea1d657bcf5dda7a"),
    ("bert-base", "yelp"): ("1fefec7849fdda2a", "ea1d657bcf5dda7a"),
    ("bert-base", "quick"): ("a33344bd30ea4426", "dcbd55d72c32593d"),
    ("bert-large", "full"): ("ecd6c4dddad5ce30", "9c60fec0e2102e27"),
    ("bert-large", "aapd"): ("0cd68dd356b0ac91", "9c60fec0e2102e27"),
    ("bert-large", "imdb"): ("36d4bd047bb93493", "926d217f51c448b7"),
    ("bert-large", "yelp"): ("0da98094929aa31a", "926d217f51c448b7"),
    ("effnet-b0", "full"): ("77c466973bab8c7c", "c92bfa6826d16718"),
    ("effnet-b0", "quick"): ("094ac46960fb5f6d", "04864cdfba7d93ac"),
    ("effnet-b1", "full"): ("cf5502634a3b1c27", "e3ea3b54deb97a09"),
    ("effnet-b1", "quick"): ("a46ae1617713c97b", "96e51e368b574870"),
    ("effnet-b2", "full"): ("2d75bd2e69f49309", "ee8f0700c6325795"),
    ("effnet-b2", "quick"): ("1573abd8bcb1e167", "5e731988053366df"),
    ("effnet-b3", "full"): ("58b9463ea5584df5", "fd863841be711e99"),
    ("effnet-b3", "quick"): ("2b745310f15a74ed", "e2376bfb1b70a084"),
    ("effnet-b4", "full"): ("6296ecd72551ff40", "74121ad7138aaf8d"),
    ("effnet-b4", "quick"): ("2a07c2e9945ff2d4", "c19de5cb6aa11938"),
    ("lstm", "full"): ("e1b198762ff60455", "7389cc4f44849468"),
    ("lstm", "released"): ("2081ae2a61ff4d37", "844ac9543b9ea28d"),
    ("lstm", "paper"): ("3e8a7ef5bc2bfd6d", "99b5814373135deb"),
    ("lstm", "quick"): ("95b3cb1023e94059", "05a1d0f3c2fba973"),
    ("lstm", "distilled"): ("5c9521215208f2bb", "0c3ebb7c3aeeded0"),
    ("lstm", "quick-distilled"): ("88498fd7686ad556", "0f9606cc05c0edcb"),
    ("han", "full"): ("b74d08f6ccead581", "993066e0dbb9e9a7"),
    ("han", "released"): ("c3569c46c95678a9", "bf0da2b8b113af13"),
    ("han", "quick"): ("8a947608bd5f5010", "962f2b2320987dba"),
    ("kim-cnn", "full"): ("330b95f4c09574d3", "875a609e6dec4e92"),
    ("kim-cnn", "released"): ("d6f76f99dada191d", "2821a245c158760a"),
    ("kim-cnn", "quick"): ("9823bf6894eeab25", "c6531fb0295041b6"),
    ("xml-cnn", "full"): ("f28452ab3ea398cf", "08401d9e61c29fb8"),
    ("xml-cnn", "released"): ("1d019ab704ce167c", "7ca98d782a81cd27"),
    ("xml-cnn", "quick"): ("6fcccc4ad34ce7e4", "914715524e925264"),
}


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A copy of effnet-b0 that a test may spoil."""
    return Path(shutil.copy(spec.WORKLOADS / "effnet-b0.toml", tmp_path / "own.toml"))


def replace(path: Path, old: str, new: str) -> str:
    """Edit a file in place; returns what `spec.load` takes."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("name", "preset"), SHIPPED)
def test_every_shipped_workload_loads_in_every_preset(name: str, preset: str) -> None:
    workload = spec.load(name, preset)
    assert (workload.name, workload.preset) == (name, preset)


@pytest.mark.parametrize("name", EVERY_B)
def test_the_published_settings(name: str) -> None:
    workload = spec.load(name)
    assert workload.model.variant == name.removeprefix("effnet-")
    assert workload.train.batch_per_replica == (8 if name in ("effnet-b3", "effnet-b4") else 16)
    assert workload.model.num_classes == 16
    assert workload.input.image_size == 384
    assert workload.input.shear_degrees == 5
    assert (workload.optimizer.momentum, workload.optimizer.weight_decay) == (0.9, 4e-5)
    assert (workload.schedule.peak_rate, workload.schedule.reference_batch) == (0.2, 256)
    assert (workload.train.epochs, workload.finetune.epochs, workload.finetune.peak_rate) == (20, 5, 0.8)


@pytest.mark.parametrize("name", EVERY_B)
def test_the_quick_preset_keeps_the_model_and_shrinks_the_work(name: str) -> None:
    full, quick = spec.load(name), spec.load(name, "quick")
    assert quick.model.variant == full.model.variant
    assert quick.optimizer == full.optimizer
    assert quick.input.image_size < full.input.image_size
    assert quick.train.epochs < full.train.epochs
    assert quick.data.synthetic_pages < full.data.synthetic_pages


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # unknown keys name what is allowed
        (
            "\nmomentum = 0.9",
            "\nmomentun = 0.9",
            r"own\.toml: optimizer\.momentun: unknown key; allowed here: .*momentum",
        ),
        ("[finetune]", "[finetuning]", r"own\.toml: finetuning: unknown key; allowed here: .*finetune,"),
        ("[model]", "[extra]\n[model]", r"own\.toml: extra: unknown key; allowed here: .*model"),
        # wrong types
        ("batch_per_replica = 16", 'batch_per_replica = "16"', r"own\.toml: train\.batch_per_replica: .*integer.*'16'"),
        ("batch_per_replica = 16", "batch_per_replica = 16.5", r"own\.toml: train\.batch_per_replica: .*integer"),
        ("image_size = 384", "image_size = true", r"own\.toml: input\.image_size: .*integer.*True"),
        ("mean = [0.485, 0.456, 0.406]", "mean = [0.485, 0.456]", r"own\.toml: input\.mean"),
        # impossible values name the limit
        ("epochs = 20", "epochs = 0", r"own\.toml: train\.epochs: .*greater than or equal to 1, got 0"),
        ("batch_per_replica = 16", "batch_per_replica = -1", r"own\.toml: train\.batch_per_replica: .*to 1, got -1"),
        ("\nmomentum = 0.9", "\nmomentum = 1.0", r"own\.toml: optimizer\.momentum: .*less than 1, got 1\.0"),
        ("weight_decay = 4e-5", "weight_decay = -1e-5", r"own\.toml: optimizer\.weight_decay: .*equal to 0"),
        ("image_size = 384", "image_size = 100", r"own\.toml: input\.image_size: .*multiple of 32, got 100"),
        ("num_classes = 16", "num_classes = 1", r"own\.toml: model\.num_classes: .*equal to 2, got 1"),
        (
            'task = "classification"',
            'task = "tags"',
            r"own\.toml: task: one of classification, labels, distilled_.*'tags'",
        ),
        ('variant = "b0"', 'variant = "b9"', r"own\.toml: model\.variant: .*'b0'.*'b7', got 'b9'"),
        ('decay_rule = "l2"', 'decay_rule = "adamw"', r"own\.toml: optimizer\.decay_rule: .*'l2'"),
        ("peak_rate = 0.2", "peak_rate = nan", r"own\.toml: schedule\.peak_rate: .*finite number, got nan"),
        ("peak_rate = 0.2", "peak_rate = inf", r"own\.toml: schedule\.peak_rate: .*finite number, got inf"),
        ("mean = [0.485,", "mean = [nan,", r"own\.toml: input\.mean\.0: .*finite number, got nan"),
        ("std = [0.229, 0.224, 0.225]", "std = [0.229, 0.0, 0.225]", r"own\.toml: input\.std\.1: .*greater than 0"),
        # missing
        ("\nmomentum = 0.9", "", r"own\.toml: optimizer\.momentum: Field required"),
        # not TOML
        ("epochs = 20", "epochs = ", r"own\.toml: not a readable TOML file"),
    ],
)
def test_bad_settings_name_file_key_and_what_is_allowed(own_file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        spec.load(replace(own_file, old, new))
    assert "\n" not in str(raised.value)


def test_a_bad_preset_is_found_when_it_is_asked_for(own_file: Path) -> None:
    path = replace(own_file, "train = {", "trian = {")
    spec.load(path)
    with pytest.raises(UserError, match=r"own\.toml: trian: unknown key; allowed here: .*train"):
        spec.load(path, "quick")


def test_an_unknown_workload_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"unknown workload 'effnet-b99'; known: .*effnet-b0.*effnet-b4"):
        spec.load("effnet-b99")


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"effnet-b0\.toml: unknown preset 'fast'; known: full, .*quick"):
        spec.load("effnet-b0", "fast")


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a readable TOML file"):
        spec.load(str(path))


def test_a_preset_overrides_its_keys_alone(own_file: Path) -> None:
    path = replace(own_file, "[sources]", "[presets.tiny]\ntrain = { epochs = 2 }\n\n[sources]")
    full, tiny = spec.load(path), spec.load(path, "tiny")
    assert tiny.train.epochs == 2
    assert tiny.train.batch_per_replica == full.train.batch_per_replica
    assert tiny.model == full.model
    assert spec.preset_names(path)[0] == "full"
    assert "tiny" in spec.preset_names(path)


def test_hashes_do_not_depend_on_names_sources_or_the_order_of_keys(own_file: Path) -> None:
    text = own_file.read_text(encoding="utf-8")
    text = text.replace('name = "sgd"\nmomentum = 0.9\n', 'momentum = 0.9\nname = "sgd"\n')
    own_file.write_text(re.sub(r"\[sources\].*", "", text, flags=re.DOTALL), encoding="utf-8")
    own, shipped = spec.load(str(own_file)), spec.load("effnet-b0")
    assert own.spec_hash == shipped.spec_hash
    assert own.computation_hash == shipped.computation_hash
    assert re.fullmatch("[0-9a-f]{16}", own.spec_hash)


def test_the_hash_is_that_of_the_canonical_json() -> None:
    # printf '{"a":1,"b":[0.5]}' | sha256sum
    assert spec.digest({"b": [0.5], "a": 1}) == "bdad23344c9c37f9"


@pytest.mark.parametrize(
    "change",
    [
        {"model.dropout": 0.3},
        {"model.norm_epsilon": 2e-3},
        {"input.image_size": 352},
        {"input.shear_degrees": 4.0},
        {"optimizer.momentum": 0.8},
        {"optimizer.weight_decay": 0.0},
        {"schedule.peak_rate": 0.1},
        {"schedule.ratio": 16.0},
        {"finetune.peak_rate": 0.4},
        {"task": "labels"},
    ],
)
def test_a_change_of_the_mathematics_changes_both_hashes(change: dict[str, float]) -> None:
    base = spec.load("effnet-b0")
    changed = base.overridden(change, "test")
    assert changed.spec_hash != base.spec_hash
    assert changed.computation_hash != base.computation_hash


@pytest.mark.parametrize(
    "change",
    [
        {"train.epochs": 3},
        {"train.batch_per_replica": 4},
        {"measure.warmup_steps": 3},
        {"measure.measured_steps": 7},
        {"data.synthetic_pages": 64},
        {"model.num_classes": 10},
    ],
)
def test_a_change_of_the_amount_changes_the_spec_hash_alone(change: dict[str, int]) -> None:
    base = spec.load("effnet-b0")
    changed = base.overridden(change, "test")
    assert changed.spec_hash != base.spec_hash
    assert changed.computation_hash == base.computation_hash


def test_no_number_of_a_shipped_workload_has_changed() -> None:
    """Another hash here means that published results and certificates are of another workload: do not change it."""
    found = {(name, preset): spec.load(name, preset) for name, preset in SHIPPED}
    assert {key: (each.spec_hash, each.computation_hash) for key, each in found.items()} == HASHES


def test_no_two_shipped_workloads_share_a_hash() -> None:
    assert len({spec.load(name, preset).spec_hash for name, preset in SHIPPED}) == len(SHIPPED)


def test_overriding_checks_again_and_names_the_option() -> None:
    with pytest.raises(UserError, match=r"--epochs: train\.epochs: .*got 0"):
        spec.load("effnet-b0").overridden({"train.epochs": 0}, "--epochs")


def test_overriding_leaves_the_original_alone() -> None:
    base = spec.load("effnet-b0")
    assert base.overridden({"train.epochs": 3}, "test").train.epochs == 3
    assert base.train.epochs == spec.load("effnet-b0").train.epochs


def test_sources_are_read() -> None:
    assert spec.sources("effnet-b0")["train.epochs"].startswith("[paper]")


def test_a_workload_that_names_no_task_is_of_the_usual_one(own_file: Path) -> None:
    own = spec.load(replace(own_file, 'task = "classification"\n', ""))
    assert own.task == "classification"
    assert own.spec_hash == spec.load("effnet-b0").spec_hash
