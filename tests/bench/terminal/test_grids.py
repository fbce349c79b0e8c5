"""Tables on terminals of any width: every figure whole, nothing that tells nothing, nothing acted upon."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.terminal import grids

Render = Callable[..., str]


def render(width: int, *arguments: object, **options: object) -> str:
    out = io.StringIO()
    grids.print_grid(Console(width=width, file=out), *arguments, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_what_fits_is_one_table_and_columns_of_figures_are_set_to_the_right() -> None:
    lines = render(40, ["name", "speed"], [["a", "1.50"], ["bcd", "12.25 [11.00, 13.00]"]]).splitlines()
    assert [line.rstrip() for line in lines] == [
        "name                 speed",
        "─" * 26,
        "a                     1.50",
        "bcd   12.25 [11.00, 13.00]",
    ]


def test_an_interval_goes_below_its_value_before_a_second_table_is_made() -> None:
    shown = render(24, ["name", "speed"], [["abcde", "12.25 [11.00, 13.00]"]])
    assert re.search(r"abcde +12\.25 *\n +\[11\.00, 13\.00\]", shown)


def test_further_tables_repeat_the_columns_that_name_a_row() -> None:
    headings = ["name", "n", *(f"figure{place}" for place in range(9))]
    shown = render(40, headings, [["first", 1, *range(1000, 1009)], ["second", 2, *range(2000, 2009)]], keys=2)
    assert max(map(len, shown.splitlines())) <= 40
    assert shown.count("first") == shown.count("second") == len(re.findall("^name ", shown, re.MULTILINE)) == 3
    assert [int(found) for found in re.findall(r"\b1\d{3}\b", shown)] == [*range(1000, 1009)]


def test_empty_columns_are_left_out_and_what_all_rows_agree_in_is_said_once() -> None:
    rows = [["a", "ok", "-", "7", ""], ["b", "ok", "-", "7", ""]]
    shown = render(80, ["name", "status", "tokens/s", "figure", "note"], rows, once=("status", "figure"))
    assert shown.splitlines()[0] == "status: ok; figure: 7"
    assert "tokens/s" not in shown and "note" not in shown
    differ = render(80, ["name", "status"], [["a", "ok"], ["b", "oom"]], once=("status",))
    assert "oom" in differ and "status:" not in differ


def test_a_table_without_rows_and_one_of_keys_alone_are_no_error() -> None:
    assert "name" in render(80, ["name", "speed"], [])
    assert "a" in render(80, ["name", "speed"], [["a", "-"]])


@pytest.mark.parametrize("width", [1, 10, 20])
def test_not_even_the_narrowest_terminal_breaks_a_figure(width: int) -> None:
    shown = render(width, ["name", "speed"], [["PyTorch", "1234567.25 [1200000.50, 1300000.75]"]])
    assert "1234567.25" in shown and "[1200000.50, 1300000.75]" in shown


def test_words_are_broken_between_each_other_and_only_a_path_is_cut() -> None:
    reason = "no space left on device after 12345678 bytes of /tmp/" + "x" * 100
    shown = render(60, ["cell", "reason"], [["a", reason]], figures=False)
    assert max(map(len, shown.splitlines())) <= 60
    assert "12345678" in shown
    assert "".join(shown.split()).count("x") == 100


def test_wide_characters_take_two_places() -> None:
    shown = render(40, ["name", "speed"], [["文書" * 9, "1.25"], ["a", "123456.75"]])
    assert "123456.75" in shown and max(map(cell_len, shown.splitlines())) <= 40


def test_markup_and_control_characters_are_shown_not_obeyed() -> None:
    shown = render(80, ["name", "speed"], [["[red]x[/red]\x1b[31m", "1"]], title="[b]t[/b]\x07")
    assert r"[red]x[/red]\x1b[31m" in shown and r"[b]t[/b]\x07" in shown and "\x1b" not in shown


def test_lines_below_a_table_are_broken_between_words_where_the_width_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "a note that names a figure, 12.25 [11.00, 13.00], and goes on for longer than a terminal is wide"
    monkeypatch.setenv("COLUMNS", "45")
    grids.say(grids.stdout(), [line])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 45 and "12.25 [11.00, 13.00]," in " ".join(shown.split())
    assert "[11.00, 13.00]" in shown, "in one line"
    assert all(part.startswith("  ") for part in shown.splitlines()[1:])
    monkeypatch.delenv("COLUMNS")
    grids.say(grids.stdout(), [line])
    assert capsys.readouterr().out == f"{line}\n", "what is piped can be searched line by line"
