"""What ranks leave is put together by document, or refused; records are read back as written; shared documents."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.overlap import shared_documents
from bench.accuracy.predictions import class_accuracies, read_predictions, score
from bench.accuracy.results import is_accuracy_run, read_record, read_records, write_record
from shared.errors import UserError
from shared.protocol import Cell
from tests.bench.accuracy.fakes import CLASSES, make_documents, make_records

CODES = np.array([2, 0, 1, 2, 2, 1], np.int8)


class TwoRanks:
    """As much of a cell as reading its predictions needs."""

    framework, replicas = "pt", 2

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)

    def predictions_path(self, rank: int) -> Path:
        return Cell.predictions_path(self, rank)  # type: ignore[arg-type]


def leave(directory: Path, rank: int, val: list[int], test: list[int], value: float | None = None) -> None:
    """Rank `rank` leaves, of each document, probabilities that name it."""
    content = {}
    for split, rows in (("val", val), ("test", test)):
        named = np.array([[row, -row] for row in rows], np.float32).reshape(len(rows), 2)
        content |= {f"{split}.samples": np.array(rows, np.int64)}
        content |= {f"{split}.probabilities": named if value is None else np.full_like(named, value)}
    np.savez(directory / f"predictions.{rank}.npz", **content)


def read(directory: Path) -> dict[str, np.ndarray]:
    return read_predictions(TwoRanks(directory), CODES, 2)  # type: ignore[arg-type]


def test_the_ranks_rows_are_put_together_by_document(tmp_path: Path) -> None:
    leave(tmp_path, 0, [5], [4, 0])
    leave(tmp_path, 1, [2], [3])
    found = read(tmp_path)
    assert found["test"][:, 0].tolist() == [0, 3, 4]
    assert found["val"][:, 0].tolist() == [2, 5]


@pytest.mark.parametrize("test", [[4], [4, 0, 0], [4, 1]])
def test_missing_doubled_and_foreign_documents_are_refused(tmp_path: Path, test: list[int]) -> None:
    leave(tmp_path, 0, [5], test)
    leave(tmp_path, 1, [2], [3])
    with pytest.raises(ValueError, match=r"predictions of \d test documents, not once of each of 3"):
        read(tmp_path)


def test_numbers_that_are_none_and_files_that_are_damaged_are_refused(tmp_path: Path) -> None:
    leave(tmp_path, 0, [5], [4, 0], value=float("nan"))
    leave(tmp_path, 1, [2], [3])
    with pytest.raises(ValueError, match="no finite numbers"):
        read(tmp_path)
    (tmp_path / "predictions.1.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ValueError, match=r"no predictions in predictions\.1\.npz"):
        read(tmp_path)
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "pickled.npy").replace(tmp_path / "predictions.1.npz")
    with pytest.raises(ValueError, match=r"no predictions in predictions\.1\.npz"):
        read(tmp_path)


def test_the_score_of_known_predictions() -> None:
    predicted, labels = [0, 0, 1, 2, 2, 2], np.array([0, 1, 1, 2, 2, 0])
    found = score(np.eye(4)[predicted], labels)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.confusion.tolist() == [[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert found.per_class[:3] == (0.5, 0.5, 1.0)
    assert np.isnan(found.per_class[3])
    assert class_accuracies(np.array([[3, 1], [0, 4]])) == (0.75, 1.0)


def test_records_are_read_back_as_written_and_bad_ones_named(tmp_path: Path) -> None:
    records = make_records({("pt", "image"): 0.5, ("pt", "text"): 0.5}, 1)
    paths = [write_record(tmp_path, record) for record in records]
    assert {record.result_id: record for record in read_records(tmp_path)} == {r.result_id: r for r in records}
    content = json.loads(paths[0].read_text())
    for text, words in (
        (json.dumps(content | {"schema_version": 99}), "record schema 99"),
        (json.dumps(content | {"accuracy": "high"}), "accuracy"),
        ('{"schema_version"', "not a record"),
        ("[]", "not a record"),
    ):
        paths[0].write_text(text)
        with pytest.raises(UserError, match=words):
            read_record(paths[0])
    with pytest.raises(UserError, match="bench accuracy"):
        read_records(tmp_path / "elsewhere")
    assert not is_accuracy_run(tmp_path)


def test_documents_are_the_same_by_name_or_by_page(tmp_path: Path) -> None:
    large = make_documents(tmp_path / "large", 4, prefix="doc", seed=1)
    small = make_documents(tmp_path / "small", 2, prefix="doc", seed=2)
    by_name = shared_documents(large, large, small, small)
    assert by_name.tolist() == [True] * 6 + [False] * 6
    other = make_documents(tmp_path / "other", 3, prefix="page", seed=1)  # the same noise: the same first pages
    assert shared_documents(large, large, other, other).tolist() == [True] * 9 + [False] * 3


def test_the_numbers_of_synthetic_documents_are_no_names(tmp_path: Path) -> None:
    large = make_documents(tmp_path / "large", 4, CLASSES, name="synthetic", seed=1)
    small = make_documents(tmp_path / "small", 4, CLASSES, name="synthetic", seed=2)
    assert not shared_documents(large, large, small, small).any()
