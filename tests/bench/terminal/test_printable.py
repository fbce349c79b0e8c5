"""Outside text on a terminal: nothing in it acts, everything in it shows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from bench.terminal.printable import cell, markdown_text, printable, printable_lines


@pytest.mark.parametrize("name", ["memo", "é", "letters [old]", "[/b]", "[link=x]bills", "北京", "a\u200db", "\xa0x"])
def test_what_does_no_harm_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b]0;PWN\x07", r"\x1b]0;PWN\x07"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("f\udcfc", r"f\udcfc"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\x08\x08b", r"a\r\x08\x08b"),
        ("a\u2028b", r"a\u2028b"),
        ("\ufeffa", r"\ufeffa"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_acts_upon_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert printable(name).isprintable()


def test_a_name_of_megabytes_is_cut() -> None:
    assert printable("A" * 2_000_000, limit=10) == "A" * 9 + "…"
    assert printable("A" * 10, limit=10) == "A" * 10


def test_lines_stay_lines() -> None:
    assert printable_lines("one\x1b[2J\ntwo\r\nthree") == "one\\x1b[2J\ntwo\nthree"


def test_a_cell_is_no_markup() -> None:
    table = Table("x")
    table.add_row(cell("[red]a[/nothing]\x1b[2J"))
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    assert r"[red]a[/nothing]\x1b[2J" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("<!-- x", "&lt;!-- x"),
        ("![x](http://y)", "![x]\\(http://y)"),
        ("[x]: http://y", "\\[x]: http://y"),
        ("a\n# b", "a # b"),
        ("# b", "\\# b"),
        ("> b", "\\> b"),
        ("- b", "\\- b"),
        ("--- b", "\\--- b"),
        ("a | b", "a / b"),
        ("\x1b[31mred\u202e", "\\x1b[31mred\\u202e"),
    ],
)
def test_nothing_in_a_text_is_markdown(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


@pytest.mark.parametrize("text", ["-", "-1.5", "+3 %", "0.98 [0.95, 1.01]", "a < b, p <= 0.05", "step_seconds", "#1"])
def test_figures_and_names_stay_legible_in_markdown(text: str) -> None:
    assert markdown_text(text) == text
