"""The published figures: shape, counts, values read from the papers a second time; and that nobody types them again."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.host.locations import PROJECT_ROOT
from bench.show.papers import COLUMNS, PAPERS, Published, find, published, read_papers
from shared.errors import UserError

UNITS = {
    "%", "fraction", "M parameters", "s", "h", "days", "x", "GB", "MiB", "GPUs", "classes", "documents", "words",
    "sentences", "epochs", "rate",
}  # fmt: skip
# figures a table of the paper has; 7 rows of table 7, say, each with one ANLS
COUNTS = {
    "docbert": {
        "table 1": 4 * 4, "table 2": 8 * 8 + 4 + 3 + 2 * 2, "table 3": 4 * 4, "section 1": 2, "section 5": 2,
        "section 6": 2,
    },
    # table 2 has twenty; of two the column is lost in the text
    "efficientnet-bert-parallel": {
        "table 1": 6, "table 2": 20 - 2, "section 5.2": 3, "section 5.3": 2, "section 5.4": 1,
    },
    "layoutlmv2": {
        "table 1": 8 * 4 + 3, "table 2": 8 * 4 + 1 + 3, "table 3": 9 * 4 + 3 + 3 + 1 + 3, "table 4": 9 * 2,
        "table 5": 8 * 2 + 7, "table 6": 8 * 2 + 1 + 2 + 1, "table 7": 7, "section 3.1": 2, "section 3.2": 2,
    },
    "dive-doc": {"table 1": 2 * 5, "table 2": 4 * 3, "section 1": 3, "section 2": 2},
}  # fmt: skip
SPOT = [
    ("docbert", "LR", "Reuters", "test F1", 74.8, None),
    ("docbert", "SVM", "Reuters", "test F1", 86.1, None),
    ("docbert", "KD-LSTMreg", "Reuters", "test F1", 88.9, 0.2),
    ("docbert", "SGM, original", "AAPD", "test F1", 71.02, None),
    ("docbert", "KimCNN, reimplemented", "Yelp 2014", "test accuracy", 66.1, 0.6),
    ("docbert", "BERT-large", "IMDB", "validation accuracy", 56.0, None),
    ("docbert", "BERT-base", "Yelp 2014", "inference latency on the validation set, batch 128", 1829.9, None),
    ("docbert", "data set", "Yelp 2014", "documents", 1125386, None),
    ("efficientnet-bert-parallel", "EfficientNet-B2", "BigTobacco", "parameters", 9.2, None),
    ("efficientnet-bert-parallel", "Asim et al. [5]", "SmallTobacco",
     "accuracy, image and text, BigTobacco pre-training", 95.8, None),
    ("efficientnet-bert-parallel", "proposed work", "SmallTobacco", "accuracy, image, no pre-training", 85.99, None),
    ("efficientnet-bert-parallel", "EfficientNet-B1", "SmallTobacco",
     "median accuracy over 10 splits, image, BigTobacco pre-training", 94.04, None),
    ("layoutlmv2", "LayoutLMv2-large", "RVL-CDIP", "test accuracy", 95.64, None),
    ("layoutlmv2", "LayoutLM-base with image", "RVL-CDIP", "parameters", 160, None),
    ("layoutlmv2", "LayoutLMv2-large (excluding OCR mismatch)", "SROIE", "precision", 0.9904, None),
    ("layoutlmv2", "LayoutLMv2-large, question generation", "DocVQA", "test ANLS, fine-tuned on train and dev", 0.8672,
     None),
    ("dive-doc", "off-stream distillation", "DocVQA", "VRAM", 21300, None),
]  # fmt: skip
HEADER = ",".join(COLUMNS)


@pytest.fixture(scope="module")
def rows() -> list[Published]:
    return read_papers()


def test_the_columns_are_those_that_were_agreed() -> None:
    assert HEADER == "system,dataset,metric,value,spread,unit,table,paper,note"


def test_every_row_is_whole_and_names_its_place(rows: list[Published]) -> None:
    for row in rows:
        assert row.system and row.dataset and row.metric, row
        assert row.unit in UNITS, row
        assert row.table.split()[0] in {"table", "section"}, row
        assert row.value > 0, row
        assert row.spread is None or 0 < row.spread < row.value, row
        if row.unit in {"%", "fraction"}:
            assert 0 < row.share < 1, row
    assert {row.paper for row in rows} == {path.stem for path in PAPERS.glob("*.csv")} == set(COUNTS)


def test_no_figure_is_there_twice(rows: list[Published]) -> None:
    assert not [key for key, count in Counter(row.key for row in rows).items() if count > 1]


@pytest.mark.parametrize("paper", COUNTS)
def test_every_table_has_all_its_figures(paper: str, rows: list[Published]) -> None:
    assert Counter(row.table for row in rows if row.paper == paper) == COUNTS[paper]


@pytest.mark.parametrize(("paper", "system", "dataset", "metric", "value", "spread"), SPOT)
def test_values_as_the_paper_prints_them(
    paper: str, system: str, dataset: str, metric: str, value: float, spread: float | None
) -> None:
    row = published(paper, system, dataset, metric)
    assert (row.value, row.spread) == (value, spread)


def test_f1_is_the_harmonic_mean_of_precision_and_recall(rows: list[Published]) -> None:
    checked = 0
    for row in rows:
        if row.paper == "layoutlmv2" and row.metric == "precision":
            recall, f1 = (find(rows, row.paper, row.system, row.dataset, name).value for name in ("recall", "F1"))
            assert f1 == pytest.approx(2 * row.value * recall / (row.value + recall), abs=1.01e-4), row
            checked += 1
    assert checked == 9 + 9 + 12


def test_what_a_paper_contradicts_is_flagged(rows: list[Published]) -> None:
    saved = find(rows, "efficientnet-bert-parallel", "EfficientNet-B0", "BigTobacco",
                 "training time saved by 4 GPUs against 1")  # fmt: skip
    assert 1 / (1 - saved.share) > 4  # above linear
    assert saved.is_refuted
    latency = "inference latency on the validation set, batch 128"
    slow, fast = (find(rows, "docbert", name, "IMDB", latency).value for name in ("BERT-base", "LSTMreg"))
    ratio = find(rows, "docbert", "BERT-base", "IMDB", "inference latency over that of LSTMreg")
    assert ratio.is_refuted and slow / fast < ratio.value - 4
    assert sum(row.is_refuted for row in rows) == 3


def test_a_share_is_of_one_and_only_of_what_is_a_share() -> None:
    row = published("docbert", "LR", "Reuters", "test F1")
    assert row.share == pytest.approx(0.748)
    assert replace(row, unit="fraction", value=0.5).share == 0.5
    with pytest.raises(AssertionError, match="not a share"):
        _ = replace(row, unit="s").share


def test_a_wrong_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(KeyError, match=r"docbert \| LSTM \| Reuters \| test F1; near it: .*docbert \| LSTMreg"):
        published("docbert", "LSTM", "Reuters", "test F1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("system,value\nx,1\n", "the columns must be system,dataset"),
        (f"{HEADER}\nx,d,m,one,,%,table 1,p,\n", r"p\.csv:2: value or spread: .*'one'"),
        (f"{HEADER}\nx,d,m,1,?,%,table 1,p,\n", r"p\.csv:2: value or spread"),
        (f"{HEADER}\nx,d,m,1,,%,table 1\n", r"p\.csv:2: a row has 9 cells"),
        (f"{HEADER}\nx,d,m,1,,%,table 1,p,note, more\n", r"p\.csv:2: a row has 9 cells"),
        (f'{HEADER}\n"x,d,m,1,,%,table 1,p,\n', "cannot be read as CSV"),
        (b"\xff\xfe\x00", "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        read_papers(tmp_path)


def test_a_folder_without_papers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no published figures here"):
        read_papers(tmp_path)


def digits(value: float) -> int:
    """Significant digits."""
    return len(f"{value:.12g}".replace(".", "").strip("0"))


def typed_again(source: str, rows: list[Published]) -> set[float]:
    """Published shares that code spells out: as printed with three digits or more, in the other unit with four.

    With fewer digits they are too many to be told from a margin or a ratio.
    """
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    printed = {row.value: row.unit for row in rows if row.unit in {"%", "fraction"} and digits(row.value) > 2}
    other = {round(value / 100 if unit == "%" else value * 100, 6) for value, unit in printed.items()}
    figures = set(printed) | {value for value in other if digits(value) > 3}
    return {value for value in constants if isinstance(value, float)} & figures


def test_no_module_of_bench_types_a_published_figure(rows: list[Published]) -> None:
    paths = sorted((PROJECT_ROOT / "bench").rglob("*.py"))
    assert len(paths) > 40
    found = {path.name: typed_again(path.read_text(encoding="utf-8"), rows) for path in paths}
    assert not {name: values for name, values in found.items() if values}


@pytest.mark.parametrize("line", ["y = 94.04", "y = 0.9404", "axes.axhline(89.47)", "LIMITS = {'a': [0.9564]}"])
def test_the_rule_against_typing_can_fail(line: str, rows: list[Published]) -> None:
    assert typed_again(line, rows)


def test_plots_reach_the_published_figures_only_through_bench_papers() -> None:
    for path in sorted((PROJECT_ROOT / "bench" / "plots").glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert not imported & {"csv", "json", "tomllib", "pandas"}, path
        words = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [word for word in words if word.endswith(".csv") or "results/papers" in word], path
