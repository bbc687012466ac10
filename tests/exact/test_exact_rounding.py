"""Rounding with feedback: what its definition says, better than nearest, the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from exact_models import (
    CPU,
    GPT2,
    LLAMA,
    SAMPLE,
    Recipe,
    engines,
    exact_model,
    float_model,
    newly_prepared,
)
from llmzip.exact import arith, turning
from llmzip.exact.calibration import ROWS, _Sums, generate, second_moments
from llmzip.exact.cpu.ways import Way
from llmzip.exact.model import ExactModel
from llmzip.exact.prepare import prepare
from llmzip.exact.reference import Reference
from llmzip.exact.rounding import BLOCK, Feedback, blocks, grid, nearest_rows
from llmzip.exact.tensors import TensorLinear
from ways import every_way, fitting

Array = NDArray[np.float64]


def inputs(n_rows: int, n_in: int) -> Array:
    """int8 inputs that go together, as whole numbers."""
    random = np.random.default_rng(3)
    mixed = random.normal(size=(n_rows, n_in)) @ random.normal(size=(n_in, n_in))
    mixed += 3 * mixed.mean(1, keepdims=True)
    whole: Array = np.rint(mixed * (127 / np.abs(mixed).max()))
    return whole


def moments_of(x: Array) -> list[Array]:
    return [x[:, part].T @ x[:, part] for part in blocks(x.shape[1])]


def by_definition(weight: Array, moments: list[Array]) -> Array:
    """An input after the other, no panels, no tiles, no matrix products."""
    wanted: Array = weight * (127 / np.abs(weight).max(1))[:, None]
    rounded: Array = np.zeros_like(wanted)
    for part, moment in zip(blocks(weight.shape[1]), moments, strict=True):
        a, n_in = moment.copy(), len(moment)
        a[np.diag_indices(n_in)] += float(np.trace(moment)) / n_in / 64
        shares = np.zeros_like(a)
        for k in reversed(range(n_in)):
            column = a[:k, k].copy()
            shares[:k, k] = column / a[k, k]
            a[:k, :k] -= shares[:k, k, None] * column
        whole, unit = grid(shares, 20)
        taken = np.zeros((len(weight), n_in))
        for k in range(n_in):
            at = part.start + k
            value = wanted[:, at] + taken[:, k] * (unit * 2.0**-14)
            rounded[:, at] = np.clip(np.rint(value), -127, 127)
            error = np.rint((wanted[:, at] - rounded[:, at]) * 2.0**14)
            taken += error[:, None] * whole[k]
    return rounded


@pytest.mark.parametrize("n_in", [1, 31, 32, 33, 200, 1025])
def test_panels_and_tiles_change_nothing(n_in: int) -> None:
    x, weight = inputs(64, n_in), np.random.default_rng(n_in).normal(size=(5, n_in))
    rounded, scale = Feedback(moments_of(x)).rows(weight, 127)
    assert np.array_equal(rounded, by_definition(weight, moments_of(x)))
    assert np.array_equal(scale, nearest_rows(weight, 127)[1])


def test_many_rows_are_rounded_as_few_are() -> None:
    x, weight = inputs(64, 70), np.random.default_rng(1).normal(size=(50, 70))
    feedback = Feedback(moments_of(x))
    whole, scale = feedback.rows(weight, 127)
    parts = [feedback.rows(weight[at : at + 7], 127) for at in range(0, 50, 7)]
    assert np.array_equal(np.concatenate([part for part, _ in parts]), whole)
    assert np.array_equal(np.concatenate([part for _, part in parts]), scale)


@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_rows_are_the_same_whatever_is_computed_together(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "TOGETHER", 7 * recipe.d_model)
    assert newly_prepared(recipe).digest() == exact_model(recipe).digest()


def test_blocks_cover_all_inputs_evenly() -> None:
    for n_in in (1, 576, 1024, 1025, 1536, 6400):
        parts = blocks(n_in)
        sizes = [part.stop - part.start for part in parts]
        assert [part.start for part in parts] == [0, *np.cumsum(sizes)[:-1].tolist()]
        assert sum(sizes) == n_in
        assert max(sizes) <= BLOCK
        assert max(sizes) - min(sizes) <= 1


def test_feedback_errs_less_on_inputs_that_go_together() -> None:
    x, weight = inputs(500, 96), np.random.default_rng(2).normal(size=(40, 96))
    errors = [
        float((((rows * scale[:, None] - weight) @ x.T) ** 2).sum())
        for rows, scale in (
            nearest_rows(weight, 127),
            Feedback(moments_of(x)).rows(weight, 127),
        )
    ]
    assert errors[1] < 0.5 * errors[0]


def test_inputs_without_anything_in_common_are_rounded_to_the_nearest() -> None:
    weight = np.random.default_rng(4).normal(size=(6, 40))
    for moment in (np.zeros((40, 40)), np.eye(40) * 9.0):
        assert np.array_equal(Feedback([moment]).rows(weight, 127)[0], nearest_rows(weight, 127)[0])


@every_way
@pytest.mark.parametrize("recipe", [GPT2, LLAMA])
def test_every_engine_writes_the_same_text(recipe: Recipe, way: Way) -> None:
    reference, fast = engines(exact_model(fitting(recipe, way)), way)
    ids = generate(reference, SAMPLE)
    assert np.array_equal(ids, generate(fast, SAMPLE))
    assert ids.shape == (SAMPLE.n_lanes, SAMPLE.n_tokens)
    assert len({tuple(lane) for lane in ids.tolist()}) == SAMPLE.n_lanes


def test_moments_are_sums_over_lanes() -> None:
    model = exact_model(LLAMA)
    ids = generate(engines(model)[0], SAMPLE)
    whole, first, rest = (second_moments(model, part) for part in (ids, ids[:3], ids[3:]))
    assert set(whole) == {f"{i}.{n}" for i in (0, 1) for n in ("qkv", "out", "up", "down")} | {
        "head"
    }
    for name, moments in whole.items():
        for a, b, c in zip(moments, first[name], rest[name], strict=True):
            assert np.array_equal(a, b + c), name
            assert np.array_equal(a, a.T), name


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        digests.append(prepare(float_model(LLAMA), SAMPLE).digest())
    assert digests[0] == digests[1]


@every_way
def test_moments_are_those_of_what_the_reference_takes_in(way: Way) -> None:
    """Written out over its linears, whatever their order; of 16-bit rows the high halves."""
    model = exact_model(fitting(GPT2, way))
    ids = generate(engines(model)[0], SAMPLE)
    wanted = by_reference(model, ids)
    found = second_moments(model, ids)
    assert wanted.keys() == found.keys()
    for name, moments in found.items():
        assert all(map(np.array_equal, moments, wanted[name])), name


def by_reference(model: ExactModel, ids: NDArray[np.int64]) -> dict[str, list[Array]]:
    """The moments, by a look at all that the reference's linears take in, lanes by lane."""
    seen: dict[str, list[Array]] = {}
    reference = Looking(model, seen)
    for lane in torch.from_numpy(ids):
        zero = torch.zeros(1, dtype=torch.int64)
        hidden = reference.forward(lane[None], zero, zero, reference.cache(1, len(lane)))
        seen.setdefault("head", []).append(hidden.q.double().numpy())
    return {name: moments_of(np.concatenate(parts)) for name, parts in seen.items()}


class Looking(Reference):
    """The reference, keeping what its linears take in."""

    def __init__(self, model: ExactModel, seen: dict[str, list[Array]]) -> None:
        super().__init__(model, CPU)
        self._seen = seen
        self._names = {
            id(getattr(layer, name)): f"{index}.{name}"
            for index, layer in enumerate(self.model.layers)
            for name in ("qkv", "out", "up", "down")
        }

    def _linear(self, linear: TensorLinear, q: Tensor, scale: Tensor) -> Tensor:
        self._seen.setdefault(self._names[id(linear)], []).append(q.double().numpy())
        return super()._linear(linear, q, scale)

    def _linear_wide(self, linear: TensorLinear, q: Tensor, scale: Tensor) -> Tensor:
        high = arith.split_halves(q)[0].double().numpy()
        self._seen.setdefault(self._names[id(linear)], []).append(high)
        return super()._linear_wide(linear, q, scale)


def test_the_largest_moments_are_exact() -> None:
    """As many rows as are multiplied at once, all of the largest inputs."""
    for value in (127, -127):
        sums = _Sums()
        for _ in range(2):
            sums.add("x", np.full((ROWS, 70), value, dtype=np.int8))
        assert (sums.moments["x"][0] == 2 * ROWS * 127**2).all()


PRINT_DIGEST = """
from exact_models import CPU, GPT2, exact_model
print(exact_model(GPT2).digest().hex())
"""


@pytest.mark.parametrize(
    "machine",
    [
        {"OPENBLAS_CORETYPE": "Sandybridge", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        {"OPENBLAS_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default"},
        {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX2 FMA3", "MKL_CBWR": "COMPATIBLE"},
    ],
)
def test_other_machines_prepare_the_same_integers(machine: dict[str, str]) -> None:
    """Other BLAS kernels, instruction sets and thread counts, played by the environment."""
    tests = Path(__file__).parent.parent
    path = os.pathsep.join([str(tests), str(tests.parent / "src")])
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRINT_DIGEST],
        env={**os.environ, **machine, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == exact_model(GPT2).digest().hex()
