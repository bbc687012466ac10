"""The engine on CUDA: batches in, intervals out; decoding steps replay captured graphs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.errors import DeviceError
from llmzip.exact.bias import AnyBias, RowBias
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cuda import head
from llmzip.exact.cuda.attention import MAX_POSITIONS
from llmzip.exact.cuda.biases import DeviceBiases
from llmzip.exact.cuda.buffers import (
    N_INPUTS,
    DeviceModel,
    Workspace,
    begin_to_host,
    put,
    to_device,
    view,
)
from llmzip.exact.cuda.distributions import CudaDistributions, JoinedDistributions
from llmzip.exact.cuda.forward import Forward
from llmzip.exact.cuda.gemm import padded, product
from llmzip.exact.cuda.gradients import GradientRoom
from llmzip.exact.cuda.graphs import Graphs
from llmzip.exact.cuda.kv_cache import CudaCache
from llmzip.exact.cuda.launch import block_of, launch, warps_for
from llmzip.exact.cuda.scalars import cap_constants
from llmzip.exact.distribution import Distributions, Ids, TokenIntervals
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel, named
from llmzip.exact.tensors import TensorCache, TensorHidden, zeros_on

MOST_ROWS = 16384
"""Rows of one forward pass, where memory allows: enough to keep a large device busy."""
MOST_LANES = 4096
HEAD_BYTES = 256 << 20
"""What the vocabulary-wide sums of `intervals` may take at once."""
INTERVAL_BLOCK = 8192
"""Tokens whose frequencies a program computes at once."""

T = TypeVar("T")


class CudaEngine:
    """An exact model on a CUDA device, or, under TRITON_INTERPRET=1, in Triton's interpreter.

    Not thread-safe. What `forward` returns lies in the engine's buffers: use it before the
    next call.
    """

    step_threads = 1
    way = "triton"
    groups_together = 16

    def __init__(
        self,
        model: ExactModel,
        device: str,
        n_positions: int,
        max_rows: int | None = None,
        *,
        pad: bool | None = None,
    ) -> None:
        """`max_rows`: as memory allows. `pad`: fill batches up; where the device is CUDA.

        Raises DeviceError if there are more positions than the kernels' sums hold.
        """
        if n_positions > MAX_POSITIONS:
            raise DeviceError(
                f"{n_positions} positions are more than the CUDA engine's {MAX_POSITIONS}; "
                "use --device cpu"
            )
        self.shape, self.device, self._device = model.shape, device, torch.device(device)
        self._ids = model.ids
        self._cuda = self._device.type == "cuda"
        self._pad = self._cuda if pad is None else pad
        self._model = DeviceModel(model, self._device)
        self.max_rows = max_rows or self._affordable_rows()
        self._work = Workspace(model.shape, step_rows(self.max_rows), self._device)
        self._biases = DeviceBiases(self._device)
        self._n_positions = n_positions
        self._kept: CudaCache | None = None
        self._forward = Forward(model.shape, self._model, self._work)

    def _affordable_rows(self) -> int:
        """Rows whose buffers take a thirty-second of the free memory; a power of two."""
        if not self._cuda:
            return 256
        free = torch.cuda.mem_get_info(self._device)[0]
        rows = free // 32 // Workspace.row_bytes(self.shape)
        return max(256, min(MOST_ROWS, 1 << max(rows, 1).bit_length() - 1))

    def default_lanes(self, n_positions: int) -> int:
        """Lanes to decode together: as many as three quarters of the free memory hold."""
        s = self.shape
        cache = s.n_layers * s.n_kv_heads * 2 * (s.d_head + 4) * n_positions
        lane = cache + 4 * s.n_heads * n_positions + 4 * padded(s.vocab_size)
        free = torch.cuda.mem_get_info(self._device)[0] if self._cuda else 1 << 30
        return max(1, min(MOST_LANES, free * 3 // 4 // lane))

    def prefill_lanes(self, n_positions: int) -> int:
        """Windows to prefill side by side: as many as one pass has rows for."""
        return max(1, self.max_rows // n_positions)

    @property
    def head_rows(self) -> int:
        """Rows whose distributions are worth asking for at once: as many as HEAD_BYTES hold."""
        return max(1, HEAD_BYTES // (4 * self._model.head.n_out))

    @property
    def head_bias(self) -> NDArray[np.float32] | None:
        """The head's own bias."""
        head, n_out = self._model.head, self.shape.vocab_size
        return head.bias[:n_out].cpu().numpy() if head.biased else None

    def cache(self, n_lanes: int, n_positions: int) -> CudaCache:
        """Make a KV cache on the device."""
        return CudaCache.allocate(self.shape, n_lanes, n_positions, zeros_on(self._device))

    def working_cache(self, n_lanes: int, n_positions: int) -> CudaCache:
        """Return a cache for one task, with graphs of those before: valid until the next call.

        What stands in it is stale, and need not be zero.
        """
        size = max(self.prefill_lanes(self._n_positions), 1), self._n_positions
        if n_lanes > size[0] or n_positions > size[1]:
            return self.cache(n_lanes, n_positions)
        self._kept = self._kept or self.cache(*size)
        return self._kept

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: TensorCache) -> Hidden[Tensor]:
        """As `Reference.forward`, for arrays with B · T at most `max_rows`."""
        assert isinstance(cache, CudaCache)
        B, T = ids.shape
        n_rows = self._rows_of_step(B) if T == 1 else B * T
        with torch.inference_mode():
            self._feed(ids, lanes, starts, n_rows)

            def run() -> None:
                self._forward(n_rows, n_rows if T == 1 else B, T, cache)

            self._run(cache.prefills, (n_rows, T), run)
            q = view(self._work.q, n_rows, self._model.head.n_in)
            return TensorHidden(q[: B * T, : self.shape.d_model], self._work.scale[: B * T])

    def _run(self, graphs: Graphs[T], key: Hashable, work: Callable[[], T]) -> T:
        """Run `work`, on a CUDA device from a graph."""
        return graphs.run(key, work) if self._cuda else work()

    def _rows_of_step(self, n_rows: int) -> int:
        """Rows to run for `n_rows`: one of a few numbers, so that few graphs serve all."""
        return step_rows(n_rows) if self._pad else n_rows

    def _feed(
        self, ids: Ids, lanes: Ids, starts: Ids, n_rows: int, bias_of: Ids | None = None
    ) -> None:
        """Put what every row is fed with on the device; rows past them have lane -1."""
        B, T = ids.shape
        rows = np.zeros((N_INPUTS, n_rows), dtype=np.int64)
        rows[1] = -1
        rows[0, : B * T] = named(ids, self._ids).reshape(-1)
        rows[1, : B * T] = np.repeat(lanes, T)
        rows[2, : B * T] = (starts[:, None] + np.arange(T)).reshape(-1)
        if bias_of is not None:
            rows[3, :B] = bias_of
        put(rows, view(self._work.inputs, N_INPUTS, n_rows))

    def intervals(self, hidden: Hidden[Tensor], tokens: Ids) -> TokenIntervals:
        """The intervals of the next tokens (rows,) in the distributions of `hidden`."""
        return self.begin_intervals(hidden, tokens)()

    def begin_intervals(self, hidden: Hidden[Tensor], tokens: Ids) -> Callable[[], TokenIntervals]:
        """Launch what finds them; return what waits for that, from any thread."""
        n_rows, width, at_once = len(tokens), self._model.head.n_out, self.head_rows
        block = min(INTERVAL_BLOCK, block_of(self.shape.vocab_size))
        with torch.inference_mode():
            wanted = to_device(tokens, self._device)
            found = torch.empty(4, n_rows, dtype=torch.int64, device=self._device)
            for first in range(0, n_rows, at_once):
                part = slice(first, min(first + at_once, n_rows))
                launch(
                    head.token_intervals,
                    (part.stop - part.start,),
                    *self._head_arguments(hidden, part),
                    wanted[part],
                    found[:, first:],
                    n_rows,
                    V=self.shape.vocab_size,
                    SUMS=width,
                    BIASED=self._model.head.biased,
                    **cap_constants(self.shape.logit_cap),
                    BLOCK=block,
                    num_warps=warps_for(block),
                )
            fetched = begin_to_host(found)
        return lambda: self._intervals_of(tokens, fetched())

    def _intervals_of(self, tokens: Ids, found: NDArray[np.int64]) -> TokenIntervals:
        low, freq, total = found[:3].astype(np.uint64)
        own = found[3].astype(np.int32).view(np.float32)
        mass = (found[2] - self.shape.vocab_size).astype(np.float64) * 2.0**-FREQ_BITS
        return TokenIntervals(tokens, low, freq, total, np.log2(mass) - own)

    def _head_arguments(
        self, hidden: Hidden[Tensor], part: slice, bias: AnyBias | None = None
    ) -> tuple[Tensor, ...]:
        """The head's sums of some rows, with what turns them into logits."""
        linear, n_rows = self._model.head, part.stop - part.start
        q = hidden.q[part].to(self._device)
        if linear.n_in != self.shape.d_model:
            q = torch.nn.functional.pad(q, (0, linear.n_in - self.shape.d_model))
        sums = torch.empty(n_rows, linear.n_out, dtype=torch.int32, device=self._device)
        product(q.contiguous(), linear.weight, sums)
        own = linear.bias
        of = torch.zeros(n_rows, dtype=torch.int64, device=self._device)
        if bias is not None:
            rows_bias = RowBias.of_rows(bias, len(hidden.scale)).part(part)
            own, numbers = self._biases.on_device(rows_bias)
            of = to_device(numbers, self._device)
        return sums, linear.scale, own, of, hidden.scale[part].to(self._device).clone()

    def distributions(self, hidden: Hidden[Tensor], bias: AnyBias | None = None) -> Distributions:
        """The distributions of `hidden`, ready to be searched; they hold their own memory."""
        n_rows = len(hidden.scale)
        with torch.inference_mode():
            arguments = self._head_arguments(hidden, slice(0, n_rows), bias)
            biased = self._model.head.biased or bias is not None
            return CudaDistributions(arguments, n_rows, self.shape, biased)

    def gradient_room(self) -> GradientRoom:
        """Make room for gradients that stay on the device until they are wanted."""
        return GradientRoom(self._device, self.shape.vocab_size)

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: TensorCache, bias: AnyBias | None = None
    ) -> Distributions:
        """Feed a token each to distinct lanes; return the distributions after."""
        assert isinstance(cache, CudaCache)
        if len(ids) <= self.max_rows:
            return self._step(ids, lanes, at, cache, bias)
        parts = []
        for first in range(0, len(ids), self.max_rows):
            part = slice(first, first + self.max_rows)
            hidden = self.forward(ids[part, None], lanes[part], at[part], cache)
            own = bias.part(part) if isinstance(bias, RowBias) else bias
            parts.append(self.distributions(hidden, own))
        return JoinedDistributions(parts, self.max_rows)

    def _step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: CudaCache, bias: AnyBias | None
    ) -> CudaDistributions:
        """The same of so many lanes as run at once, the head included in what is captured."""
        n_rows = self._rows_of_step(len(ids))
        table, of, biased = self._model.head.bias, None, self._model.head.biased
        is_kept = True
        with torch.inference_mode():
            if bias is not None:
                rows_bias = RowBias.of_rows(bias, len(ids))
                table, of = self._biases.on_device(rows_bias)
                biased, is_kept = True, rows_bias.version is not None
            self._feed(ids[:, None], lanes, at, n_rows, of)

            def run() -> CudaDistributions:
                return self._predicted(n_rows, cache, table, biased)

            if not is_kept:  # the next biases will lie elsewhere
                return run().first(len(ids))
            return self._run(cache.steps, (n_rows, table.data_ptr(), biased), run).first(len(ids))

    def _predicted(
        self, n_rows: int, cache: CudaCache, table: Tensor, biased: bool
    ) -> CudaDistributions:
        """Run a step of rows that were fed, and the head with its biases (n, V)."""
        self._forward(n_rows, n_rows, 1, cache)
        linear, work = self._model.head, self._work
        sums = view(cache.sums(n_rows, linear.n_out), n_rows, linear.n_out)
        product(view(work.q, n_rows, linear.n_in), linear.weight, sums)
        of = view(work.inputs, N_INPUTS, n_rows)[3]
        arguments = sums, linear.scale, table, of, work.scale[:n_rows]
        return CudaDistributions(arguments, n_rows, self.shape, biased)


def step_rows(n_rows: int) -> int:
    """Rows of a step's batch: 32, 48, 64, 96, 128, 192 and so on, so that few graphs serve all."""
    power = 1 << (max(n_rows, 32) - 1).bit_length()
    return power * 3 // 4 if n_rows <= power * 3 // 4 and power > 32 else power
