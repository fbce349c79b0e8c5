"""CSV that is opened by a spreadsheet computes nothing."""

from __future__ import annotations

import csv
import io

import pandas
import pytest

from bench.terminal.csv_files import csv_text


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1+cmd", "-2+3", "@SUM(1)", "\t=1", "\r=1"])
def test_no_text_of_a_record_is_a_formula_in_a_spreadsheet(name: str) -> None:
    line = pandas.DataFrame([{"data_name": name, name: 1.5, "loss": -1.5}])
    head, row = csv.reader(io.StringIO(csv_text(line), newline=""))
    shown = "'" + name.replace("\r", "\n")
    assert head == ["data_name", shown, "loss"]
    assert row == [shown, "1.5", "-1.5"]
