"""One machine plays many: instruction sets, thread counts and processors by environment."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from digests import assert_as_pinned, found_as
from llmzip.exact.cpu.ways import Way
from ways import RUNNABLE, every_way

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


ON_EVERY_WAY = ("plain", "oneDNN SSE4.1")
"""Two will do: only one way has torch's products."""


@cache
def found_on_machine(name: str) -> dict[str, dict[str, Any]]:
    """All that one process finds that plays a machine, by ways."""
    return found_as(SETTINGS[name], ["", *(RUNNABLE if name in ON_EVERY_WAY else ())])


def assert_all_as_pinned(found: dict[str, Any], way: Way | None = None) -> None:
    for kind, golden in PINNED.items():
        assert_as_pinned(found[kind], json.loads(golden.read_text(encoding="ascii")), way)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_machine_computes_the_pinned_integers(name: str) -> None:
    assert_all_as_pinned(found_on_machine(name)[""])


@every_way
@pytest.mark.parametrize("name", ON_EVERY_WAY)
def test_every_machine_computes_the_pinned_integers_on_every_way(name: str, way: Way) -> None:
    assert_all_as_pinned(found_on_machine(name)[way], way)


@pytest.mark.slow
def test_kernels_compiled_for_a_plain_processor_compute_the_pinned_integers(
    any_processor: dict[str, str],
) -> None:
    assert_all_as_pinned(found_as(any_processor)[""])
