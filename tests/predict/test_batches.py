"""Chunks side by side give what each gives alone, whatever their lengths and windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exact_models import CPU, LLAMA, exact_model, random_ids
from llmzip.exact.cpu.engine import CpuEngine
from llmzip.exact.distribution import Engine
from llmzip.exact.torch_engine import TorchEngine
from llmzip.predict.batches import begin_chunks, grouped
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window


@pytest.fixture(scope="module", params=["cpu", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engines, which both run chunks side by side."""
    model = exact_model(LLAMA)
    return CpuEngine(model, 64) if request.param == "cpu" else TorchEngine(model, CPU)


@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    n_lanes=st.integers(1, 8),
    window=st.sampled_from([Window(64, 32, 0), Window(24, 10, 0), Window(16, 0, 0)]),
)
def test_neighbours_change_nothing(
    engine: Engine, lengths: list[int], n_lanes: int, window: Window
) -> None:
    chunks = [random_ids(LLAMA, length, seed) for seed, length in enumerate(lengths)]
    together = begin_chunks(engine, window, chunks, n_lanes)()
    for chunk, ours in zip(chunks, together, strict=True):
        alone = begin_chunks(engine, window, [chunk], 1)()[0]
        assert len(ours.low) == len(chunk)
        assert (ours.low == alone.low).all()
        assert (ours.freq == alone.freq).all()
        assert (ours.total == alone.total).all()
        assert ours.bits == pytest.approx(alone.bits)


class WideEngine(TorchEngine):
    """An engine that wants company."""

    def default_lanes(self, n_positions: int) -> int:
        return 1000 + n_positions

    def prefill_lanes(self, n_positions: int) -> int:
        return 3


def test_an_engine_may_choose_its_lanes() -> None:
    window = Window(24, 10, 0)
    chunks = [random_ids(LLAMA, 30, seed) for seed in range(7)]
    wide = ExactPredictor(lambda _: WideEngine(exact_model(LLAMA), CPU), window, 1)
    plain = ExactPredictor(lambda _: TorchEngine(exact_model(LLAMA), CPU), window, 1)
    assert wide.default_lanes == 1024
    for ours, theirs in zip(wide.intervals(chunks), plain.intervals(chunks), strict=True):
        assert (ours.low == theirs.low).all()
        assert (ours.total == theirs.total).all()


def test_lanes_of_such_an_engine_begin_windows_side_by_side() -> None:
    """At different times, too; the same tokens are found as by one that takes lane after lane."""
    window, lanes = Window(12, 5, 0), np.arange(6)
    makers = [
        lambda _: WideEngine(exact_model(LLAMA), CPU),
        lambda _: TorchEngine(exact_model(LLAMA), CPU),
    ]
    wide, plain = (ExactPredictor(make, window, 1).lanes(6) for make in makers)
    for step in range(30):
        for lane in lanes[lanes == step % 9].tolist():
            wide.open(lane)
            plain.open(lane)
        awake = lanes[: min(step + 1, 6)]
        totals = wide.totals(awake)
        assert (totals == plain.totals(awake)).all()
        targets = totals // np.uint64(3)
        ids, *own = wide.find(awake, targets)
        expected, *others = plain.find(awake, targets)
        assert (ids == expected).all()
        assert (np.array(own) == np.array(others)).all()


def test_groups_hold_everything_in_order() -> None:
    assert list(grouped(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(grouped(np.array([]), 3)) == []
