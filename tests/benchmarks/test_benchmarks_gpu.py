"""scripts/gpu: its time, its stages in processes of their own, its limits and tables.

What the stages do is rehearsed by the script itself, which takes minutes without a GPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu  # noqa: E402
import gpu_processes  # noqa: E402
from engine_speed import macs_per_token  # noqa: E402
from gpu import Run, parse  # noqa: E402
from gpu_budget import LEAST_S, Budget  # noqa: E402
from gpu_devices import limits_of  # noqa: E402
from gpu_kernels import COPIES, HOST, REST, Work, name_of, prefill_limits, products  # noqa: E402
from gpu_plan import CUDA, INTERPRETER, Plan, rehearsal  # noqa: E402
from gpu_report import DONE, FAILED, LATE, SKIPPED, Found, Outcome, Report  # noqa: E402
from gpu_speed import Ceilings, level_of  # noqa: E402
from gpu_stages import STAGES, Stage  # noqa: E402
from gpu_tests import counts_of  # noqa: E402
from llmzip.exact.shape import ModelShape  # noqa: E402

SMOLLM2 = ModelShape(30, 576, 9, 3, 64, 1536, 49_152, 8192, eps=1e-5, gated=True, rotary=True)

STAGE = """
import json, sys, time
name, plan, results = sys.argv[1:]
with open(results, "a") as file:
    what = f"{name} {json.loads(plan)['where']}"
    for value in (1.5, "words"):
        print(json.dumps({"what": what, "value": value}), file=file)
    file.write('{"what": "not comp')
print("said by", name)
if name == "slow":
    time.sleep(60)
if name == "wrong":
    raise ValueError("not | equal")
sys.exit(75 if name == "nothing" else 0)
"""


def plan(folder: Path) -> Plan:
    return Plan(CUDA, "model", folder / "text", folder / "keep")


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the stages' processes do as STAGE says."""
    (tmp_path / "gpu_stages.py").write_text(STAGE)
    monkeypatch.setattr(gpu_processes, "_HERE", tmp_path)
    monkeypatch.setattr(gpu, "REHEARSAL_S", 0.0)
    return tmp_path


def run_of(folder: Path, wanted: Sequence[Stage], seconds: float = 60) -> list[Outcome]:
    run = Run(plan(folder), Budget.starting_now(seconds), folder, folder)
    try:
        run.all(wanted)
    finally:
        run.stop()
    return run.report.outcomes


def test_a_budget_is_dealt_out_until_there_is_no_use() -> None:
    now = [100.0]
    budget = Budget(60, 2, lambda: now[0], 100.0)
    assert budget.allowed_s(20) == 20
    assert budget.allowed_s(200) == 58
    now[0] = 150.0
    assert budget.allowed_s(20) == 8
    now[0] = 158.0 - LEAST_S + 0.1
    assert budget.allowed_s(20) is None


def test_stages_fail_hang_and_skip_each_for_itself(stages: Path) -> None:
    wanted = [
        Stage("wrong", 30),
        Stage("slow", 1.5),
        Stage("nothing", 30, beside=True),
        Stage("more", 30, needs=("nothing",)),
        Stage("well", 30, needs=("also",)),
    ]
    found = {outcome.stage: outcome for outcome in run_of(stages, wanted)}
    assert found["wrong"].state == FAILED
    assert found["wrong"].why == "ValueError: not | equal"
    assert found["slow"].state == LATE
    assert [one.value for one in found["slow"].found] == [1.5, "words"]
    assert found["nothing"].state == SKIPPED
    assert found["nothing"].why == "said by nothing"
    assert found["more"].why == "nothing: skipped: said by nothing"
    assert found["well"].state == DONE
    report = json.loads((stages / "report.json").read_text())
    assert [one["stage"] for one in report["outcomes"]] == list(found)
    assert "said by slow" in (stages / "log.txt").read_text()


def test_without_a_device_stages_are_rehearsed_or_skipped(stages: Path) -> None:
    wanted = [Stage("figures", 30, without_device=None), Stage("well", 30)]
    _, figures, well = run_of(stages, wanted)  # the stage that looks finds no device's name
    assert (figures.state, figures.why) == (SKIPPED, "no CUDA device")
    assert (well.state, well.why) == (DONE, "no CUDA device: rehearsed")
    assert well.found[0].what == "well cpu"


def test_what_no_time_is_left_for_is_said(stages: Path) -> None:
    (_, late) = run_of(stages, [Stage("well", 30)], seconds=LEAST_S)
    assert (late.state, late.why) == (SKIPPED, "no time is left for it; 30 s would be")


def test_stages_come_with_what_they_need() -> None:
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for at, stage in enumerate(STAGES):
        assert set(stage.needs) <= set(names[:at])
    assert parse(["out", "--only", "tests,files"]).only == ("tests", "files")


def test_a_plan_travels_and_a_rehearsal_is_small(tmp_path: Path) -> None:
    whole = plan(tmp_path)
    assert Plan.from_json(whole.to_json()) == whole
    small = rehearsal(whole, INTERPRETER)
    assert small.where == INTERPRETER
    assert small.gpt2.width < whole.gpt2.width
    assert "TRITON_INTERPRET" in gpu_processes.environment(small)
    assert "TRITON_INTERPRET" not in gpu_processes.environment(whole)


@pytest.mark.parametrize(
    ("name", "tops", "gigabytes"),
    [
        ("NVIDIA H100 80GB HBM3", 1979, 3350),
        ("NVIDIA H100 PCIe", 1513, 2000),
        ("NVIDIA A100-SXM4-80GB", 624, 2039),
        ("NVIDIA L4", 242, 300),
        ("NVIDIA L40S", 733, 864),
    ],
)
def test_known_devices_have_their_data_sheets(name: str, tops: float, gigabytes: float) -> None:
    limits = limits_of(SimpleNamespace(name=name, major=9, minor=0))
    assert limits is not None
    assert 2 * limits.int8_macs_per_s == pytest.approx(tops * 1e12)
    assert limits.bytes_per_s == pytest.approx(gigabytes * 1e9)


def test_other_devices_are_counted_by_their_clocks() -> None:
    properties = SimpleNamespace(
        name="NVIDIA Something",
        major=9,
        minor=0,
        multi_processor_count=132,
        clock_rate=1_830_000,
        memory_clock_rate=2_619_000,
        memory_bus_width=5120,
    )
    limits = limits_of(properties)
    assert limits is not None
    assert limits.int8_macs_per_s == pytest.approx(1979e12 / 2, rel=0.01)  # as an H100 has
    assert limits.bytes_per_s == pytest.approx(3.35e12, rel=0.01)
    assert limits_of(SimpleNamespace(name="NVIDIA Old", major=6, minor=0)) is None


def test_ceilings_of_the_default_model_are_those_counted_by_hand() -> None:
    limits = limits_of(SimpleNamespace(name="NVIDIA H100 80GB HBM3", major=9, minor=0))
    ceilings = Ceilings(limits, SMOLLM2)
    prefill = ceilings.prefill(512)
    decode = ceilings.decode(4096, 512)
    assert prefill is not None
    assert decode is not None
    assert prefill * 4 / 1e6 == pytest.approx(25, rel=0.1)  # MB/s, four bytes a token
    assert decode * 5.9e6 == pytest.approx(3.35e12, rel=0.02)  # bytes of keys and values
    assert Ceilings(None, SMOLLM2).decode(64, 10) is None
    found = prefill_limits(SMOLLM2, limits, 512)
    assert set(products(SMOLLM2)) < set(found)
    assert sum(found.values()) == pytest.approx(macs_per_token(SMOLLM2, 512) / 989.5e6)


def test_a_level_that_learns_is_cut_so_that_its_groups_fill_the_lanes() -> None:
    text = bytes(100_000)
    level = level_of(5, text, 64, 768)
    assert (level.group_bytes, level.target_tokens) == (50_000, 768)
    assert level_of(1, text, 64, 768).group_bytes == level_of(1, text, 4096, 768).group_bytes


def test_kernels_are_told_apart() -> None:
    names = {
        "attend_rows": "attend_rows",
        "normalise_rows_0d1d": "normalise_rows",
        "multiply": "multiply",
        "Memcpy DtoH (Device -> Pinned)": COPIES,
        "void at::native::vectorized_elementwise_kernel<4, FillFunctor<long>>": COPIES,
        "void at::native::index_elementwise_kernel": REST,
    }
    assert {name: name_of(name) for name in names} == names


def test_time_that_is_no_kernels_is_the_hosts() -> None:
    work = Work({"attend_rows": 0.25, "multiply": 0.5}, wall_s=1.0, n_tokens=1000)
    found = {one.what: one for one in work.found("prefill", {"multiply": 100.0})}
    assert list(found) == [
        f"prefill: {what}" for what in ("multiply", "attend_rows", HOST, "in all")
    ]
    assert found[f"prefill: {HOST}"].value == 250
    assert found["prefill: multiply"].of_limit() == pytest.approx(0.2)


def test_the_table_holds_what_was_found_on_a_line_each() -> None:
    rate = Found("compress", 4.0, "MB/s", 16.0, "a | b\nc")
    report = Report({"cpus": 2}, [Outcome("speed", DONE, 3.2, found=[rate]), Outcome("x", SKIPPED)])
    assert "| speed: compress | 4.00 | MB/s | 16.0 | 25.0% | a / b c |" in report.markdown()
    assert json.loads(report.as_json())["outcomes"][0]["found"] == [asdict(rate)]
    assert replace(rate, limit=None).of_limit() is None


def test_pytests_results_are_counted() -> None:
    junit = """<testsuites><testsuite>
        <testcase name="one"/><testcase name="two"><skipped message="no device"/></testcase>
        <testcase name="three"><failure message="assert 1 == 2\nmore">text</failure></testcase>
        </testsuite></testsuites>"""
    counts = counts_of(junit)
    assert str(counts) == "1 passed, 1 failed, 1 skipped"
    assert counts.failures == ("three: assert 1 == 2 more",)


def test_the_script_tells_its_options() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "gpu", "--help"], capture_output=True, text=True, check=True
    )
    assert "--seconds" in done.stdout
