"""Decoding steps by a team of threads: what `step` needs, made once, and its callers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.aligned import LINE_BYTES, aligned_zeros
from llmzip.exact.bias import RowBias
from llmzip.exact.cpu.apart import Apart
from llmzip.exact.cpu.block_attention import configuration_of
from llmzip.exact.cpu.buffers import CpuCache
from llmzip.exact.cpu.crowding import Crowding
from llmzip.exact.cpu.head import BLOCK
from llmzip.exact.cpu.instruction_set import InstructionSet
from llmzip.exact.cpu.product import PADDED_ROWS
from llmzip.exact.cpu.step import STAGES, WAITING, StepCache, StepModel, StepWork, step
from llmzip.exact.shape import ModelShape
from llmzip.forks import Threads

Ids = NDArray[np.int64]

N_TICKS = len(STAGES) + 1
"""Of each stage, and waiting."""
ALL_HAVE_MET = 1 << 40
"""At the barrier: more than are ever waited for."""


class StepTeam:
    """Runs steps of one model with up to `n_threads` threads, the caller's among them."""

    def __init__(self, shape: ModelShape, model: StepModel, n_threads: int) -> None:
        self._shape, self._model, self._n_threads = shape, model, n_threads
        self._work = _step_work(shape, PADDED_ROWS, n_threads, model.isa)
        self._crowding = Crowding(n_threads)
        self._pool = Threads(max(1, n_threads - 1), "llmzip-step")
        self._others: list[Future[None]] = []  # of the last step, which need not have ended

    @property
    def ticks(self) -> NDArray[np.int64]:
        """Ticks spent by each thread in each of STAGES, and waiting, since the last new buffers."""
        return self._work.ticks[:, :N_TICKS]

    def run(
        self,
        ids: Ids,
        lanes: Ids,
        at: Ids,
        cache: CpuCache,
        bias: RowBias | None = None,
    ) -> StepWork:
        """Feed ids (M,) to lanes (M,) at positions (M,); the work holds the distributions."""
        if len(ids) > len(self._work.stream):
            self._work = _step_work(self._shape, len(ids), self._n_threads, self._model.isa)
        self._pool.wait(self._others)  # now nobody looks at the barrier
        self._work.barrier[:] = 0
        self._put_in_order(lanes)
        self._work.bias_of[: len(ids)] = 0 if bias is None else bias.of
        n_threads, model = self._crowding.n_threads, self._model
        if bias is not None:
            model = model._replace(head=model.head._replace(bias=bias.values))
        arguments: tuple[Any, ...] = (
            n_threads,
            ids,
            lanes,
            at,
            model,
            StepCache(cache.keys, cache.values, cache.key_scales, cache.value_scales),
            self._work,
        )
        run = step.ready(0, *arguments)
        begin_s, ticks = time.perf_counter(), self.ticks[0].copy()
        try:
            apart = Apart()
            parts = range(1, n_threads)
            self._others = [self._pool.submit(self._part, i, apart, run, arguments) for i in parts]
            if self._others:
                apart.take_place()
            run(0, *arguments)
        except BaseException:
            self._give_up()
            raise
        if self._work.barrier[0] >= ALL_HAVE_MET:
            for other in self._others:
                other.result()
        ticks = self.ticks[0] - ticks
        waited = float(ticks[WAITING] / max(1, ticks.sum()))
        self._crowding.note(time.perf_counter() - begin_s, waited)
        return self._work

    def _put_in_order(self, lanes: Ids) -> None:
        """Let attention go from head to head, of each through the rows of a lane: it is near then.

        Rows of a lane follow each other.
        """
        n_kv, follows = self._shape.n_kv_heads, lanes[1:] == lanes[:-1]
        self._work.several[0] = several = follows.any()
        items = np.arange(len(lanes) * n_kv)
        if several:
            rows, heads = np.divmod(items, n_kv)
            items = items[np.lexsort((rows, heads, lanes[rows]))]
        self._work.items[: len(items)] = items

    def _part(
        self, me: int, apart: Apart, run: Callable[..., None], arguments: tuple[Any, ...]
    ) -> None:
        try:
            apart.take_place()
            run(me, *arguments)
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Let threads that wait for one that failed, or was never begun, run on to their end.

        What they leave behind means nothing.
        """
        self._work.barrier[0] = ALL_HAVE_MET


def _step_work(shape: ModelShape, n_rows: int, n_threads: int, isa: InstructionSet) -> StepWork:
    rows = -(-n_rows // PADDED_ROWS) * PADDED_ROWS
    width = shape.d_heads
    widest = max(shape.d_qkv, shape.d_up, shape.d_model)
    widest_input = max(width, shape.d_ff, shape.d_model)
    # in whole lines of the cache, that no two threads share one; nothing is cut off them: `step`
    # would be compiled once for one thread, and again for several, whose rows had gaps between
    line = LINE_BYTES // 8
    ticks = -(-(N_TICKS + 1) // line) * line
    q, scale = aligned_zeros((rows, shape.d_model), np.int8), aligned_zeros((rows,), np.float32)
    return StepWork(
        barrier=aligned_zeros((line,), np.int64),
        stream=aligned_zeros((rows, shape.d_model), np.float32),
        q=q,
        factors=aligned_zeros((rows, 2), np.float32),
        mixed=aligned_zeros((rows, shape.n_heads, shape.d_head), np.float32),
        mixed_q=aligned_zeros((rows, width), np.int8),
        scale=scale,
        aside_q=aligned_zeros(q.shape, np.int8) if shape.parallel else q,
        aside_scale=aligned_zeros((rows,), np.float32) if shape.parallel else scale,
        sums=aligned_zeros((rows * widest,), np.int32),
        halves=aligned_zeros((2 * rows, shape.d_ff), np.int8),
        half_sums=aligned_zeros((2 * rows, shape.d_model), np.int32),
        thread_tops=aligned_zeros((n_threads, rows), np.float32),
        logits=aligned_zeros((rows, shape.vocab_size), np.float32),
        blocks=aligned_zeros((rows, -(-shape.vocab_size // BLOCK)), np.int64),
        bias_of=aligned_zeros((rows,), np.int64),
        items=aligned_zeros((rows * shape.n_kv_heads,), np.int64),
        several=aligned_zeros((1,), np.bool_),
        configuration=configuration_of(isa),
        wide=aligned_zeros((n_threads, rows * widest_input), np.int16),
        ticks=aligned_zeros((n_threads, ticks), np.int64),
    )
