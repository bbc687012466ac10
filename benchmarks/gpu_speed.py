"""Megabytes a second, compressing and decompressing, by lanes and levels, beside the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine_speed import macs_per_token, traffic
from gpu_devices import DeviceLimits
from gpu_files import packed, unpacked
from gpu_models import open_on, synchronised, written_by
from gpu_plan import Plan
from gpu_report import Found
from llmzip.bench.measure import RoundTripError
from llmzip.codec import Stats
from llmzip.codec.levels import LEVELS, Level
from llmzip.exact.shape import ModelShape
from llmzip.models import OpenedExact

T = TypeVar("T")
GROUP_LANES = 32


class NotByModelError(Exception):
    """What was to be measured was not done by the model."""


@dataclass(frozen=True)
class Ceilings:
    """Tokens a second that the device could do at most, of one model."""

    limits: DeviceLimits | None
    shape: ModelShape

    def prefill(self, mean_keys: float) -> float | None:
        """Bound by int8 products: of the model's own multiply-adds, each done once."""
        if self.limits is None:
            return None
        return self.limits.int8_macs_per_s / macs_per_token(self.shape, mean_keys)

    def decode(self, n_lanes: int, mean_keys: float) -> float | None:
        """Bound by memory: weights once a step, keys and values of every lane."""
        if self.limits is None:
            return None
        work = traffic(self.shape, mean_keys)
        return n_lanes * self.limits.bytes_per_s / work.step_bytes(n_lanes)


def speeds(
    name: str, opened: OpenedExact, limits: DeviceLimits | None, plan: Plan
) -> Iterator[Found]:
    """Yield what every level does with every number of lanes, the fewest first."""
    ceilings, (first, *_) = Ceilings(limits, opened.model.shape), plan.levels
    for n_lanes in sorted(plan.lanes):
        author = open_on(opened, plan.where, LEVELS[first].options, n_lanes)
        text = written_by(author, n_lanes, plan.chunk_tokens, seed=n_lanes)
        del author  # and the caches of all its lanes
        for number in plan.levels:
            run = _Run(name, opened, plan, number, n_lanes, ceilings, text)
            if n_lanes == min(plan.lanes):
                run.compile()
            if number == first:
                yield run.model_alone()
            yield from run.found()


def level_of(number: int, text: bytes, n_lanes: int, chunk_tokens: int) -> Level:
    """Return the level in chunks so short that all lanes begin and end together.

    Of a level that learns, the text becomes as many groups as fill the lanes, of a wave each.
    """
    level = replace(LEVELS[number], target_tokens=chunk_tokens)
    if not level.options.adaptive:
        return level
    n_groups = max(1, n_lanes // GROUP_LANES)
    return replace(level, group_bytes=-(-len(text) // n_groups))


class _Run:
    """One level with one number of lanes."""

    def __init__(
        self,
        name: str,
        opened: OpenedExact,
        plan: Plan,
        number: int,
        n_lanes: int,
        ceilings: Ceilings,
        text: bytes,
    ) -> None:
        self._name = f"{name}, level {number}, {n_lanes:,} lanes"
        self._plan, self._n_lanes, self._ceilings = plan, n_lanes, ceilings
        self._model = open_on(opened, plan.where, LEVELS[number].options, n_lanes)
        self._text = text
        self._level = level_of(number, text, n_lanes, plan.chunk_tokens)
        self._keys = min(plan.chunk_tokens, self._level.options.window_tokens) / 2

    def compile(self) -> None:
        """Have all kernels compiled, those of the host that small inputs do without, too."""
        file, _ = self._pack(self._text)
        unpacked(self._model, file, self._n_lanes)

    def model_alone(self) -> Found:
        """The frozen model's speed over all chunks; nothing is coded, or compared with others."""
        ids = self._model.tokenizer.encode(self._text)
        seconds = self._model_s(ids)
        limit = self._ceilings.prefill(self._keys)
        return self._rate("compress, the model alone", len(ids), seconds, limit)

    def found(self) -> Iterator[Found]:
        """Yield speeds, each as soon as it is known. Raises RoundTripError."""
        prefill = self._ceilings.prefill(self._keys)
        decode = self._ceilings.decode(self._n_lanes, self._keys)
        (file, stats), seconds = self._timed(lambda: self._pack(self._text))
        if not stats.n_tokens:
            raise NotByModelError(f"{self._name}: another method codes the text better")
        note = f"{stats.n_model_bytes / len(self._text):.0%} of it by the model"
        yield self._rate("compress", stats.n_tokens, seconds, prefill, note)
        text, seconds = self._timed(lambda: unpacked(self._model, file, self._n_lanes))
        if text != self._text:
            raise RoundTripError(f"{self._name}: what came back is not what went in")
        note = f"{stats.n_chunks} chunks"
        yield self._rate("decompress", stats.n_tokens, seconds, decode, note)

    def _pack(self, text: bytes) -> tuple[bytes, Stats]:
        return packed(self._model, text, self._level)

    def _model_s(self, ids: NDArray[np.int32]) -> float:
        size, predictor = self._plan.chunk_tokens, self._model.predictor
        chunks = [ids[at : at + size] for at in range(0, len(ids), size)]
        list(predictor.intervals(chunks[:1]))
        return self._timed(lambda: list(predictor.intervals(chunks)))[1]

    def _timed(self, work: Callable[[], T]) -> tuple[T, float]:
        with synchronised(self._plan.where):
            begin_s = time.perf_counter()
            result = work()
        return result, time.perf_counter() - begin_s

    def _rate(
        self, what: str, n_tokens: int, seconds: float, limit: float | None, note: str = ""
    ) -> Found:
        """A speed in MB/s; its ceiling, in tokens a second, likewise."""
        mb_per_token = len(self._text) / 1e6 / n_tokens
        words = f"{n_tokens / seconds:,.0f} tokens/s, {len(self._text):,} bytes"
        return Found(
            f"{self._name}: {what}",
            mb_per_token * n_tokens / seconds,
            "MB/s",
            None if limit is None else limit * mb_per_token,
            f"{words}; {note}" if note else words,
        )
