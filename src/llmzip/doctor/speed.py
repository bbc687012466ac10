"""How fast the default model is here, beside what it reaches on two processors that were measured.

Prefill is what compressing does, steps are what decompressing does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmzip.doctor.findings import Finding, State
from llmzip.doctor.ready import ready_default
from llmzip.doctor.self_tests import TEXT
from llmzip.exact.engines import make_engine
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.models.prepared import OpenedExact
from llmzip.predict.devices import choose_device
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.exact_lanes import ExactLanes
from llmzip.predict.prefix import Prefix
from llmzip.predict.windows import Window
from llmzip.predict.workers import Workers
from llmzip.processors import usable_threads

N_CONTEXT = 1024
"""Tokens of a chunk in prefill, and tokens in view in a step."""
N_LANES = (1, 32)
PREFILL = "prefill"

REACHED: dict[str, tuple[str, dict[str, int]]] = {
    "vnni": (
        "two cores of an AMD EPYC with VNNI",
        {PREFILL: 3_526, "steps, 1 lane": 279, "steps, 32 lanes": 1_662},
    ),
    "amx": (
        "two cores of an Intel Xeon with AMX",
        {PREFILL: 6_255, "steps, 1 lane": 173, "steps, 32 lanes": 861},
    ),
}
"""Tokens a second by ways: docs/FIGURES.md and docs/PROFILE.md."""

_SLOW = 0.4
"""Of what a processor of its kind reaches, core for core: below that something is in the way."""
_REACHED_CORES = 2
_ENOUGH_S = 0.7
_MOST_STEPS = 48


def look() -> Iterator[Finding]:
    """Yield tokens a second in prefill, and in steps with one lane and with many."""
    opened = ready_default()
    if opened is None:
        value = f"not measured: {DEFAULT_MODEL} is not prepared here"
        advice = "prepare it by its first use: echo text | llmzip -c > text.llmz"
        yield Finding("speed", value, State.NOTE, advice)
        return
    device = choose_device("auto")
    bench = _Bench(opened, device, usable_threads() if device == "cpu" else 1)
    yield bench.finding(PREFILL, bench.prefill())
    for n_lanes in N_LANES:
        name = f"steps, {n_lanes} lane{'s' if n_lanes > 1 else ''}"
        yield bench.finding(name, bench.steps(n_lanes))


class _Bench:
    """The default model on a device, by so many workers."""

    def __init__(self, opened: OpenedExact, device: str, n_workers: int) -> None:
        size = min(2 * N_CONTEXT, opened.shape.n_positions)
        self._window = Window(size, 0, opened.bos_id)
        self._make = partial(make_engine, opened.stored, device, size)
        self._n_workers = n_workers
        self._ids = np.resize(opened.tokenizer.encode(TEXT.encode()), size // 2)
        self._workers = Workers(self._make, n_workers)
        self._way = self._workers.engines[0].way

    def prefill(self) -> float:
        """Return tokens a second of chunks: one for each worker, and more while there is time."""
        predictor = ExactPredictor(self._make, self._window, self._n_workers)
        list(predictor.intervals([self._ids[:64]] * self._n_workers))  # what is made once
        begin_s, n_chunks = time.monotonic(), 0
        while not n_chunks or time.monotonic() - begin_s < _ENOUGH_S:
            n_chunks += len(list(predictor.intervals([self._ids] * self._n_workers)))
        return n_chunks * len(self._ids) / (time.monotonic() - begin_s)

    def steps(self, n_lanes: int) -> float:
        """Return tokens a second of lanes side by side, all behind the same context."""
        context = self._ids.astype(np.int64)
        (prefix,) = self._workers.in_order([partial(Prefix.of, context, self._window)])
        decoder = ExactLanes(self._workers, self._window, n_lanes, _MOST_STEPS + 2, prefix)
        lanes = np.arange(n_lanes)
        for lane in lanes.tolist():
            decoder.open(lane)
        _step(decoder, lanes)  # what is made once
        begin_s, n_steps = time.monotonic(), 0
        while n_steps < _MOST_STEPS and time.monotonic() - begin_s < _ENOUGH_S:
            _step(decoder, lanes)
            n_steps += 1
        return n_lanes * n_steps / (time.monotonic() - begin_s)

    def finding(self, name: str, tokens_per_s: float) -> Finding:
        """Return a speed beside what is known to be reached."""
        value = f"{tokens_per_s:,.0f} tokens/s"
        figures = {"tokens_per_s": round(tokens_per_s, 1)}
        if self._way not in REACHED:
            return Finding(name, value, figures=figures)
        where, reached = REACHED[self._way]
        value += f" ({reached[name]:,} on {where})"
        figures["reached_tokens_per_s"] = reached[name]
        share = min(1.0, self._n_workers / _REACHED_CORES)
        if tokens_per_s > _SLOW * share * reached[name]:
            return Finding(name, value, figures=figures)
        advice = "see what else is at work on this machine, and whether its cores are all its own"
        return Finding(name, value, State.NOTE, advice, figures)


def _step(decoder: ExactLanes, lanes: NDArray[np.int64]) -> None:
    """Take whatever token lies in the middle of each lane's distribution."""
    decoder.find(lanes, decoder.totals(lanes) >> np.uint64(1))
