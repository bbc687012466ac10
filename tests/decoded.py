"""Chunks decoded against what the encoder says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmzip.predict import Predictor

Chunk = NDArray[np.int32]


def decode(source: Predictor, wanted: Sequence[Chunk], lanes: Sequence[int]) -> list[list[int]]:
    """Decode chunks side by side, chunk i in lanes[i], against what the encoder says of them.

    Each step asks for a target inside the interval that the encoder would code.
    """
    coded = list(source.intervals(wanted))
    decoder = source.lanes(max(lanes) + 1)
    found: list[list[int]] = [[] for _ in wanted]
    for lane in lanes:
        decoder.open(lane)
    for step in range(max(map(len, wanted))):
        active = [i for i, chunk in enumerate(wanted) if step < len(chunk)]
        rows = np.array([lanes[i] for i in active])
        totals = decoder.totals(rows)
        assert (totals == column([coded[i].total[step] for i in active])).all()
        low, freq = (column([getattr(coded[i], n)[step] for i in active]) for n in ("low", "freq"))
        ids, low_found, freq_found = decoder.find(rows, low + freq // np.uint64(2))
        assert (low_found == low).all()
        assert (freq_found == freq).all()
        for i, token in zip(active, ids.tolist(), strict=True):
            found[i].append(token)
    return found


def column(values: list[np.uint64]) -> NDArray[np.uint64]:
    """What a lane's decoder takes: an element a lane."""
    return np.array(values, dtype=np.uint64)
