"""Sequences of launches that are replayed as CUDA graphs: some hundred kernels for one launch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import torch

MOST_KEPT = 64
"""Sequences of one cache that are worth a graph; the rest is launched."""

T = TypeVar("T")


class Graphs(Generic[T]):
    """Sequences by their keys: launched the first time, captured the second, replayed after that.

    A sequence must read and write the same memory each time. What it returns when it is captured
    is returned by every replay, which overwrites it, as do those of other keys.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[torch.cuda.CUDAGraph, T] | None] = {}
        self._pool: Any = None

    def run(self, key: Hashable, work: Callable[[], T]) -> T:
        """Run `work`, or what was captured of it."""
        if key not in self._kept:
            if len(self._kept) < MOST_KEPT:
                self._kept[key] = None
            return work()
        kept = self._kept[key]
        if kept is None:
            kept = self._captured(work)
            self._kept[key] = kept
        graph, result = kept
        graph.replay()
        return result

    def _captured(self, work: Callable[[], T]) -> tuple[torch.cuda.CUDAGraph, T]:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = work()
        return graph, result
