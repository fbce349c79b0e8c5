"""Figures that papers published, as data: `results/papers/*.csv`, each row with the table it is from.

What is drawn or printed as "published" comes from here and is typed nowhere else. A figure that is impossible by its
paper's own arithmetic stays in the data and says so in its note.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError

PAPERS = PROJECT_ROOT / "results" / "papers"  # the project's own; TWINBENCH_RESULTS moves only what is measured
NOT_A_FACT = "not a fact"  # how the note begins of a figure that its paper contradicts
# data as papers call it to the name of its store and its number of documents; a part of it is another data set
PUBLISHED_DATA = {
    "RVL-CDIP": ("rvl-cdip", 400_000),  # Harley et al., ICDAR 2015
    "SmallTobacco": ("tobacco3482", 3_482),  # Kumar et al., 2014
    "Reuters": (None, 10_789),  # docbert, table 1; a corpus's store may have any name
}
SHARES = {"%": 0.01, "fraction": 1.0}


@dataclass(frozen=True)
class Published:
    """One published figure, as printed."""

    system: str
    dataset: str
    metric: str
    value: float  # in `unit`
    spread: float | None  # the published ±, in `unit`
    unit: str
    table: str  # "table 2", or "section 5.3" of a figure that only the running text has
    paper: str  # the file's stem
    note: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells one figure from all others."""
        return self.paper, self.system, self.dataset, self.metric

    @property
    def share(self) -> float:
        """The value as a share of one; only of accuracies, F1 and the like."""
        assert self.unit in SHARES, f"{self.key} is in {self.unit}, not a share"
        return self.value * SHARES[self.unit]

    @property
    def is_refuted(self) -> bool:
        """Whether the paper's own figures contradict this one; never to be repeated as a fact."""
        return self.note.startswith(NOT_A_FACT)


def datasets(data_name: str, num_documents: int | None) -> list[str]:
    """What papers call a data set, of which a published figure may stand beside one measured on it; mostly nothing.

    Args:
        data_name: of a store.
        num_documents: in it; None: not known, so nothing is.
    """
    return [
        dataset
        for dataset, (name, documents) in PUBLISHED_DATA.items()
        if num_documents == documents and name in (None, data_name)
    ]


COLUMNS = [field.name for field in fields(Published)]


def read_papers(folder: Path | None = None) -> list[Published]:
    """All published figures, by file and in the tables' order.

    Args:
        folder: of CSV files, one a paper; None: the project's own.

    Raises:
        UserError: no such files, or a row that is not a published figure; the line is named.
    """
    folder = folder or PAPERS
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise UserError(f"{folder}: no published figures here; they lie in results/papers of a checkout")
    return [row for path in paths for row in read_paper(path)]


def read_paper(path: Path) -> list[Published]:
    """The figures of one file.

    Raises:
        UserError: other columns, a missing cell, a value that is no number, text that is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames != COLUMNS:
                raise UserError(f"{path}: the columns must be {','.join(COLUMNS)}")
            return [parse(row, f"{path}:{reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from None


def parse(row: dict[str, str], place: str) -> Published:
    """One row of a file.

    Raises:
        UserError: too few or too many cells, or a value or spread that is no number.
    """
    if set(row) != set(COLUMNS) or None in row.values():
        raise UserError(f"{place}: a row has {len(COLUMNS)} cells; quote those with a comma")
    words = {name: row[name] for name in COLUMNS if name not in ("value", "spread")}
    try:
        spread = float(row["spread"]) if row["spread"] else None
        return Published(value=float(row["value"]), spread=spread, **words)
    except ValueError as error:
        raise UserError(f"{place}: value or spread: {error}") from None


def find(rows: Iterable[Published], paper: str, system: str, dataset: str, metric: str) -> Published:
    """The one figure of that name among `rows`.

    Raises:
        KeyError: none has it; the nearest names are listed.
    """
    by_key = {row.key: row for row in rows}
    key = (paper, system, dataset, metric)
    if key not in by_key:
        near = difflib.get_close_matches(" | ".join(key), [" | ".join(known) for known in by_key], n=5, cutoff=0.5)
        raise KeyError(f"no published figure {' | '.join(key)}; near it: {'; '.join(near) or 'none'}")
    return by_key[key]


def published(paper: str, system: str, dataset: str, metric: str) -> Published:
    """One figure of the project's own data.

    Raises:
        KeyError: there is none of that name; the nearest are listed.
        UserError: the data is not there.
    """
    return find(read_papers(), paper, system, dataset, metric)
