"""The generated pages: they are as they would be written, have the anchors of others' links, and leave nothing out."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bench.accuracy.results import AccuracyRecord
from bench.cli import accuracy, cli, run
from bench.records.record import Record
from bench.report.sources import read_run
from bench.show import tables
from bench.studies.documents import __main__ as documents
from bench.studies.documents import results
from bench.studies.documents.asked import NOTED, STORE, command_line, told_by_records, typed
from bench.studies.documents.commands import OTHERS, PROGRAMS, walk
from bench.studies.documents.fields import documented, with_parts
from shared import spec
from shared.events import KINDS

ROOT = documents.DOCS.parent
LINK = re.compile(r"\]\((?P<page>results|reference)\.md#(?P<anchor>[^)\s]+)\)")
PARTS = [part for record in (Record, AccuracyRecord) for part in with_parts(record)]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: make() for name, make in documents.PAGES.items()}


def anchors(text: str) -> list[str]:
    """Of every heading, as the manual and code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return [re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next of its level or above."""
    level = heading.split(" ")[0]
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_pages_are_as_they_would_be_written(pages: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PAGES", {name: lambda text=text: text for name, text in pages.items()})
    outcome = CliRunner().invoke(documents.command, ["--check"])
    assert outcome.exit_code == 0, outcome.output


def test_check_names_the_page_that_differs_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCS", tmp_path)
    monkeypatch.setattr(documents, "PAGES", {"results.md": lambda: "new\n", "reference.md": lambda: "same\n"})
    (tmp_path / "results.md").write_text("old\n", encoding="utf-8")
    (tmp_path / "reference.md").write_text("same\n", encoding="utf-8")
    outcome = CliRunner().invoke(documents.command, ["--check"])
    assert outcome.exit_code == 1
    assert "results.md" in outcome.output and "reference.md" not in outcome.output
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == "old\n"
    assert CliRunner().invoke(documents.command, []).exit_code == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == "new\n"


def test_a_figure_of_a_record_that_changes_changes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured, docs = tmp_path / "measured", tmp_path / "docs"
    copy = measured / "quick-synthetic"
    shutil.copytree(documents.MEASURED / copy.name, copy)
    docs.mkdir()
    (docs / "results.md").write_text(results.page(measured), encoding="utf-8")
    monkeypatch.setattr(documents, "DOCS", docs)
    monkeypatch.setattr(documents, "MEASURED", measured)
    monkeypatch.setattr(documents, "PAGES", {"results.md": documents.PAGES["results.md"]})
    assert CliRunner().invoke(documents.command, ["--check"]).exit_code == 0
    for path in (copy / "records").glob("*-pt-*-r1-*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(record | {"throughput": record["throughput"] * 1.5}), encoding="utf-8")
    outcome = CliRunner().invoke(documents.command, ["--check"])
    assert outcome.exit_code == 1 and "results.md" in outcome.output


@pytest.mark.parametrize("name", ["quick-synthetic", "rvl-cdip-mini"])
def test_the_table_on_the_page_is_that_of_the_records(name: str) -> None:
    page = (documents.DOCS / "results.md").read_text(encoding="utf-8")
    assert tables.markdown(read_run(documents.MEASURED / name).records) in section(page, f"## {name}")


def test_anchors_exist_once(pages: dict[str, str]) -> None:
    found = Counter(anchors(pages["results.md"]))
    assert {name: found[name] for name in results.ORDER} == dict.fromkeys(results.ORDER, 1)


def test_links_of_other_pages_lead_somewhere(pages: dict[str, str]) -> None:
    others = [path for path in sorted(documents.DOCS.glob("*.md")) if path.name not in pages]
    links = [(path.name, link) for path in others for link in LINK.finditer(path.read_text(encoding="utf-8"))]
    assert links
    known = {name: set(anchors(text)) for name, text in pages.items()}
    assert not [(name, link[0]) for name, link in links if link["anchor"] not in known[f"{link['page']}.md"]]


def test_files_that_are_linked_exist(pages: dict[str, str]) -> None:
    for text in pages.values():
        paths = re.findall(r"\]\((\.\./[^)#]+)\)", text)
        assert not [path for path in paths if not (documents.DOCS / path).exists()]


def test_everything_measured_is_there(pages: dict[str, str]) -> None:
    missing = [
        path.name
        for path in documents.MEASURED.iterdir()
        if path.suffix != ".jsonl" and f"results/reference/{path.name}]" not in pages["results.md"]
    ]
    assert not missing


def test_an_unknown_document_has_a_heading_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "same-numbers.md").write_text("# Numbers\n\nPrinted by\n`python -m a.b\n--base c`.\n", encoding="utf-8")
    written = section(results.page(tmp_path), "## same-numbers")
    assert "Command: `python -m a.b --base c`" in written
    assert "\n### Numbers\n" in written


def test_a_ladder_that_broke_is_counted(tmp_path: Path) -> None:
    log = (
        "   0.0 s  equality ladder of x (full): making\n   1.0 s  ok     1 a\n   2.5 s  BROKEN 2 b\nx (full): BROKEN\n"
    )
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "x.txt").write_text(log, encoding="utf-8")
    assert "| `bench verify --workload x --preset full` | BROKEN | 1 | 1 | 2.5 | - |" in results.page(tmp_path)


@pytest.mark.parametrize("name", NOTED)
def test_noted_commands_agree_with_the_records(name: str) -> None:
    told = told_by_records(read_run(documents.MEASURED / name))
    for line in NOTED[name][0]:
        command = {"bench run": run.command, "bench accuracy": accuracy.command}.get(" ".join(line.split()[:2]))
        if command is not None:
            asked, _, _ = command.make_parser(click.Context(command)).parse_args(line.split()[2:])
            common = {key for key in asked if told.get(key) is not None} - {"data"}  # of which records have the name
            assert {"framework", "preset"} & common
            assert {key: typed(asked[key]) for key in common} == {key: typed(told[key]) for key in common}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"replicas": [1, 2], "repeats": 5, "attribute": True, "tune": False},
            "--gpus 1,2 --attribute --no-tune --repeats 5",
        ),
        ({"data": "/".join(["", "some", "store"]), "preset": "quick", "seed": 0}, "--preset quick --data STORE"),
        ({"in_turns": False, "epochs": 0}, "--epochs 0 --apart"),
    ],
)
def test_a_request_as_a_command_names_no_folder(settings: dict[str, Any], line: str) -> None:
    words = command_line(run.command, "bench run", settings).split(" ")
    assert sorted(words) == sorted(["bench", "run", *line.split(" ")])
    assert STORE not in line or STORE in words


def test_every_command_and_option_is_there(pages: dict[str, str]) -> None:
    for name, command in walk(cli, "bench"):
        written = section(pages["reference.md"], f"### {name}")
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert not [opt for option in options for opt in option.opts if f"`{opt}`" not in written]


def test_every_program_is_there(pages: dict[str, str]) -> None:
    written = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "bench" / "studies").rglob("*.py")
        if re.search(r"\n@click\.(command|group)", path.read_text(encoding="utf-8"))
    }
    assert written == set(PROGRAMS.values())
    assert all(section(pages["reference.md"], f"### python -m {name}") for name in (*PROGRAMS, *OTHERS))


@pytest.mark.parametrize("kind", [*PARTS, *KINDS.values()], ids=lambda kind: kind.__name__)
def test_every_field_is_there(pages: dict[str, str], kind: Any) -> None:
    is_event = kind not in PARTS
    written = section(pages["reference.md"], f"### {kind.event if is_event else kind.__name__}")
    names = [field.name for field in documented(kind)]
    if not is_event:
        assert names == list(kind.model_fields)
    assert not [name for name in names if f"| `{name}` |" not in written]


def test_comments_of_the_source_are_the_meaning_of_fields() -> None:
    fields = {field.name: field for field in documented(Record)}
    assert fields["log"].meaning == "path of the cell's log, relative to the run directory"
    assert fields["window_drift"].meaning.startswith("seconds per step in the window's first third over")
    assert fields["workload"].meaning == "name of the TOML file" and fields["workload"].group == "what was asked for"
    assert fields["turn_seconds"].type == "list of numbers"


def test_every_workload_and_setting_is_there(pages: dict[str, str]) -> None:
    for name in spec.workload_names():
        written = section(pages["reference.md"], f"### {name}")
        assert not [key for key in spec.sources(name) if f"| `{key}` |" not in written]
        assert all(f"| [{name}](#{name}) | `{preset}` |" in pages["reference.md"] for preset in spec.preset_names(name))
