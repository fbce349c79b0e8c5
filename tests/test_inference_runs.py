"""`bench run --mode infer` from the command line to its records, in both frameworks, and ONNX Runtime's checks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.records.record import Record, read_records
from shared import onnx_runtime
from shared.errors import UserError
from shared.events import EventWriter
from tests import tiny

ROOT = Path(__file__).resolve().parents[1]


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`bench` with results of its own."""
    environment = os.environ | {"TWINBENCH_RESULTS": str(folder / "results"), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "bench", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1200)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_inference_of_the_smallest_workload(tmp_path: Path) -> None:
    for module in ("torch", "tensorflow", "onnxruntime", "onnxscript"):
        pytest.importorskip(module)
    asked = ["--workload", "bert-6l", "--preset", "quick", "--device", "cpu", "--gpus", "1", "--batches", "4,1"]
    more = ["--steps", "6", "--runtime", "framework,onnx", "--out", "run"]
    done = bench(tmp_path, "run", "--mode", "infer", *asked, *more)
    assert done.returncode == 1, "TensorFlow has no export, which is a row: " + done.stderr[-2000:]
    records = {record.column: record for record in read_records([tmp_path / "run"])}
    assert set(records) == {"pt", "tf", "pt+onnx", "tf+onnx"}
    failed = records.pop("tf+onnx")
    assert failed.status == "crash"
    assert (failed.reason or "").startswith("the export to ONNX failed: ")
    for record in records.values():
        check(record)
    assert records["pt+onnx"].settings["onnx.logits_difference"] < 1e-4
    assert "p50 ms" in done.stdout
    assert "speedup" not in done.stdout
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == {"latency.png", "latency.svg"}
    assert "end to end p50 ms" in (tmp_path / "run" / "summary.md").read_text()
    again = bench(tmp_path, "run", "--resume", "run", "--dry-run")
    assert again.stdout.count("finished") == 3
    page = bench(tmp_path, "report", "run", "--markdown", "report.md")
    assert page.returncode == 0, page.stderr
    assert "Latency and throughput of every cell" in (tmp_path / "report.md").read_text()


def check(record: Record) -> None:
    """What every good record of an inference has."""
    assert (record.status, record.mode, record.schema_version, record.throughput) == ("ok", "infer", 5, None)
    assert [each.batch for each in record.inference] == [1, 4]
    for each in record.inference:
        assert each.calls == 6
        assert each.widths == [128]
        figures = (each.p50_ms, each.p95_ms, each.p99_ms, each.first_ms, each.samples_per_second, each.prepare_ms)
        assert all(figure is not None and figure > 0 for figure in figures), each
        assert (each.whole_p50_ms or 0) > (each.prepare_ms or 0)
        assert (each.rss_peak or 0) > 1 << 26
    assert (record.time_to_first_step or 0) > 0
    assert record.usage is not None
    assert record.usage.window_seconds is not None, "the monitors saw the calls"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batches", "1"], "--batches: sizes of requests; say --mode infer"),
        (["--runtime", "onnx"], "--runtime onnx answers requests and trains nothing"),
        (["--mode", "infer", "--epochs", "1"], "--mode infer has no use for --epochs"),
        (["--mode", "infer", "--batch", "4"], "name the sizes of requests with --batches"),
        (["--mode", "infer", "--input", "device"], "use --input memory"),
        (["--mode", "infer", "--attribute"], "--mode infer has no use for --attribute"),
        (["--mode", "infer", "--runtime", "onnx", "--precision", "bf16"], "computes in fp32"),
        (["--mode", "infer", "--batches", "1,many"], "many"),
        (["--mode", "infer", "--runtime", "tflite"], "'tflite' is none of framework, onnx"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    done = bench(tmp_path, "run", "--workload", "bert-6l", "--preset", "quick", "--dry-run", *words)
    assert done.returncode == 2
    assert said in done.stderr.strip().splitlines()[-1]


@dataclass
class Exporting:
    """A wing whose export is a sum of a batch's rows, times what the network itself multiplies with."""

    factor: float

    def exported(self, examples: Any, path: str) -> tuple[str, ...]:
        import onnx
        from onnx import TensorProto, helper

        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
        node = helper.make_node("ReduceSum", ["fields", "axes"], ["logits"], keepdims=1)
        inputs = [helper.make_tensor_value_info("fields", TensorProto.FLOAT, [None, 3])]
        outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 1])]
        graph = helper.make_graph([node], "sum", inputs, outputs, [axes])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(made, path)
        return ("labels", "fields")

    def infer(self, host: Any) -> np.ndarray:
        return np.asarray(self.factor * host[1].sum(1, keepdims=True), np.float32)

    def answers(self, logits: np.ndarray) -> list[np.ndarray]:
        return [logits]


def test_logits_are_compared_before_anything_is_timed(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    cell = replace(tiny.make_cell(tmp_path, tmp_path, epochs=0), mode="infer", batches=(1,), runtime="onnx")
    emit = EventWriter(cell.events_path(0), 0)
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    examples = [(np.zeros(count), rows[:count]) for count in (1, 4)]
    runtime = onnx_runtime.exported(cell, Exporting(1.0), examples, emit)  # type: ignore[arg-type]
    assert runtime.answers(runtime.infer(examples[1]))[0] == pytest.approx(rows.sum(1, keepdims=True), rel=1e-5)
    assert not list(tmp_path.glob("model.onnx*")), "the file goes once it is loaded"
    for factor in (1.01, float("nan")):
        with pytest.raises(UserError, match="ONNX Runtime's logits differ from the framework's by") as raised:
            onnx_runtime.exported(cell, Exporting(factor), examples, emit)  # type: ignore[arg-type]
        assert "nothing was timed" in str(raised.value)
