"""The page: what it says of runs with known answers, in which order, and that it refers to nothing outside itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.accuracy.results import read_records as read_accuracy_records
from bench.accuracy.results import write_record as write_accuracy_record
from bench.attribution.gap import gaps, sentence
from bench.attribution.split import attribute
from bench.host.locations import PROJECT_ROOT
from bench.records.certificates import Certificate
from bench.records.record import Record
from bench.report import blocks, sources
from bench.report.markdown import markdown
from bench.report.mllog import mllog
from bench.report.page import chapters, html
from bench.report.pictures import inlined
from bench.report.sources import Run, log_end, read_runs
from shared import outside
from tests import golden
from tests.bench.attribution.records import attribution_records
from tests.bench.compare.records import make_record, write_run
from tests.bench.record_maker import LABELS, UNKNOWN, scored
from tests.bench.report.runs import SPEEDS, Element, Page, failed_record, make_run, records

REFERENCE = PROJECT_ROOT / "results/reference"
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
ReadPage = Callable[..., Element]


@pytest.fixture
def read_page() -> ReadPage:
    """The page of some runs, as a tree."""

    def read(*directories: Path) -> Element:
        return Page(html(chapters(read_runs(directories)))).root

    return read


def titles(page: Element) -> list[str]:
    return [each.text for each in page.all("h3")]


def paragraphs(page: Element, kind: str) -> list[str]:
    return [each.text for each in page.all("p") if each.attributes.get("class") == kind]


def notices(page: Element) -> list[str]:
    return [
        item.text for each in page.all("ul") if each.attributes.get("class") == "notices" for item in each.all("li")
    ]


def test_a_run_is_told_in_the_order_of_questions(read_page: ReadPage, tmp_path: Path) -> None:
    failed = failed_record("out of memory in step 3")
    page = read_page(make_run(tmp_path / "run", failed))
    assert titles(page) == [
        "Comparison", "Speedup and efficiency", "Time", "Scores", "What each side really used", "Memory and energy",
        "Monitors", "Cells", "Certificates", "Environment",
    ]  # fmt: skip
    assert [each.text for each in page.all("h1")] == [
        "PyTorch 2.13.0 and TensorFlow 2.21.0, effnet-b0 quick, 1, 2 and 4 CPU replicas"
    ]
    rows = {(row["framework"], row["replicas"]): row for row in page.find("comparison").rows}
    assert rows["TensorFlow", "1"]["over the first column"].startswith("0.80 [0.80, 0.80]")
    assert rows["TensorFlow", "2"]["over the first column"].startswith("0.67 [0.67, 0.67]")
    assert rows["PyTorch", "1"]["samples/s"].startswith("100.00 [")
    assert rows["TensorFlow", "4"]["status"] == "oom"
    bars = [each for each in page.all("p") if each.attributes.get("class", "").startswith("bar ")]
    assert [each.all("i")[0].attributes["style"] for each in bars[:2]] == ["width:100.0%", "width:80.0%"]
    assert [each.all("b")[0].text for each in bars[:2]] == ["1", "0.80 [0.80, 0.80]"], "the verdict's own ratio"
    speedups = {(row["framework"], row["replicas"]): row for row in page.find("speedup").rows}
    assert speedups["PyTorch", "2"]["speedup"].startswith("1.80 [")
    assert speedups["PyTorch", "2"]["efficiency"].startswith("0.90 [")
    (hours,) = {row["projected hours"].split()[0] for row in page.find("time").rows if row["framework"] == "PyTorch"
                and row["replicas"] == "1"}  # fmt: skip
    assert float(hours) == pytest.approx(20 * 320_000 / 100 / 3600, abs=0.1)
    assert page.find("cells").rows[-1]["reason"] == "out of memory in step 3"
    first = page.all("details")[1]  # behind the settings that are equal
    assert "oom: out of memory in step 3" in first.text, "the failed cell's details come first"
    assert "the log of" in first.text
    golden.check("report-notices", "\n".join(notices(page)))


def test_what_limits_the_figures_is_said_at_the_top(read_page: ReadPage, tmp_path: Path) -> None:
    found = records(repeats=1, certificate="unverified", oversubscribed=True, settings={"tf32": None})
    unequal = [each.model_copy(update={"settings": each.settings | {"padding": each.framework}}) for each in found]
    golden.check("report-limits", "\n".join(notices(read_page(write_run(tmp_path / "run", *unequal)))))


def test_nothing_from_records_logs_or_environment_is_markup(read_page: ReadPage, tmp_path: Path) -> None:
    failed = failed_record(EVIL, settings={EVIL: EVIL}, data_name=EVIL, device_name=EVIL)
    run = make_run(tmp_path / "run", failed, data_name=EVIL, device_name=EVIL, repeats=1)
    (run / f"cells/{failed.cell_id}/log.txt").write_text(f"\x1b[31mred\x1b[0m </pre>{EVIL}\x07")
    (run / "environment.json").write_text('{"cpu": "<script>alert(2)</script>"}')
    text = html(chapters(read_runs([run])))
    page = Page(text).root
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert not [name for each in page.all() for name in each.attributes if name.startswith("on")]
    assert EVIL in page.find("cells").text
    (log,) = [each.text for each in page.all("pre") if "red" in each.text]
    assert log == f"red </pre>{EVIL}"


def test_the_page_refers_to_nothing_outside_itself_and_no_id_is_twice(read_page: ReadPage, tmp_path: Path) -> None:
    first, second = (make_run(tmp_path / name, repeats=1) for name in "ab")
    text = html(chapters(read_runs([first, second])))
    page = Page(text).root
    identities = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(identities) == len(set(identities))
    for element in page.all():
        for name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster"):
            target = element.attributes.get(name, "#")
            assert target.startswith("#") and (target == "#" or target[1:] in identities), (element.tag, target)
    assert page.all("link", "iframe", "object", "embed", "base") == []
    assert not re.search(r"@import|url\((?!#)", text)
    assert "://" not in text
    (policy,) = [each.attributes["content"] for each in page.all("meta") if "http-equiv" in each.attributes]
    assert policy.startswith("default-src 'none'")
    assert len(page.all("svg")) == 2 * 4
    references = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    assert references <= set(identities)


def test_every_table_and_figure_can_be_read_aloud(read_page: ReadPage, tmp_path: Path) -> None:
    page = read_page(make_run(tmp_path / "run", repeats=1))
    for table in page.all("table"):
        assert table.all("caption")[0].text
        heads = table.all("th")
        assert {each.attributes["scope"] for each in heads} <= {"col", "row"}
        assert all(row.all("th", "td")[0].tag == "th" for row in table.all("tr")), "a row has a name"
    assert all(each.attributes["role"] == "img" and each.attributes["aria-label"] for each in page.all("figure"))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert any(each.attributes.get("name") == "viewport" for each in page.all("meta"))


def test_runs_are_compared_where_they_may_be(read_page: ReadPage, tmp_path: Path) -> None:
    slower = {place: 0.5 * speed for place, speed in {("pt", 1): 100.0, ("tf", 1): 80.0}.items()}
    base, half = make_run(tmp_path / "base"), make_run(tmp_path / "half", speeds=slower)
    other = write_run(tmp_path / "other", *records(repeats=1, speeds=slower, spec_hash="def"))
    page = read_page(base, half, other)
    assert titles(page)[0] == "Run against run"
    golden.check("report-run-against-run", markdown(chapters(read_runs([base, half, other]))[:1]), tmp_path)
    assert [each.text.partition(":")[0] for each in page.all("p") if each.text.startswith("Run ")] == [
        "Run base", "Run half", "Run other"
    ]  # fmt: skip


def test_an_attribution_has_its_sentences_figure_and_tables(read_page: ReadPage, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *attribution_records())
    page = read_page(run)
    assert "Where the time goes" in titles(page)
    section = page.find("attribution-section")
    gap, *_ = gaps(attribute(attribution_records()))
    assert sentence(gap) in section.text
    assert len(section.all("svg")) == 1
    parts = {row["ms per step"]: row for row in page.find("attribution-0").rows}
    assert parts["optimizer"]["PyTorch, 1 replica"].startswith("4.0 [")
    heads = page.find("attribution-0").all("th")
    assert [each.attributes.get("class") for each in heads[:2]] == [None, "number"]
    golden.check("report-attribution-notices", "\n".join(notices(page)))
    (answer,), (lead,) = paragraphs(page, "answer"), paragraphs(page, "lead")
    assert answer.startswith(sentence(gap))
    assert "input: disk" in lead, "the cells that the tables are of, not the first file's"


def test_a_certificate_is_shown_with_its_rungs_where_it_is_kept(
    read_page: ReadPage, tmp_path: Path, results: Path
) -> None:
    rung = {"rung": 3, "name": "forward", "what": "logits", "figure": 2.4e-14, "tolerance": 1e-12, "passed": True}
    kept = Certificate(id="c0ffee", computation_hash="c", code_hash="d", versions={"torch": "2.13.0"}, passed=True,
                       created="2026-01-01", rungs=[rung])  # fmt: skip
    (results / "certificates").mkdir(parents=True)
    (results / "certificates/one.json").write_text(kept.model_dump_json())
    (results / "certificates/damaged.json").write_text("{")
    found = [each.model_copy(update={"certificate_id": "c0ffee"}) for each in records(repeats=1)]
    lost = found[0].model_copy(update={"certificate_id": "dead"})
    page = read_page(write_run(tmp_path / "run", lost, *found[1:]))
    (row,) = page.find("certificate-c0ffee").rows
    assert (row["figure"], row["tolerance"], row["outcome"]) == ("2.4e-14", "1e-12", "passed")
    assert "dead: not kept on this machine" in page.find("certificates-section").text


def test_a_log_is_cut_and_only_the_runs_own_files_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOG_BYTES", 1024)
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "secret").write_text("secret")
    (run / "log").write_text("".join(f"line {n}\n" for n in range(1000)))
    (run / "link").symlink_to(tmp_path / "secret")
    end = log_end(run, "log")
    assert end is not None
    assert end.startswith("[the last 1 of 8 KiB]\nline ")
    assert end.endswith("line 999\n")
    (run / "ring").symlink_to(run / "ring")
    names = ("../secret", str(tmp_path / "secret"), "link", "nowhere", ".", "log\0", "ring", "x" * 5000)
    for name in names:
        assert log_end(run, name) is None


def test_a_log_that_may_not_be_read_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(outside.os, "open", refuse)
    assert log_end(tmp_path, "log") is None


def test_a_run_that_came_no_further_than_stage_1_is_reported(read_page: ReadPage, tmp_path: Path) -> None:
    first, *_ = read_accuracy_records(REFERENCE / "accuracy-synthetic")
    own = {"stage": "pretrain", "split": None, "status": "crash", "reason": "the disk is full"}
    write_accuracy_record(tmp_path / "run", first.model_copy(update=own))
    page = read_page(tmp_path / "run")
    assert page.all("svg") == []
    assert "Accuracy on each class" not in titles(page)
    assert "Nothing but stage 1 was run" in page.find("accuracy-section").text
    assert page.find("cells").rows[0]["reason"] == "the disk is full"


def test_an_inlined_figure_keeps_its_references_and_loses_what_is_the_pages() -> None:
    file = (
        '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x"\n "http://x">\n<svg xmlns:xlink="http://y" width="252pt" '
        'height="195.3pt" viewBox="0 0 252 195.3" xmlns="http://z"><metadata>http://m</metadata><style>*{}</style>'
        '<!-- a --><g id="a" clip-path="url(#b)"><use xlink:href="#a"/>'
        '<clipPath id="b"/><g id="nobody"/></g></svg>'
    )
    assert inlined(file, "p") == (
        '<svg viewBox="0 0 252 195.3" aria-hidden="true"><g id="p-a" clip-path="url(#p-b)"><use xlink:href="#p-a"/>'
        '<clipPath id="p-b"/><g/></g></svg>'
    )


def test_a_page_that_was_turned_dark_is_printed_light() -> None:
    style = (PROJECT_ROOT / "bench/report/page.css").read_text()
    screen, printed = style.split("@media print")
    assert ':root[data-theme="dark"] { color-scheme: dark; }' in screen
    assert ":root, :root[data-theme] { color-scheme: light; }" in printed, "as specific, and later: it wins"


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_ink_stands_out_from_every_ground(theme: int) -> None:
    style = (PROJECT_ROOT / "bench/report/page.css").read_text()
    colours = {name: pair[theme] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", style)}
    for ink in ("ink", "quiet", "link", "good", "warn", "bad"):
        for ground in ("ground", "sheet", "stripe"):
            darker, lighter = sorted((luminance(colours[ink]), luminance(colours[ground])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)


@pytest.mark.parametrize(
    ("name", "table", "rows"),
    [("quick-synthetic", "comparison", 4), ("bert-6l-synthetic", "comparison", 6), ("rvl-cdip-mini", "comparison", 6),
     ("accuracy-synthetic", "accuracy", 10)],
)  # fmt: skip
def test_reference_runs_of_older_schemas_are_reported(read_page: ReadPage, name: str, table: str, rows: int) -> None:
    page = read_page(REFERENCE / name)
    assert len(page.find(table).rows) == rows
    assert page.all("h1")[0].text.startswith("PyTorch")
    assert f"Run {name}:" in paragraphs(page, "lead")[0]


def many_records(count: int, groups: int) -> list[Record]:
    """So many records of both frameworks at 1 and 2 replicas, spread over some workloads."""
    made = []
    for place in range(count):
        framework, replicas = list(SPEEDS)[place % 4]
        group, repeat = place // 4 % groups, place // 4 // groups
        record = make_record(framework, replicas, repeat, throughput=SPEEDS[framework, replicas] + repeat % 7)
        own = {"workload": f"w{group}", "spec_hash": f"{group:016x}", "cell_id": f"w{group}-{record.cell_id}-{place}"}
        made.append(record.model_copy(update=own if groups > 1 else {"cell_id": f"{record.cell_id}-{place}"}))
    return made


@pytest.mark.parametrize("groups", [1, 50])
def test_a_page_of_thousands_of_cells_can_still_be_mailed(
    groups: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []

    def draw(*arguments: object) -> blocks.Picture:
        drawn.append(arguments)
        return blocks.Picture("<svg></svg>", "label")

    monkeypatch.setattr("bench.report.drawn.picture", draw)
    run = Run("run", tmp_path, None, tuple(many_records(1000, groups)))
    text = html(chapters([run]))
    assert len(text.encode()) < 4_000_000 / 3, "of 3,000: 4 MB"
    page = Page(text).root
    assert len(page.find("cells").rows) == 1000, "every cell is a row"
    assert 0 < len(drawn) <= 5 * 4
    assert len(page.all("pre")) + text.count("No log:") <= 50
    if groups > 1:
        assert len(page.find("comparison-all").rows) == 4 * groups
        assert "46 more groups of comparable cells" in " ".join(page.find("comparison-section").text.split())
        assert "further groups of cells below" in paragraphs(page, "answer")[0]


def test_what_a_table_is_asked_for_at_every_cell_is_worked_out_once() -> None:
    asked: list[int] = []

    class Watched(blocks.Cell):
        def __getattribute__(self, name: str) -> object:
            if name == "order":
                asked.append(1)
            return super().__getattribute__(name)

    found = blocks.table("t", "c", [{"a": Watched(str(n), float(n)), "b": Watched("x")} for n in range(200)])
    for _ in range(50):
        assert found.numeric == (True, False)
    assert len(asked) <= 2 * 200, "columns are looked at once, not once per cell"


def test_scores_of_every_stage_and_metric_are_in_the_table(read_page: ReadPage, tmp_path: Path) -> None:
    both = {
        "train": {"test": {"f1": 0.75, "accuracy": 0.5}},
        "finetune": {"test": {"f1": 0.875, "accuracy": 0.625}},
    }
    page = read_page(make_run(tmp_path / "run", repeats=1, scores=both, **LABELS))
    row = page.find("scores").rows[0]
    told = {heading: text for heading, text in row.items() if heading.endswith(" test")}
    assert told == {
        "F1 (micro) test": "0.750", "accuracy (all labels) test": "0.500",
        "second stage F1 (micro) test": "0.875", "second stage accuracy (all labels) test": "0.625",
    }  # fmt: skip


def test_a_run_of_an_unknown_task_is_shown_by_its_names(read_page: ReadPage, tmp_path: Path) -> None:
    changes = {"scores": scored("syllables", test=17.0), "unit": "poem", "sample": "17 syllables", **UNKNOWN}
    run = make_run(tmp_path / "run", repeats=1, **changes)
    page = read_page(run)
    assert page.find("scores").rows[0]["syllables test"] == "17.000"
    labels = [each.attributes["aria-label"] for each in page.all("figure")]
    assert any(label.startswith("Syllables on each split") for label in labels)
    assert any("Synthetic poems" in each for each in notices(page))
    assert "17 syllables" in page.text
    assert "projected hours" not in page.find("time").rows[0], "the published job is one of pages"
    (found, *_) = read_runs([run])
    assert '"eval_syllables"' in mllog([found]).decode()
