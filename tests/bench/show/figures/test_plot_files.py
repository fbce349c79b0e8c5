"""The files that figures become, and `bench plot` on the command line."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from bench.accuracy.figures import plot_accuracy
from bench.accuracy.results import read_records as read_accuracy_records
from bench.cli.plot import command
from bench.host.locations import PROJECT_ROOT
from bench.records.record import write_record
from bench.run.figures import plot_records, plot_run
from shared.errors import UserError
from tests.bench.record_maker import TEXT

NAMES = ("speedup", "throughput", "training-time", "scores")


def write_run(directory: Path, records) -> Path:
    for record in records:
        write_record(directory, record)
    return directory


def test_a_run_gets_its_figures_in_both_formats(run_records, tmp_path: Path) -> None:
    paths = plot_run(write_run(tmp_path, run_records))
    assert sorted(paths) == sorted(
        tmp_path / "figures" / f"{name}.{suffix}" for name in NAMES for suffix in ("png", "svg")
    )
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.width == 1050  # 3.5 inches at 300 dots an inch
                assert len(set(image.convert("L").tobytes())) > 20
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_equal_records_give_equal_bytes(run_records, tmp_path: Path) -> None:
    first, second = (plot_records(run_records, tmp_path / name, ["svg"]) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_groups_that_do_not_compare_get_files_of_their_own(run_records, make_record, tmp_path: Path) -> None:
    paths = plot_records([*run_records, make_record("pt", 1, 10.0, precision="bf16")], tmp_path, ["svg"])
    names = [path.name for path in paths if path.name.startswith("speedup")]
    assert len(names) == 2
    assert sum("-fp32-" in name for name in names) == sum("-bf16-" in name for name in names) == 1


def test_a_run_without_epochs_has_no_figure_of_scores(make_record, tmp_path: Path) -> None:
    paths = plot_records([make_record("pt", 1, 10.0, epochs=0, scores={})], tmp_path, ["svg"])
    assert [path.stem for path in paths] == ["speedup", "throughput", "training-time"]


def test_a_run_of_texts_has_no_projection_of_the_published_pages(make_record, tmp_path: Path) -> None:
    text = TEXT | {"tokens_per_second": 900.0}
    paths = plot_records([make_record("pt", count, 10.0 * count, **text) for count in (1, 2)], tmp_path, ["svg"])
    assert [path.stem for path in paths] == ["speedup", "throughput", "scores"]
    for path in paths[:2]:
        drawn = path.read_text(encoding="utf-8")
        assert " px" not in drawn


def test_a_name_with_dollar_signs_is_no_formula(make_record, tmp_path: Path) -> None:
    name = r"$\nothing{$"  # as a formula an error
    paths = plot_records([make_record("pt", 1, 10.0, data_name=name)], tmp_path, ["svg"])
    assert all(f"data: {name}" in path.read_text(encoding="utf-8") for path in paths)


def test_stage_1_alone_is_no_accuracy_over_splits(tmp_path: Path) -> None:
    first, *_ = read_accuracy_records(PROJECT_ROOT / "results/reference/accuracy-synthetic")
    pretrained = first.model_copy(update={"stage": "pretrain", "split": None})
    with pytest.raises(UserError, match="no record over splits"):
        plot_accuracy([pretrained], tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_no_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no records"):
        plot_records([], tmp_path)
    with pytest.raises(UserError, match="no records here"):
        plot_run(tmp_path / "absent")


def test_an_unreadable_record_is_an_error_that_names_it(run_records, tmp_path: Path) -> None:
    write_run(tmp_path, run_records)
    (tmp_path / "records" / "bad.json").write_text('{"schema_version": 1', encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.json"):
        plot_run(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(run_records, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="file"):
        plot_records(run_records, tmp_path / "file" / "figures")


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(run_records, tmp_path: Path) -> None:
    (tmp_path / "speedup.svg").mkdir()
    with pytest.raises(UserError, match=r"speedup\.svg: cannot be written"):
        plot_records(run_records, tmp_path, ["svg"])


def test_the_command_prints_the_files_it_wrote(run_records, tmp_path: Path) -> None:
    write_run(tmp_path, run_records)
    result = CliRunner().invoke(command, [str(tmp_path), "--format", "svg"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.splitlines() == [str(tmp_path / "figures" / f"{name}.svg") for name in NAMES]


def test_two_runs_share_figures_where_the_user_says(run_records, make_record, tmp_path: Path) -> None:
    write_run(tmp_path / "a", run_records)
    write_run(tmp_path / "b", [make_record("pt", 1, 10.0, run_id="other")])
    runner, runs = CliRunner(), [str(tmp_path / "a"), str(tmp_path / "b")]
    assert isinstance(runner.invoke(command, runs).exception, UserError)
    result = runner.invoke(command, [*runs, "--out", str(tmp_path / "out"), "--format", "svg"], catch_exceptions=False)
    assert result.exit_code == 0
    assert (tmp_path / "out" / "speedup.svg").is_file()


def test_an_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path), "--format", "gif"])
    assert result.exit_code == 2
    assert "'gif' is none of png, svg" in result.output
