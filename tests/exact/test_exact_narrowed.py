"""Narrowed models: every engine says of a list's tokens what a model of nothing else would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_exact_packed_form import InMemory, never

from exact_models import CPU, WIDE, Recipe, exact_model
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.packed import packed_model, packed_part, packed_rows
from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import Engine
from llmzip.exact.model import ExactModel, Linear
from llmzip.exact.narrowed import NarrowedModel
from llmzip.exact.stored import StoredModel
from llmzip.exact.torch_engine import TorchEngine
from ways import every_way

recipes = pytest.mark.parametrize("recipe", [*WIDE.values()], ids=[*WIDE])


def some_ids(model: ExactModel, every: int = 3) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.sort(np.arange(1, model.shape.vocab_size, every) * 7 % model.shape.vocab_size)


def written_out(model: ExactModel, ids: np.ndarray[Any, np.dtype[np.int64]]) -> ExactModel:
    """The model that has but these tokens."""
    head = model.head
    return replace(
        model,
        shape=replace(model.shape, vocab_size=len(ids)),
        embedding=model.embedding[ids],
        embedding_scale=model.embedding_scale[ids],
        head=Linear(
            head.weight[ids], head.scale[ids], None if head.bias is None else head.bias[ids]
        ),
    )


def said(engine: Engine, n_tokens: int) -> list[Any]:
    ids = (np.arange(40, dtype=np.int64)[None] * 5) % n_tokens
    lane, at = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    cache = engine.cache(1, 64)
    hidden = engine.forward(ids, lane, at, cache)
    found = engine.intervals(hidden, ids[0])
    rows = engine.distributions(hidden).frequencies()
    step = engine.step(ids[0, :1], lane, at + 40, cache)
    return [engine.head_bias, found.low, found.freq, found.total, rows, step.frequencies()]


def assert_same(own: list[Any], other: list[Any]) -> None:
    (own_bias, *own), (other_bias, *other) = own, other
    assert (own_bias is None) == (other_bias is None)
    if own_bias is not None:
        own, other = [own_bias, *own], [other_bias, *other]
    assert all((a == b).all() for a, b in zip(own, other, strict=True))


@every_way
@recipes
def test_every_way_says_what_a_model_of_these_tokens_alone_would(recipe: Recipe, way: Way) -> None:
    model = exact_model(recipe)
    ids = some_ids(model)
    wanted = said(TorchEngine(written_out(model, ids), CPU), len(ids))
    assert_same(said(CpuEngine(NarrowedModel(model, ids), 64, way=way), len(ids)), wanted)
    assert_same(said(TorchEngine(NarrowedModel(model, ids).whole, CPU), len(ids)), wanted)


@every_way
def test_all_but_the_head_is_shared(way: Way) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain packs nothing")
    model, forms = exact_model(WIDE["llama-wide"]), InMemory()
    first = packed_model(StoredModel(model.shape, forms, lambda: model), way)
    kept = StoredModel(model.shape, forms, never)
    narrowed = packed_model(NarrowedModel(kept, some_ids(model)), way)
    whole = packed_model(kept, way)
    assert narrowed.step.qkv.weight is whole.step.qkv.weight
    assert narrowed.step.head.weight.size < first.step.head.weight.size / 2
    assert narrowed.for_steps().down.weight is whole.for_steps().down.weight


@every_way
@pytest.mark.parametrize("n_out", [1, 16, 63, 64, 65, 200])
def test_outputs_of_packed_weights_are_packed_alike(n_out: int, way: Way) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain packs nothing")
    rng = np.random.default_rng(n_out)
    rows = rng.integers(-127, 128, (300, 64), dtype=np.int8)
    outputs = np.sort(rng.choice(300, n_out, replace=False)).astype(np.int64)
    whole, wanted = (packed_rows([np.ascontiguousarray(own)], way) for own in (rows, rows[outputs]))
    order, together = (np.int16, 2) if way is Way.AVX2 else (np.int32, 4)
    if way is Way.AVX2:
        whole, wanted = (own.reshape(1, -1, 32, 16, 2) for own in (whole, wanted))
    part = packed_part(whole, outputs, way)
    assert part.shape == wanted.shape
    assert part.ctypes.data % 64 == 0
    # blocks of 16 outputs, of which those beyond the last are nobody's
    own, other = (
        one.reshape(-1).view(order).reshape(-1, 64 // together, 16) for one in (part, wanted)
    )
    block, row = np.divmod(np.arange(n_out), 16)
    assert (own[block, :, row] == other[block, :, row]).all()
