"""What an engine says of the tiny model, as two numbers to compare by.

The numbers to be had are those of `exact.reference`, here as constants: so no torch has to be
imported, and machines are held against each other besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.distribution import Engine

RIGHT = {"prefill": "55bceb03e5d9edb3", "steps": "d85fb47587199134"}
"""What every engine of this engine version must answer."""

N_POSITIONS = 64
_N_LANES = 3
_N_PREFILLED = 37
_N_STEPS = 4


def answers(engine: Engine) -> dict[str, str]:
    """Return a digest of the integers that prefill gives, and one of those of steps after it.

    engine: of the tiny model, over N_POSITIONS at least.
    """
    ids, lanes = _ids(engine.shape.vocab_size), np.arange(_N_LANES)
    cache = engine.cache(_N_LANES, N_POSITIONS)
    starts = np.zeros(_N_LANES, dtype=np.int64)
    before = np.ascontiguousarray(ids[:, :_N_PREFILLED])
    hidden = engine.forward(before, lanes, starts, cache)
    found = engine.intervals(hidden, ids[:, 1 : _N_PREFILLED + 1].reshape(-1))
    prefill = [found.low, found.freq, found.total]
    return {"prefill": _digest(prefill), "steps": _digest(_steps(engine, ids, cache))}


def _steps(engine: Engine, ids: NDArray[np.int64], cache: Any) -> Iterator[NDArray[np.uint64]]:
    """Yield all distributions of steps in all lanes, then of one more in a single lane."""
    for number in range(_N_STEPS + 1):
        lanes = np.arange(_N_LANES if number < _N_STEPS else 1)
        at = np.full(len(lanes), _N_PREFILLED + number)
        tokens = np.ascontiguousarray(ids[: len(lanes), _N_PREFILLED + number])
        found = engine.step(tokens, lanes, at, cache)
        every = np.tile(np.arange(engine.shape.vocab_size), (len(lanes), 1))
        yield found.totals()
        yield from found.look_up(every)


def _ids(vocab_size: int) -> NDArray[np.int64]:
    """Tokens that each lane is fed, (lanes, tokens)."""
    n_tokens = _N_PREFILLED + _N_STEPS + 1
    return (np.arange(_N_LANES * n_tokens) * 149 % vocab_size).reshape(_N_LANES, n_tokens)


def _digest(arrays: Iterable[NDArray[np.uint64]]) -> str:
    state = sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array, dtype="<u8").tobytes())
    return state.hexdigest()[:16]
