"""One machine plays many: instruction sets, thread counts and processors by environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digests import assert_as_pinned, found_as
from llmzip.exact.cpu.ways import Way
from ways import every_way

TESTS = Path(__file__).parent
PINNED = {
    "interval": TESTS / "exact" / "golden.json",
    "adaptive": TESTS / "predict" / "adaptive_golden.json",
}
SETTINGS: dict[str, dict[str, str]] = {
    "plain": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "oneDNN VNNI": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "oneDNN AVX-512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "oneDNN AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "oneDNN SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"},
    "torch without vectors": {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"},
    "three threads, oneDNN AVX2": {"OMP_NUM_THREADS": "3", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2"},
    "another MKL": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "MKL_CBWR": "COMPATIBLE"},
}


def assert_all_as_pinned(setting: dict[str, str], way: Way | None = None) -> None:
    found = found_as(setting, way)
    for kind, golden in PINNED.items():
        assert_as_pinned(found[kind], json.loads(golden.read_text(encoding="ascii")), way)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_machine_computes_the_pinned_integers(name: str) -> None:
    assert_all_as_pinned(SETTINGS[name])


@every_way
@pytest.mark.parametrize("name", ["plain", "oneDNN SSE4.1"])  # only one way has torch's products
def test_every_machine_computes_the_pinned_integers_on_every_way(name: str, way: Way) -> None:
    assert_all_as_pinned(SETTINGS[name], way)


@pytest.mark.slow
def test_kernels_compiled_for_a_plain_processor_compute_the_pinned_integers(
    any_processor: dict[str, str],
) -> None:
    assert_all_as_pinned(any_processor)
