"""Prefill in steps of one kernel or one product each, whose sums go through memory."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.exact.cpu import attention, head, rows, turned_rows
from llmzip.exact.cpu.buffers import CpuCache, CpuHidden
from llmzip.exact.cpu.head_blocks import gathered
from llmzip.exact.cpu.layer_prefill import LayerPrefill

Array = NDArray[Any]
Ids = NDArray[np.int64]


class RowPrefill(LayerPrefill):
    """What goes on between products, whatever computes these; see `rows`."""

    @abstractmethod
    def _product(self, q: Array, weight: Array, sums: Array) -> None:
        """Fill in the integer product of int8 rows with a weight."""

    @abstractmethod
    def _down_sums(self, halves: Array, weight: Array) -> tuple[Array, Array]:
        """The sums of high and of low halves (2, rows, d_ff)."""

    def _show(self, q: Array, name: str, index: int) -> None:
        """Show rows that a linear is about to take in to who looks."""
        if self._look is not None:
            d_head = self._model.d_head
            spread = name == "out" and d_head != self._shape.d_head
            self._look(f"{index}.{name}", gathered(q, d_head) if spread else q)

    def _sums(self, q: Array, name: str, index: int) -> Array:
        """The integer product of int8 rows with a linear's weights."""
        self._show(q, name, index)
        weight, scale, _ = self._model.linear(name, index)
        sums: Array = self._work.sums.array(len(q), len(scale))
        self._product(q, weight, sums)
        return sums

    def _project(self, index: int, lanes: Ids, at: Ids, cache: CpuCache) -> None:
        work, n_rows = self._work, len(at)
        sums = self._sums(work.q.array(n_rows, self._shape.d_model), "qkv", index)
        linear, placing = self._model.linear("qkv", index), self._placing(index, lanes, at, cache)
        attention.split_heads(sums, linear[1:], work.scale.array(n_rows), placing)

    def _close_attention(self, index: int, n_rows: int) -> None:
        work, width = self._work, self._shape.d_heads
        scale, q = work.aside_scale.array(n_rows), work.aside_q.array(n_rows, width)
        rows.quantise_rows(work.mixed.array(n_rows, width), q, scale)
        sums = self._sums(q, "out", index)
        self._add(index, "out", (sums,), work.aside_q.array(n_rows, self._shape.d_model), scale)

    def _feed_forward(self, index: int, n_rows: int) -> None:
        work, shape = self._work, self._shape
        scale, q = work.scale.array(n_rows), work.q.array(n_rows, shape.d_model)
        halves = work.halves.array(2, n_rows, shape.d_ff)
        sums = self._sums(q, "up", index)
        _, *own = self._model.linear("up", index)
        rows.activate_quantise(int(shape.feed_forward), sums, *own, scale, *halves, scale)
        self._show(halves[0], "down", index)
        both = self._down_sums(halves, self._model.linear("down", index)[0])
        self._add(index, "down", both, q, scale)

    def _add(self, index: int, name: str, sums: tuple[Array, ...], q: Array, scale: Array) -> None:
        """What a linear gives to the stream, which then is taken in: q, and scale in place.

        sums: those of rows, or of their high and low halves.
        """
        linear = self._model.linear(name, index)[1:]
        stream, eps, part = self._work.stream.array(*q.shape), self._shape.eps, len(sums) - 1
        if self._shape.norms:
            add = (turned_rows.add_normed, turned_rows.add_normed_wide)[part]
            add(*sums, linear, scale, self._model.added_gains[index, part], eps, stream)
            self._take_in(2 * index + 1 + part, stream, q, scale)
        else:
            add = (rows.add_normalise, rows.add_normalise_wide)[part]
            add(*sums, linear, scale, stream, eps, q, scale)

    def _head_sums(self, q: Array) -> Array:
        """The head's sums (rows, V)."""
        weight, scale, _ = self._model.linear("head")
        whole = self._work.head_sums.array(len(q), self._head_width(len(scale)))
        self._product(q, weight, whole)
        return whole[:, : len(scale)]

    def _head_width(self, n_out: int) -> int:
        """How many outputs there must be memory for."""
        return n_out

    def _head_intervals(self, hidden: CpuHidden, tokens: Ids, found: tuple[Array, ...]) -> None:
        linear = *self._model.linear("head")[1:], self._logit_cap
        head.token_intervals((self._head_sums(hidden.q), hidden.scale, tokens), linear, found)
