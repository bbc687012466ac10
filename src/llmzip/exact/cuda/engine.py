"""The engine on CUDA: batches in, intervals out; decoding steps replay captured graphs."""

from __future__ import annotations

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
from llmzip.exact.cuda.buffers import CudaCache, DeviceModel, Workspace, to_device, to_host, view
from llmzip.exact.cuda.distributions import CudaDistributions, JoinedDistributions
from llmzip.exact.cuda.forward import Forward
from llmzip.exact.cuda.gemm import choose_product, padded, padded_rows
from llmzip.exact.cuda.gradients import GradientRoom
from llmzip.exact.cuda.launch import block_of, launch, warps_for
from llmzip.exact.distribution import Distributions, Ids, TokenIntervals
from llmzip.exact.hidden import Hidden
from llmzip.exact.model import ExactModel
from llmzip.exact.tensors import TensorCache, TensorHidden, zeros_on

MOST_ROWS = 16384
"""Rows of one forward pass, where memory allows: enough to keep a large device busy."""
MOST_LANES = 4096
HEAD_BYTES = 256 << 20
"""What the vocabulary-wide sums of `intervals` may take at once."""
INTERVAL_BLOCK = 2048
"""Tokens whose frequencies a program computes at once."""


class CudaEngine:
    """An exact model on a CUDA device, or, under TRITON_INTERPRET=1, in Triton's interpreter.

    Not thread-safe. What `forward` returns lies in the engine's buffers: use it before the
    next call.
    """

    step_threads = 1
    way = "triton"

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
        self._cuda = self._device.type == "cuda"
        self._pad = self._cuda if pad is None else pad
        self._model = DeviceModel(model, self._device)
        self.max_rows = max_rows or self._affordable_rows()
        self._work = Workspace(model.shape, step_rows(self.max_rows), self._device)
        self._biases = DeviceBiases(self._device)
        self._product = choose_product(self._device)
        self._forward = Forward(model.shape, self._model, self._work, self._product)

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

    def forward(self, ids: Ids, lanes: Ids, starts: Ids, cache: TensorCache) -> Hidden[Tensor]:
        """As `Reference.forward`, for arrays with B · T at most `max_rows`."""
        assert isinstance(cache, CudaCache)
        B, T = ids.shape
        n_rows = self._rows_of(B * T, step=T == 1)
        with torch.inference_mode():
            self._feed(ids, lanes, starts, n_rows)
            if self._cuda and T == 1:
                self._step(n_rows, cache)
            else:
                self._forward(n_rows, B, T, cache)
            q = view(self._work.q, n_rows, self._model.head.n_in)
            return TensorHidden(q[: B * T, : self.shape.d_model], self._work.scale[: B * T])

    def _rows_of(self, n_rows: int, *, step: bool) -> int:
        """Rows to run for `n_rows`: what the GEMM takes; for steps, one of a few numbers."""
        if not self._pad:
            return n_rows
        return step_rows(n_rows) if step else padded_rows(n_rows)

    def _feed(self, ids: Ids, lanes: Ids, starts: Ids, n_rows: int) -> None:
        """Put ids, lanes and positions of every row on the device; rows past them have lane -1."""
        B, T = ids.shape
        rows = np.zeros((3, n_rows), dtype=np.int64)
        rows[1] = -1
        rows[0, : B * T] = ids.reshape(-1)
        rows[1, : B * T] = np.repeat(lanes, T)
        rows[2, : B * T] = (starts[:, None] + np.arange(T)).reshape(-1)
        view(self._work.inputs, 3, n_rows).copy_(to_device(rows, self._device), non_blocking=True)

    def _step(self, n_rows: int, cache: CudaCache) -> None:
        """One token a lane: launched the first time, captured the second, replayed from then on."""
        if n_rows not in cache.graphs:
            self._forward(n_rows, n_rows, 1, cache)
            cache.graphs[n_rows] = None
            return
        graph = cache.graphs[n_rows]
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._forward(n_rows, n_rows, 1, cache)
            cache.graphs[n_rows] = graph
        graph.replay()

    def intervals(self, hidden: Hidden[Tensor], tokens: Ids) -> TokenIntervals:
        """The intervals of the next tokens (rows,) in the distributions of `hidden`."""
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
                    BLOCK=block,
                    num_warps=warps_for(block),
                )
            return self._intervals_of(tokens, to_host(found))

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
        rows = self._rows_of(n_rows, step=False)
        q = torch.zeros(rows, linear.n_in, dtype=torch.int8, device=self._device)
        q[:n_rows, : self.shape.d_model] = hidden.q[part]
        sums = torch.empty(rows, linear.n_out, dtype=torch.int32, device=self._device)
        self._product(q, linear.weight, sums)
        own = linear.bias
        of = torch.zeros(n_rows, dtype=torch.int64, device=self._device)
        if bias is not None:
            rows_bias = RowBias.of_rows(bias, len(hidden.scale)).part(part)
            own, of = self._biases.on_device(rows_bias)
        return sums, linear.scale, own, of, hidden.scale[part].to(self._device).clone()

    def distributions(self, hidden: Hidden[Tensor], bias: AnyBias | None = None) -> Distributions:
        """The distributions of `hidden`, ready to be searched; they hold their own memory."""
        n_rows = len(hidden.scale)
        with torch.inference_mode():
            arguments = self._head_arguments(hidden, slice(0, n_rows), bias)
            biased = self._model.head.biased or bias is not None
            return CudaDistributions(arguments, n_rows, self.shape.vocab_size, biased)

    def gradient_room(self) -> GradientRoom:
        """Make room for gradients that stay on the device until they are wanted."""
        return GradientRoom(self._device, self.shape.vocab_size)

    def step(
        self, ids: Ids, lanes: Ids, at: Ids, cache: TensorCache, bias: AnyBias | None = None
    ) -> Distributions:
        """Feed a token each to distinct lanes; return the distributions after."""
        parts = []
        for first in range(0, len(ids), self.max_rows):
            part = slice(first, first + self.max_rows)
            hidden = self.forward(ids[part, None], lanes[part], at[part], cache)
            own = bias.part(part) if isinstance(bias, RowBias) else bias
            parts.append(self.distributions(hidden, own))
        return parts[0] if len(parts) == 1 else JoinedDistributions(parts, self.max_rows)


def step_rows(n_rows: int) -> int:
    """Rows of a step's batch: 32, 48, 64, 96, 128, 192 and so on, so that few graphs serve all."""
    power = 1 << (max(n_rows, 32) - 1).bit_length()
    return power * 3 // 4 if n_rows <= power * 3 // 4 and power > 32 else power
