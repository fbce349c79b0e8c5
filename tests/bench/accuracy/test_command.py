"""`bench accuracy` as typed, its cells played in this process: from the request to records, table and figures."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy import figures as figures
from bench.accuracy import run
from bench.accuracy.figures import plot_accuracy
from bench.accuracy.results import AccuracyRecord, read_records
from bench.accuracy.tables import notes
from bench.cells.launch import run_cell
from bench.records import certificates
from shared.spec import Workload
from shared.store import IMAGES, Store, open_store
from tests import golden
from tests.bench.accuracy.fakes import CLASSES, Cast, make_documents
from tests.bench.command import assert_error

Bench = Callable[..., tuple[int, str, str]]
SMALL = ("--per-class", 8, "--val-share", 0.25, "--splits", 2)


@pytest.fixture
def accuracy(
    bench: Bench, cast: Cast, documents: Store, workloads: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """Runs `bench accuracy` on the small documents into `run`, with two splits; its figures are named, not drawn."""
    monkeypatch.setattr(figures, "plot_accuracy", lambda records, out: [out / f"{len(records)}-records.png"])

    def call(*arguments: object, data: Path | None = None) -> tuple[int, str, str]:
        path = documents.path if data is None else data
        return bench("accuracy", *workloads, "--data", path, "--out", tmp_path / "run", *SMALL, *arguments)

    return call


def by_id(directory: Path) -> dict[str, AccuracyRecord]:
    return {record.result_id: record for record in read_records(directory)}


@pytest.mark.usefixtures("same_machine")
def test_a_run_leaves_a_record_a_framework_member_and_split(accuracy: Bench, cast: Cast, tmp_path: Path) -> None:
    code, out, err = accuracy()
    assert code == 0, err
    records = by_id(tmp_path / "run")
    assert len(records) == 2 * (4 + 6)
    image = records["pt-image-00"]
    assert (image.workload, image.training, image.weights_origin) == ("tiny-image", "full", "a seeded start")
    assert sum(map(sum, image.confusion)) == 3 * 4
    assert np.trace(image.confusion) / 12 == pytest.approx(image.accuracy["test"])
    assert list(image.per_class) == list(CLASSES)
    assert image.accuracy["train"] == 0.75
    cross = records["pt+tf-ensemble-searched-01"]
    assert [(part.framework, part.member) for part in cross.parts] == [
        ("pt", "image"), ("pt", "text"), ("tf", "image"), ("tf", "text"),
    ]  # fmt: skip
    assert sum(part.weight for part in cross.parts) == pytest.approx(1)
    assert {part.weight for part in records["tf-ensemble-equal-00"].parts} == {0.5}
    golden.check("accuracy", out, tmp_path)
    golden.check("accuracy-summary", (tmp_path / "run" / "summary.md").read_text(), tmp_path)
    order = [cell.cell_id for cell in cast.played[:4]]
    assert order == ["pt-image-00", "tf-image-00", "pt-text-00", "tf-text-00"]


def test_the_frameworks_see_the_same_splits_and_seeds(accuracy: Bench, cast: Cast) -> None:
    accuracy("--seed", 5)
    for split in range(2):
        cells = [cell for cell in cast.played if cell.cell_id.endswith(f"-{split:02}")]
        assert len({(cell.splits, cell.seed) for cell in cells}) == 1
        assert cells[0].seed == 5 + split
        assert all(cell.predictions and not cell.finetune for cell in cells)


@pytest.mark.usefixtures("same_machine")
def test_stage_1_leaves_out_what_is_evaluated_and_stage_2_starts_from_it(
    accuracy: Bench, cast: Cast, documents: Store, tmp_path: Path
) -> None:
    large = make_documents(
        tmp_path / "large", 20, ("a", "b", "c", "d"), text=False, prefix="big", seed=1, name="rvl-cdip"
    )
    pages = np.memmap(large.path / IMAGES, dtype=np.uint8, mode="r+", shape=large.pixels.shape)  # type: ignore[union-attr]
    pages[8] = documents.pixels[3]  # type: ignore[index]
    pages.flush()
    store = make_again(large, names=["elsewhere/DOC7.tif" if row == 1 else f"big{row}" for row in range(80)])
    code, out, err = accuracy("--pretrain", store.path, "--framework", "pt", "--pretrain-epochs", 3, "--epochs", 2)
    assert code == 0, err
    first, image = cast.played[0], next(cell for cell in cast.played if cell.cell_id == "pt-image-01")
    codes = np.load(first.splits)  # type: ignore[arg-type]
    assert np.flatnonzero(codes == -1).tolist() == [1, 8]
    assert (first.cell_id, first.epochs, first.finetune, first.predictions) == ("pt-image-pretrain", 3, False, False)
    assert first.workload.model.num_classes == 4
    assert (image.epochs, image.finetune, image.weights) == (0, True, first.checkpoint)
    assert image.workload.finetune.epochs == 2  # type: ignore[attr-defined]
    record = by_id(tmp_path / "run")["pt-image-01"]
    assert (record.overlap, record.training, record.epochs) == (2, "classifier", 2)
    assert "stage 1 on large" in (record.weights_origin or "")
    golden.check("accuracy-stage-1", out, tmp_path)  # this data is folder, and not that of stage 1
    assert "note: stage 1 leaves out 2 documents that are among those evaluated" in err


def make_again(store: Store, names: list[str]) -> Store:
    """The store with other names, its manifest made to fit."""
    from shared.store import MANIFEST, NAMES, file_sha256, string_files, write_strings

    write_strings(store.path, NAMES, names)
    manifest = json.loads((store.path / MANIFEST).read_text())
    for file in (*string_files(NAMES), IMAGES):
        manifest["bytes"][file] = (store.path / file).stat().st_size
        manifest["sha256"][file] = file_sha256(store.path / file)
    (store.path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(store.path)


def test_without_stage_1_its_cells_are_skipped_and_so_are_their_ensembles(
    accuracy: Bench, cast: Cast, tmp_path: Path
) -> None:
    large = make_documents(tmp_path / "large", 20, text=False, prefix="big", seed=1)
    cast.behaviours["pt-image-pretrain"] = "crash"
    code, out, _ = accuracy("--pretrain", large.path, "--framework", "pt")
    assert code == 1
    records = by_id(tmp_path / "run")
    assert records["pt-image-00"].status == records["pt-ensemble-equal-00"].status == "skipped"
    assert records["pt-text-00"].status == "ok"
    line = "pt-image-pretrain: crash: the last word (log: cells/pt-image-pretrain/log.txt)"
    assert line in notes([*records.values()])
    assert line in out.splitlines()


def test_a_failed_cell_stays_a_row_and_resume_runs_it_alone(
    accuracy: Bench, bench: Bench, cast: Cast, tmp_path: Path
) -> None:
    cast.behaviours = {"tf-text-01": "crash", "pt-image-00": "empty"}
    assert accuracy()[0] == 1
    records = by_id(tmp_path / "run")
    assert records["tf-text-01"].status == "crash"
    assert records["pt-image-00"].status == "crash"
    assert "no predictions" in (records["pt-image-00"].reason or "")
    assert records["tf-ensemble-equal-01"].status == "skipped"
    assert records["tf-ensemble-equal-00"].status == "ok"
    cast.behaviours, cast.played = {}, []
    code, _, err = bench("accuracy", "--resume", tmp_path / "run")
    assert code == 0, err
    assert [cell.cell_id for cell in cast.played] == ["pt-image-00", "tf-text-01"]
    assert {record.status for record in by_id(tmp_path / "run").values()} == {"ok"}


def test_an_interrupted_run_keeps_what_is_finished(accuracy: Bench, bench: Bench, cast: Cast, tmp_path: Path) -> None:
    cast.behaviours = {"pt-image-01": "interrupt"}
    code, _, err = accuracy("--members", "image")
    assert code == 130
    assert f"2 of 4 cells are finished; continue with `bench accuracy --resume {tmp_path / 'run'}`" in err
    cast.behaviours, cast.played = {}, []
    assert bench("accuracy", "--resume", tmp_path / "run")[0] == 0
    assert [cell.cell_id for cell in cast.played] == ["pt-image-01", "tf-image-01"]
    # one member a framework: no ensemble of its own, but one of both
    assert set(by_id(tmp_path / "run")) == {
        *(f"{framework}-image-{split}" for framework in ("pt", "tf") for split in ("00", "01")),
        *(f"pt+tf-ensemble-{rule}-{split}" for rule in ("equal", "searched") for split in ("00", "01")),
    }


def test_a_worker_that_leaves_no_predictions_has_crashed(
    accuracy: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "run_cell", run_cell)  # the fake worker, in a process of its own
    code, _, _ = accuracy("--members", "image", "--framework", "tf", "--splits", 1)
    assert code == 1
    record = by_id(tmp_path / "run")["tf-image-00"]
    assert record.status == "crash"
    assert "no predictions in predictions.0.npz" in (record.reason or "")
    assert (tmp_path / "run" / str(record.log)).exists()


def test_plot_draws_a_run_again_from_its_records(
    accuracy: Bench, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracy("--framework", "pt")
    monkeypatch.setattr(figures, "plot_accuracy", plot_accuracy)
    code, out, err = bench("plot", tmp_path / "run", "--out", tmp_path / "again", "--format", "svg")
    assert code == 0, err
    assert {Path(line).name for line in out.split()} == {
        "accuracy-splits.svg", "accuracy-classes-image.svg", "accuracy-classes-text.svg",
        "accuracy-classes-ensemble.svg", "confusion-pt-image.svg", "confusion-pt-text.svg", "confusion-pt-ensemble.svg",
    }  # fmt: skip
    assert_error(bench("plot", tmp_path / "run", tmp_path, "--out", tmp_path / "x"), "is drawn alone")


def test_resume_refuses_other_runs_and_changed_documents(
    accuracy: Bench, bench: Bench, documents: Store, tmp_path: Path
) -> None:
    accuracy("--members", "image", "--framework", "pt", "--splits", 1)
    assert_error(bench("accuracy", "--resume", tmp_path / "run", "--seed", 1), "leave out --seed")
    assert_error(bench("run", "--resume", tmp_path / "run"), "bench accuracy --resume")
    make_again(documents, [f"other{row}" for row in range(36)])
    assert_error(bench("accuracy", "--resume", tmp_path / "run"), "have changed since it began")


def test_what_is_asked_for_wrongly(accuracy: Bench, bench: Bench, documents: Store, tmp_path: Path) -> None:
    assert_error(accuracy("--per-class", 12), "class 'letter' has 12 documents", "needs 13", "use --per-class 11")
    assert_error(accuracy("--members", "image,sound"), "'sound' is none of image, text")
    assert_error(accuracy("--members", "text", "--pretrain", documents.path), "--pretrain is for the image model")
    assert_error(accuracy("--members", "image", "--vocab", "x"), "--vocab is for the text model")
    assert_error(accuracy("--image-training", "classifier"), "give --pretrain or --image-weights")
    assert_error(accuracy("--pretrain-epochs", 2), "--pretrain STORE")
    assert_error(accuracy("--pretrain", documents.path), "0 documents to train on are left", "36 that are evaluated")
    assert_error(accuracy("--text-workload", "effnet-b0"), "reads no text")
    assert_error(accuracy("--gpus", 16), "18 documents train", "needs 32")
    without_text = make_documents(tmp_path / "pages", text=False)
    assert_error(accuracy(data=without_text.path), "holds no text for the text model", "--members image")
    without_pages = make_documents(tmp_path / "texts", pages=False)
    assert_error(accuracy(data=without_pages.path), "holds no pages for the image model", "--members text")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def ladder(results: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In place of the ladder: what it was asked to prove; it breaks for workloads named in `breaks`."""
    proven: list[str] = []
    module = types.ModuleType("bench.verify.ladder")

    def certify(workload: Workload, say: Callable[[str], None], pythons: certificates.Pythons) -> object:
        proven.append(workload.name)
        passed = workload.name not in ladder_breaks
        certificate = certificates.new(workload, passed, [], pythons)
        certificates.store(certificate)
        return certificate

    module.certify = certify  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.verify.ladder", module)
    monkeypatch.setitem(sys.modules, "bench.verify", types.ModuleType("bench.verify"))
    ladder_breaks.clear()
    return proven


ladder_breaks: set[str] = set()


def test_verify_proves_every_training_first_and_stamps_its_records(
    accuracy: Bench, cast: Cast, ladder: list[str], tmp_path: Path
) -> None:
    code, out, err = accuracy("--verify")
    assert code == 0, err
    assert ladder == ["tiny-image", "tiny-text"]
    records = by_id(tmp_path / "run")
    assert {record.certificate for record in records.values()} == {"verified"}
    assert {bool(record.certificate_id) for record in records.values() if record.workload} == {True}
    assert "certificate: verified" in out.splitlines()[1]


def test_without_verify_nothing_is_proven(accuracy: Bench, cast: Cast, ladder: list[str], tmp_path: Path) -> None:
    assert (accuracy()[0], ladder) == (0, [])
    assert {record.certificate for record in by_id(tmp_path / "run").values()} == {"unverified"}


def test_a_ladder_that_breaks_trains_nothing(accuracy: Bench, cast: Cast, ladder: list[str], tmp_path: Path) -> None:
    ladder_breaks.add("tiny-text")
    code, _, err = accuracy("--verify")
    assert code == 1
    assert "the equality ladder broke: nothing was trained" in err
    assert not list((tmp_path / "run").glob("records/*.json"))
