"""What a gate writes, parsed back; and its page for a pull request."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.gate.outputs import bencher, check_writable, github_action_benchmark, junit, write_outputs
from bench.gate.result import BenchmarkResult, GateResult, PairResult, SideResult
from bench.gate.rule import guarantee
from bench.gate.show import markdown, notes, print_result, stalls
from bench.terminal.printable import markdown_text
from shared.errors import UserError
from tests import golden


def make_result(*outcomes: str, typical: float = 0.91) -> GateResult:
    pair = PairResult(
        log_ratio=-0.1,
        typical_log_ratio=math.log(typical),
        base_throughput=100.0,
        head_throughput=90.0,
        turns=6,
        head_first=False,
        seconds=10.0,
    )
    benchmarks = []
    for number, outcome in enumerate(outcomes):
        known = outcome != "error"
        benchmarks.append(
            BenchmarkResult(
                name=f"bench-{number}",
                outcome=outcome,  # type: ignore[arg-type]
                reason=None if known else "head failed: oom <more> than & there is (log: x.log)",
                ratio=0.9 if known else None,
                low=0.88 if known else None,
                high=0.92 if known else None,
                level=0.9922 if known else None,
                smallest=0.05 if known else None,
                typical=typical if known else None,
                gap_low=0.9 / typical - 0.01 if known else None,
                gap_high=0.9 / typical + 0.01 if known else None,
                base_throughput=100.0 if known else None,
                head_throughput=90.0 if known else None,
                pairs=[pair] * 7 if known else [],
                seconds=70.0,
            )
        )
    base = SideResult(name="main", label="main (0123456789)", commit="0" * 40, dirty=False, python=None)
    head = SideResult(name=".", label="abc, dirty", commit="a" * 40, dirty=True, python=None)
    return GateResult(
        base=base, head=head, threshold=0.03, guarantee=guarantee(0.03, len(benchmarks)), machine="m",
        device_name="a | machine", started="2026-01-01T00:00:00+00:00", seconds=140.0, benchmarks=benchmarks,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [(["pass"], 0), (["undecided", "pass"], 0), (["pass", "regression"], 1), (["regression", "error"], 2)],
)
def test_exit_codes(outcomes: list[str], code: int) -> None:
    assert make_result(*outcomes).exit_code == code


def test_junit_has_a_case_a_benchmark() -> None:
    root = ElementTree.fromstring(junit(make_result("pass", "regression", "error")).encode())
    (suite,) = root.findall("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3", "failures": "1", "errors": "1",
    }  # fmt: skip
    passed, slower, broken = suite.findall("testcase")
    assert passed.find("failure") is None
    assert passed.find("error") is None
    assert "0.900" in str(slower.find("failure").get("message"))  # type: ignore[union-attr]
    assert "<more> than &" in str(broken.find("error").get("message"))  # type: ignore[union-attr]


def test_github_action_benchmark_reads_custom_bigger_is_better() -> None:
    entries = json.loads(github_action_benchmark(make_result("pass", "error")))
    assert len(entries) == 1
    assert entries[0]["name"] == "bench-0"
    assert entries[0]["unit"] == "samples/s"
    assert entries[0]["value"] == 90.0
    assert entries[0]["range"] == "± 2"
    assert set(entries[0]) <= {"name", "unit", "value", "range", "extra"}
    assert all(isinstance(entries[0][name], str) for name in ("name", "unit", "range", "extra"))


def test_bencher_metric_format() -> None:
    content = json.loads(bencher(make_result("regression", "error")))
    assert set(content) == {"bench-0"}
    assert content["bench-0"]["ratio-to-base"] == {"value": 0.9, "lower_value": 0.88, "upper_value": 0.92}
    throughput = content["bench-0"]["throughput"]
    assert throughput["lower_value"] <= throughput["value"] <= throughput["upper_value"]


def test_the_pages_for_a_terminal_and_a_pull_request(capsys: pytest.CaptureFixture[str]) -> None:
    result = make_result("regression", "undecided", "error")
    print_result(result)
    golden.check("gate", capsys.readouterr().out)
    golden.check("gate-markdown", markdown(result))


def test_files_are_written_and_the_result_reads_back(tmp_path: Path) -> None:
    result = make_result("pass")
    files: dict[str, Path | None] = {kind: tmp_path / kind for kind in ("markdown", "junit", "json", "tracker")}
    written, unwritten = write_outputs(result, files, "bencher")
    assert len(written) == 4
    assert not unwritten
    assert GateResult.model_validate_json((tmp_path / "json").read_text()) == result
    assert "bench-0" in json.loads((tmp_path / "tracker").read_text())
    with pytest.raises(UserError, match=r"--junit .*: no file can be written there"):
        check_writable({"junit": tmp_path / "nowhere" / "x.xml"})


def test_stalls_and_disturbances_are_said_everywhere() -> None:
    result = make_result("intermittent", "pass", typical=0.99)
    assert result.exit_code == 1
    assert result.headline == "intermittent: bench-0"
    golden.check("gate-stalls", markdown(result))
    told = stalls(result.benchmarks[0], result.threshold)
    assert told is not None
    suite = ElementTree.fromstring(junit(result))
    assert suite.get("failures") == "1"
    assert told in str(suite.find(".//failure").get("message"))  # type: ignore[union-attr]

    (one,) = make_result("pass", typical=0.80).benchmarks
    assert stalls(one, 0.03) == told.replace("0.990", "0.800").replace("the head's", "the base's")
    assert stalls(make_result("pass").benchmarks[0], 0.03) is None

    (one,) = make_result("pass").benchmarks
    pairs = [
        pair.model_copy(update={"disturbances": [f"head: other processes kept {number}.0 cores busy"]})
        for number, pair in enumerate(one.pairs[:5])
    ]
    noisy = one.model_copy(update={"pairs": [*pairs, *one.pairs[5:]], "apart": True})
    golden.check("gate-disturbed", markdown(result.model_copy(update={"benchmarks": [noisy]})))


def test_a_file_that_cannot_be_written_keeps_no_other_from_it(tmp_path: Path) -> None:
    gone = tmp_path / "gone"  # it was there before the measurement
    files: dict[str, Path | None] = {"markdown": gone / "x.md", "junit": None, "json": tmp_path / "gate.json"}
    written, unwritten = write_outputs(make_result("pass"), files, "bencher")
    assert written == [tmp_path / "gate.json"]
    assert unwritten == [f"--markdown {gone}/x.md: cannot be written (No such file or directory)"]
    result = make_result("regression").model_copy(update={"unwritten": unwritten})
    assert result.exit_code == 2
    assert notes(result)[-1] == unwritten[0]
    assert f"- {markdown_text(unwritten[0])}" in markdown(result).splitlines()


def test_what_is_no_file_to_be_written_is_refused_before(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "closed").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real.json")
    for kind, path in (("json", "pipe"), ("junit", "closed")):
        with pytest.raises(UserError, match=f"--{kind} .*it is something else"):
            check_writable({kind: tmp_path / path})
    with pytest.raises(UserError, match=r"--json /proc/x: no file can be written there"):
        check_writable({"json": Path("/proc/x")})
    with pytest.raises(UserError, match="the file of --json, too"):
        check_writable({"json": tmp_path / "real.json", "markdown": tmp_path / "link"})
    files: dict[str, Path | None] = {"json": tmp_path / "link"}
    check_writable(files)
    write_outputs(make_result("pass"), files, "bencher")
    assert (tmp_path / "link").is_symlink()  # what it leads to was written
    assert (tmp_path / "real.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "link", "pipe", "real.json"]
