"""A packed model that was kept is the same, bit for bit, as one that is packed now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from exact_models import CAPPED_WIDE, NORMED_WIDE, WIDE, exact_model
from llmzip.errors import ModelDamagedError
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.cpu.packed import packed_model
from llmzip.exact.cpu.packed_form import kept_step
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import ExactModel
from llmzip.exact.stored import StoredModel
from llmzip.models import home
from llmzip.models.forms import Forms
from ways import every_way

RECIPES = (WIDE | NORMED_WIDE | CAPPED_WIDE).values()
recipes = pytest.mark.parametrize("recipe", RECIPES, ids=str)


class InMemory:
    """Forms that are kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, NDArray[Any]]] = {}

    def load(self, name: str, rules: str) -> Mapping[str, NDArray[Any]] | None:
        return self.kept.get(f"{name} {rules}")

    def read(self, name: str, arrays: Iterable[str]) -> Mapping[str, NDArray[Any]] | None:
        (kept,) = (kept for key, kept in self.kept.items() if key.startswith(f"{name} "))
        return {one: kept[one].copy() for one in arrays}

    def keep(self, name: str, rules: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.kept[f"{name} {rules}"] = arrays

    load_one_of_many, keep_one_of_many = load, keep


def flat(step: object) -> list[Any]:
    """All that a tuple of tuples holds."""
    return [x for part in step for x in flat(part)] if isinstance(step, tuple) else [step]


def assert_same(one: object, other: object) -> None:
    for mine, theirs in zip(flat(one), flat(other), strict=True):
        if isinstance(mine, np.ndarray):
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            assert mine.tobytes() == theirs.tobytes()
        else:
            assert (type(mine), mine) == (type(theirs), theirs)


def never() -> ExactModel:
    raise AssertionError("a model that is kept is not read")


@pytest.fixture
def own_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forms:
    monkeypatch.setenv(home.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    folder = tmp_path / "home" / "prepared"
    folder.mkdir(mode=0o700)
    return Forms(folder, "a check")


@every_way
@recipes
def test_kept_and_newly_packed_are_the_same(recipe: Any, way: Way, own_forms: Forms) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain packs nothing")
    model = exact_model(recipe)
    new = packed_model(model, way).step
    first = packed_model(StoredModel(model.shape, own_forms, lambda: model), way)
    assert_same(first.step, new)
    kept = packed_model(StoredModel(model.shape, own_forms, never), way)
    assert_same(kept.step, new)
    mapped = kept.step.qkv.weight
    assert_same(kept.for_steps(), new)
    assert kept.step.qkv.weight is not mapped
    assert kept.for_steps() is kept.step


@every_way
@recipes
def test_engines_of_both_say_the_same(recipe: Any, way: Way) -> None:
    model, forms = exact_model(recipe), InMemory()
    ids = np.arange(40, dtype=np.int64)[None] % recipe.vocab_size
    lane, at = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    said = []
    for load in (lambda: model, lambda: model if way is Way.PLAIN else never()):
        engine = CpuEngine(StoredModel(model.shape, forms, load), 64, way=way)
        cache = engine.cache(1, 64)
        hidden = engine.forward(ids, lane, at, cache)
        rows = engine.distributions(hidden).frequencies()
        step = engine.step(ids[0, :1], lane, at + 40, cache).frequencies()
        said.append((engine.head_bias, rows, step))
    (own_bias, *own), (kept_bias, *kept) = said
    assert (own_bias is None) == (kept_bias is None)
    assert all((a == b).all() for a, b in zip(own, kept, strict=True))


@every_way
def test_a_form_of_another_shape_is_none(way: Way) -> None:
    if way is Way.PLAIN:
        pytest.skip("the way plain packs nothing")
    model, forms = exact_model(next(iter(WIDE.values()))), InMemory()
    packed_model(StoredModel(model.shape, forms, lambda: model), way)
    assert kept_step(forms, model.shape, way) is not None
    for name in ("n_layers", "d_ff", "vocab_size", "n_heads", "n_positions"):
        other = replace(model.shape, **{name: 2 * getattr(model.shape, name)})
        assert kept_step(forms, other, way) is None
    (key, kept), *_ = forms.kept.items()
    for name in kept:
        forms.kept[key] = {one: array for one, array in kept.items() if one != name}
        assert kept_step(forms, model.shape, way) is None


def test_what_loading_raises_comes_through() -> None:
    def damaged() -> ExactModel:
        raise ModelDamagedError("the model is damaged")

    shape = exact_model(next(iter(WIDE.values()))).shape
    with pytest.raises(ModelDamagedError):
        _ = CpuEngine(StoredModel(shape, InMemory(), damaged), 64).head_bias
