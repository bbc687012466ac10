"""Tokens that stand before every chunk, run through the model once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmzip.exact.distribution import AnyCache, Engine
from llmzip.predict.batches import prefill
from llmzip.predict.windows import Ids, Window


@dataclass(frozen=True, eq=False)
class Prefix:
    """What every chunk is seen to follow. cache: its first lane holds the inputs before the last.

    These are the beginning of text and all of `ids` but the last: as many as there are ids.
    """

    ids: Ids
    cache: AnyCache | None = None

    @staticmethod
    def end_of(ids: Ids, window: Window) -> Ids:
        """The end of `ids` that stands before every chunk."""
        return ids[max(0, len(ids) - window.size // 2) :]

    @classmethod
    def of(cls, ids: Ids, window: Window, engine: Engine) -> Prefix:
        """The end of `ids`, half a window at most."""
        own = cls.end_of(ids, window)
        if not len(own):
            return NO_PREFIX
        cache = engine.cache(1, len(own))
        for _ in prefill(engine, cache, 0, window.inputs(own)[:-1]):
            pass
        return cls(own, cache)


NO_PREFIX = Prefix(np.zeros(0, dtype=np.int64))
