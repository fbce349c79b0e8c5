"""The records of runs as one flat table: CSV, and Parquet for who reads many of them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.compare.rows import flat
from bench.report.sources import Run
from bench.terminal.csv_files import csv_text
from shared.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame


def written(text: str) -> str:
    """A text as it can be written: a question mark for each half of a surrogate pair; JSON can hold such."""
    return text.encode(errors="replace").decode()


def frame(runs: Sequence[Run]) -> DataFrame:
    """A line per record of either kind: mappings have a column per entry (`scores.train.test.f1`), lists are JSON."""
    import pandas

    return pandas.DataFrame([line for run in runs for line in lines(run)])


def lines(run: Run) -> list[dict[str, Any]]:
    """The records of a run, one flat mapping each."""
    found = []
    for record in [*run.records, *run.accuracy_records]:
        content = {"run": run.name} | flat(record.model_dump(mode="json"))
        for name in [name for name in content if name.startswith(("settings.", "part_seconds.", "per_class."))]:
            # whatever a worker reports: of one type from record to record only as text
            content[name] = json.dumps(content[name])
        texts = {key: json.dumps(value) if isinstance(value, list) else value for key, value in content.items()}
        found.append(
            {written(key): written(value) if isinstance(value, str) else value for key, value in texts.items()}
        )
    return found


def csv(runs: Sequence[Run]) -> bytes:
    """The table as CSV."""
    return csv_text(frame(runs)).encode()


def parquet(runs: Sequence[Run]) -> bytes:
    """The table as Parquet.

    Raises:
        UserError: pyarrow is not installed.
    """
    buffer = io.BytesIO()
    try:
        frame(runs).to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError:
        raise UserError("--parquet needs pyarrow: pip install 'twinbench[report]', or use --csv") from None
    return buffer.getvalue()
