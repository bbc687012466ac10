"""The exact predictor: prefill and step by step agree, whatever runs beside what."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoded import column, decode
from exact_models import CPU, GPT2, LLAMA, Recipe, exact_model, random_ids
from llmzip.errors import ModelUnsupportedError
from llmzip.exact.engines import make_engine
from llmzip.exact.families import read_model
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.exact.torch_engine import TorchEngine
from llmzip.models import load_transformers, locate
from llmzip.predict import Intervals
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window
from llmzip.processors import usable_threads

Chunk = NDArray[np.int32]
WHOLE = Window(128, 64, 0)
SHORT = Window(24, 10, 0)


def predictor(
    model: ExactModel, window: Window = WHOLE, n_workers: int = 1, n_lanes: int | None = None
) -> ExactPredictor:
    return ExactPredictor(partial(make_engine, model, CPU, window.size), window, n_workers, n_lanes)


def same(a: Intervals, b: Intervals) -> bool:
    return all((getattr(a, name) == getattr(b, name)).all() for name in ("low", "freq", "total"))


@pytest.fixture(scope="module", params=["tiny_gpt2_folder", "tiny_llama_folder"])
def model(request: pytest.FixtureRequest) -> ExactModel:
    """A prepared model of each family, as transformers loads it."""
    folder: Path = request.getfixturevalue(request.param)
    return prepare(read_model(load_transformers(locate(str(folder))).model))


@pytest.mark.parametrize("window", [WHOLE, SHORT, Window(5, 0, 0), Window(1, 0, 0)])
def test_step_by_step_finds_what_prefill_coded(model: ExactModel, window: Window) -> None:
    """Chunks shorter and longer than the window, in lanes of any order, with gaps."""
    chunks = [random_ids(GPT2, n, n) for n in (1, 60, 23, 130)]
    lanes = [2, 0, 5, 3]
    for n_workers in (1, 3):
        found = decode(predictor(model, window, n_workers), chunks, lanes)
        assert found == [chunk.tolist() for chunk in chunks]


def test_a_chunk_longer_than_an_engines_rows() -> None:
    """Windows of more than one block of the engine's rows."""
    recipe = Recipe(llama=True, n_positions=700, d_model=24, n_heads=1, n_kv_heads=1)
    long = exact_model(recipe)
    chunks = [random_ids(recipe, 1300), random_ids(recipe, 40)]
    window = Window(700, 350, 0)
    found = decode(predictor(long, window, 2), chunks, [0, 1])
    assert found == [chunk.tolist() for chunk in chunks]


def test_lanes_take_new_chunks_while_others_run(model: ExactModel) -> None:
    source = predictor(model, SHORT, 2)
    first, second, other = (random_ids(GPT2, n, n) for n in (31, 20, 51))
    coded = list(source.intervals([first, second, other]))
    decoder = source.lanes(2)
    decoder.open(0)
    decoder.open(1)
    rows, found = np.array([1, 0]), []
    for step in range(51):
        if step == 31:
            decoder.open(0)
        own = (coded[0], step) if step < 31 else (coded[1], step - 31)
        decoder.totals(rows)
        targets = column([coded[2].low[step], own[0].low[own[1]]])
        found.append(decoder.find(rows, targets)[0].tolist())
    assert [pair[0] for pair in found] == other.tolist()
    assert [pair[1] for pair in found] == [*first.tolist(), *second.tolist()]


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
@settings(max_examples=10)
@given(sizes=st.lists(st.integers(1, 70), min_size=1, max_size=6), n_workers=st.integers(1, 4))
def test_workers_and_company_change_no_integer(
    recipe: Recipe, sizes: list[int], n_workers: int
) -> None:
    model = exact_model(recipe)
    chunks = [random_ids(recipe, size, i) for i, size in enumerate(sizes)]
    together = list(predictor(model, SHORT, n_workers).intervals(chunks))
    alone = [next(predictor(model, SHORT).intervals([chunk])) for chunk in chunks]
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))
    assert [t.bits for t in together] == pytest.approx([a.bits for a in alone])


def test_the_reference_as_engine_predicts_the_same(model: ExactModel) -> None:
    chunk = random_ids(GPT2, 90)
    reference = ExactPredictor(lambda _: TorchEngine(model, CPU), SHORT, 1)
    assert same(
        next(reference.intervals([chunk])), next(predictor(model, SHORT).intervals([chunk]))
    )
    assert decode(reference, [chunk[:40]], [0]) == [chunk[:40].tolist()]


def test_more_lanes_than_an_engine_has_rows() -> None:
    recipe = Recipe(llama=True, d_model=12, n_heads=1, n_kv_heads=1, n_layers=1, d_ff=8)
    chunks = [random_ids(recipe, 3, i) for i in range(600)]
    found = decode(predictor(exact_model(recipe), SHORT, 2), chunks, range(600))
    assert found == [chunk.tolist() for chunk in chunks]


def test_every_target_of_a_small_distribution_is_found() -> None:
    """Targets at both ends of every token's interval, and whatever damaged files may ask for."""
    recipe = Recipe(llama=False, vocab_size=20, gain=0.1)
    source = predictor(exact_model(recipe))
    lanes = np.array([0])
    ends = []
    for token in range(20):
        coded = next(source.intervals([np.array([token], dtype=np.int32)]))
        low, freq = coded.low[0], coded.freq[0]
        ends += [(low, token), (low + freq - np.uint64(1), token)]
    decoder = source.lanes(1)
    for target, token in ends:
        decoder.open(0)
        decoder.totals(lanes)
        assert decoder.find(lanes, column([target]))[0].tolist() == [token]


def test_a_predictor_tells_its_vocabulary_and_lanes() -> None:
    source = predictor(exact_model(GPT2), WHOLE)
    assert source.vocab_size == GPT2.vocab_size
    assert source.default_lanes == 64  # of so small a model memory has room for all
    assert predictor(exact_model(GPT2), WHOLE, n_lanes=7).default_lanes == 7


def test_threads_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert usable_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert usable_threads() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert usable_threads() == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 4}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert usable_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usable_threads() == 3


def test_activations_beyond_floats_are_told_of_the_model() -> None:
    """In a text, though what the model wrote while it was prepared showed nothing."""
    whole = exact_model(LLAMA)
    first = whole.layers[0]
    down = replace(first.down, scale=first.down.scale * np.float32(1e37))
    up = replace(first.up, scale=first.up.scale * np.float32(1e20))
    layers = (replace(first, up=up, down=down), *whole.layers[1:])
    source = predictor(replace(whole, layers=layers))
    with pytest.raises(ModelUnsupportedError, match="beyond the numbers of float32 in this text"):
        next(source.intervals([random_ids(LLAMA, 20)]))
