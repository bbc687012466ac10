"""The way of computing is the one that was asked for, or there is an error in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exact_models import CPU, GPT2, WIDE, Recipe, exact_model, float_model
from llmzip.errors import DeviceError
from llmzip.exact.cpu import instruction_set, neon_dot, ways
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.instruction_set import host_features
from llmzip.exact.cpu.ways import (
    WAY_VARIABLE,
    Way,
    known_ways,
    lacking,
    runnable_ways,
    takes,
    way_of,
)
from llmzip.exact.engines import make_engine
from llmzip.exact.model import ExactModel
from llmzip.exact.shape import ModelShape
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from ways import every_way

BROAD = WIDE["llama-wide"]
SHAPE = float_model(BROAD).shape


@pytest.fixture(scope="module")
def broad() -> ExactModel:
    """The broad model, prepared before a test says which way to take: preparing takes one, too."""
    return exact_model(BROAD)


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (WAY_VARIABLE, "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


@every_way
def test_the_argument_chooses_the_way(
    way: Way, broad: ExactModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WAY_VARIABLE, "no such way")
    assert make_engine(broad, CPU, 16, 1, way).way == way


@every_way
def test_the_environment_chooses_the_way(
    way: Way, broad: ExactModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WAY_VARIABLE, str(way))
    assert make_engine(broad, CPU, 16).way == way


@every_way
def test_a_predictor_says_which_way_it_takes(way: Way, broad: ExactModel) -> None:
    source = ExactPredictor(lambda n: make_engine(broad, CPU, 16, n, way), Window(16, 0, 0), 2)
    assert source.way == f"cpu, {way}"


@pytest.mark.parametrize("recipe", [GPT2, BROAD])
def test_without_a_wish_it_is_the_fastest_that_takes_the_model(recipe: Recipe) -> None:
    model = exact_model(recipe)
    able = [way for way in runnable_ways() if takes(way, model.shape)]
    assert CpuEngine(model, 16).way is able[-1]
    assert able[0] is Way.PLAIN


def refused(shape: ModelShape, asked: str) -> str:
    with pytest.raises(DeviceError) as caught:
        way_of(shape, asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_way_is_refused() -> None:
    *others, last = runnable_ways()
    assert f"ask for {', '.join(others)} or {last}" in refused(SHAPE, "sse9")
    assert f"ask for {', '.join(others)} or {last}" in refused(SHAPE, "AVX2")


NARROW = [str(way) for way in Way if way is not Way.PLAIN]
"""Ways that take some models only."""


def only(runnable: list[Way], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor have some ways."""
    monkeypatch.setattr(ways, "runnable_ways", lambda: [way for way in Way if way in runnable])


@pytest.mark.parametrize("asked", NARROW)
def test_a_way_that_the_processor_has_not_is_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only([Way.PLAIN], monkeypatch)
    assert f"cannot compute the way {asked}; ask for plain" in refused(SHAPE, asked)
    assert way_of(SHAPE) is Way.PLAIN


@pytest.mark.parametrize("asked", NARROW)
@pytest.mark.parametrize("change", [{"d_model": 100}, {"d_ff": 100}])
def test_a_way_that_does_not_take_the_model_is_refused(
    asked: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(list(Way), monkeypatch)
    assert way_of(SHAPE, asked) == asked
    text = refused(replace(SHAPE, **change), asked)
    assert "multiples" in text
    assert text.endswith("ask for plain")
    assert way_of(replace(SHAPE, **change)) is Way.PLAIN


def test_what_numba_lets_no_code_use_is_not_had(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import config

    monkeypatch.setattr(config, "ENABLE_AVX", 0)
    assert not any(name.startswith("avx") and on for name, on in host_features().items())
    assert not {Way.AVX2, Way.AVX_VNNI, Way.VNNI, Way.AMX} & set(runnable_ways())


def test_an_older_machine_than_this_one_has_no_tiles_but_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only([Way.PLAIN, Way.AVX2, Way.VNNI, Way.AMX], monkeypatch)
    assert way_of(SHAPE) is Way.AMX
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
    assert way_of(SHAPE) is Way.VNNI
    assert way_of(SHAPE, "amx") is Way.AMX


def test_a_way_is_the_cpus(broad: ExactModel) -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        make_engine(broad, "meta", 16, 1, "plain")


def processor(
    monkeypatch: pytest.MonkeyPatch, machine: str, *features: str
) -> tuple[list[Way], list[Way]]:
    """Which ways there are on a processor, and which are known there."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    has = dict.fromkeys(features, True)
    monkeypatch.setattr(neon_dot, "known_features", lambda: has)
    monkeypatch.setattr(instruction_set, "host_features", lambda: has)
    own: list[Way] = [
        way for way in runnable_ways() if way is not Way.AMX
    ]  # Linux was asked for tiles before
    return own, known_ways()


X86, ARM = (
    [Way.PLAIN, Way.AVX2, Way.AVX_VNNI, Way.VNNI, Way.AMX],
    [Way.PLAIN, Way.NEON_DOT, Way.NEON_I8MM],
)
PROCESSORS: list[tuple[str, str, list[Way]]] = [
    ("x86_64", "", X86[:1]),
    ("x86_64", "avx2", X86[:2]),
    ("x86_64", "avx2 avxvnni", X86[:3]),
    ("x86_64", "avx2 avx512f avx512bw avx512vl avx512vnni", X86[:4]),
    ("aarch64", "", ARM[:1]),
    ("aarch64", "dotprod", ARM[:2]),
    ("aarch64", "dotprod i8mm", ARM[:3]),
]


@pytest.mark.parametrize(("machine", "has", "taken"), PROCESSORS)
def test_what_a_processor_has_says_which_ways_it_can_take(
    machine: str, has: str, taken: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = X86 if machine == "x86_64" else ARM
    assert processor(monkeypatch, machine, *has.split()) == (taken, known)


def test_a_processor_that_lacks_a_way_says_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, "x86_64", "avx2")
    assert lacking(Way.AVX_VNNI) == ["avxvnni"]
    processor(monkeypatch, "x86_64", "avx2", "avxvnni")
    assert lacking(Way.AVX_VNNI) == []
    assert lacking(Way.VNNI) == ["avx512f", "avx512bw", "avx512vnni"]
