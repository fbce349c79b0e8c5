"""The diff as Markdown, as rows for any table, as one line."""

from __future__ import annotations

from bench.show.captions import capital, counted
from bench.show.fairness.diff import Diff, Line
from bench.terminal import grids
from bench.terminal.printable import markdown_text

VERDICT_NAMES = {"unfair": "UNFAIR", "unexplained": "UNEXPLAINED", "explained": "explained", "equal": "equal"}


def named(lines: tuple[Line, ...]) -> str:
    """The settings of some lines, each once."""
    return ", ".join(dict.fromkeys(line.key for line in lines))


def verdict_line(diff: Diff) -> str:
    """One line: how many settings are equal, how many differ, and whether each difference is explained."""
    if not diff.sides:
        return "fairness: no cell reported its settings"
    bad = [
        f"{VERDICT_NAMES[verdict]}: {named(lines)}"
        for verdict in ("unfair", "unexplained")
        if (lines := diff.of(verdict))  # type: ignore[arg-type]  # a Literal in a tuple is a str to mypy
    ]
    if len(diff.sides) == 1:
        return f"fairness: {diff.sides[0]} alone, nothing to hold it against{'; '.join(['', *bad])}"
    if not diff.lines:
        return f"fairness: no cell was run by both {' and '.join(diff.sides)}"
    num_differing = len({line.key for line in diff.differing})
    differ = f"{num_differing} {'differs' if num_differing == 1 else 'differ'}"
    outcome = "; ".join(bad) or ("all explained" if num_differing > 1 else "explained" if num_differing else "")
    separator = "" if not outcome else "; " if bad else ", "
    return f"fairness: {counted(diff.num_equal, 'setting')} equal, {differ}{separator}{outcome}"


def table_rows(diff: Diff) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each setting that differs, the worst first."""
    headings = ["setting", *diff.sides, "where", "verdict", "why"]
    rows = []
    for line in diff.differing:
        values = dict(line.values)
        shown = [values.get(side, "-") for side in diff.sides]
        rows.append([line.key, *shown, line.where or "everywhere", VERDICT_NAMES[line.verdict], line.reason])
    return headings, rows


def equal_text(diff: Diff) -> str:
    """The settings that are equal, with their values; empty where there are none."""
    differing = {line.key for line in diff.differing}
    values: dict[str, list[str]] = {}
    for line in diff.of("equal"):
        if line.key not in differing:
            values.setdefault(line.key, []).extend(value for _, value in line.values[:1])
    return "; ".join(f"{key} {' / '.join(dict.fromkeys(texts))}" for key, texts in values.items())


def markdown(diff: Diff) -> str:
    """The verdict, a table of what differs, and what is equal; only the verdict where one side is alone and clean."""
    parts = [markdown_text(f"{capital(verdict_line(diff))}.")]
    headings, rows = table_rows(diff)
    if rows:
        parts.append(grids.markdown(headings, rows))
    if len(diff.sides) > 1 and (equal := equal_text(diff)):
        parts.append(markdown_text(f"Equal: {equal}."))
    return "\n\n".join(parts) + "\n"
