"""benchmarks/speed.py: a quick run over a tiny model, whole; what it counts as work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import numpy as np  # noqa: E402

from commands import run  # noqa: E402
from engine_speed import macs_per_token, traffic  # noqa: E402
from limits import Limits, Traffic  # noqa: E402
from llmzip.exact.shape import ModelShape  # noqa: E402

SHAPE = ModelShape(
    n_layers=2,
    d_model=8,
    n_heads=4,
    n_kv_heads=2,
    d_head=2,
    d_ff=16,
    vocab_size=100,
    n_positions=32,
    eps=1e-5,
    gated=True,
    rotary=True,
)


@pytest.mark.slow
def test_a_quick_run_over_a_tiny_model(tiny_llama_folder: Path, tmp_path: Path) -> None:
    out, plots = tmp_path / "out.json", tmp_path / "plots"
    options = ["--quick", "--threads", "1", "--device", "cpu", "--model", str(tiny_llama_folder)]
    command = [sys.executable, str(BENCHMARKS / "speed.py"), *options]
    result = subprocess.run(
        [*command, "--json", str(out), "--plots", str(plots)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    sections = {figure["section"] for figure in report["figures"]}
    assert sections == {
        "limits",
        "peers",
        "exact engine",
        "GPT-2, random, 1 layers",
        "whole file",
        "commands",
        "sizes",
    }
    assert all(figure["value"] > 0 for figure in report["figures"])
    decode = [f for f in report["figures"] if f["name"].startswith("decode")]
    assert [f["name"] for f in decode] == ["decode, 1 lane", "decode, 8 lanes"] * 2
    assert all(f["of_limit"] > 0 for f in decode)
    assert all(f["vs_transformers"] > 0 for f in decode if f["section"] == "exact engine")
    assert set(report["absent"]) <= {"llama.cpp"}
    assert sorted(path.name for path in plots.iterdir()) == [
        "roofline.png",
        "time-against-size.png",
    ]


def test_multiply_adds_are_those_of_the_model() -> None:
    linears = 8 * 16 + 8 * 8 + 8 * 32 + 16 * 8  # qkv, out, gate and up, down
    assert macs_per_token(SHAPE, 0) == 2 * linears + 8 * 100
    assert macs_per_token(SHAPE, 10) == macs_per_token(SHAPE, 0) + 2 * (2 * 8 * 10)


def test_a_step_reads_the_weights_once_and_each_lane_s_cache() -> None:
    work = traffic(SHAPE, 10)
    assert work.weight_bytes == macs_per_token(SHAPE, 0)
    assert work.lane_bytes == 2 * 2 * 2 * 2 * 10
    assert work.step_bytes(3) == work.weight_bytes + 3 * work.lane_bytes


@pytest.mark.parametrize(("n_lanes", "expected"), [(1, 10.0), (20, 100.0)])
def test_the_limit_is_the_lower_of_memory_and_arithmetic(n_lanes: int, expected: float) -> None:
    limits = Limits(int8_macs_per_s=1e5, bytes_per_s=1e4, backend="", gemms=[])
    assert limits.tokens_per_s(1e3, n_lanes, Traffic(1000, 0.0)) == pytest.approx(expected)


def test_a_command_s_memory_is_its_own_and_not_that_of_this_process() -> None:
    ours = np.ones(300_000_000, dtype=np.uint8)
    assert 1e6 < run([sys.executable, "-c", "pass"]).peak_bytes < 1e8 < ours.nbytes


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run([sys.executable, "-c", "raise SystemExit(2)"])
