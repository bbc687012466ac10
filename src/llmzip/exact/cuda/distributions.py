"""Distributions on the device: totals and found tokens are all that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmzip.exact.bias import GRADIENT_BITS
from llmzip.exact.constants import FREQ_BITS
from llmzip.exact.cuda.buffers import to_device, to_host
from llmzip.exact.cuda.gradients import GradientRoom
from llmzip.exact.cuda.head import (
    GRADIENT_ROWS,
    SEARCH_BLOCK,
    block_sums,
    find_tokens,
    look_up,
    store_frequencies,
    subtract_probabilities,
)
from llmzip.exact.cuda.launch import block_of, launch
from llmzip.exact.cuda.scalars import cap_constants
from llmzip.exact.distribution import Distributions, TokenIntervals
from llmzip.exact.shape import ModelShape

T = TypeVar("T", bound=np.generic)
U64 = NDArray[np.uint64]


class CudaDistributions:
    """Distributions of several rows: see `distribution.Distributions`."""

    def __init__(
        self, arguments: tuple[Tensor, ...], n_rows: int, shape: ModelShape, biased: bool
    ) -> None:
        """`arguments`: sums (rows, SUMS), the head's scale and biases, the rows' biases, scales."""
        vocab_size = shape.vocab_size
        self._arguments, self._n_rows = arguments, n_rows
        device = arguments[0].device
        n_blocks = -(-vocab_size // SEARCH_BLOCK)
        self._tops = torch.empty(n_rows, dtype=torch.float32, device=device)
        self._blocks = torch.empty(n_rows, n_blocks, dtype=torch.int64, device=device)
        self._totals = torch.empty(n_rows, dtype=torch.int64, device=device)
        self._constants: dict[str, Any] = {
            "V": vocab_size,
            "SUMS": arguments[0].shape[1],
            "BIASED": biased,
            **cap_constants(shape.logit_cap),
            "N_BLOCKS": n_blocks,
            "BLOCK": SEARCH_BLOCK,
            "num_warps": 4,
        }
        outputs = self._tops, self._blocks, self._totals
        launch(block_sums, (n_rows,), *arguments, *outputs, **self._constants)

    def first(self, n_rows: int) -> CudaDistributions:
        """Return those of the first rows, in the same memory."""
        if n_rows == self._n_rows:
            return self
        found = copy(self)
        found._n_rows, found._totals = n_rows, self._totals[:n_rows]
        return found

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""
        return to_host(self._totals).astype(np.uint64)

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The tokens whose intervals hold the targets."""
        with torch.inference_mode():
            device = self._totals.device
            wanted = to_device(targets.astype(np.int64), device)
            found = torch.empty(3, self._n_rows, dtype=torch.int64, device=device)
            launch(
                find_tokens,
                (self._n_rows,),
                *self._arguments,
                self._tops,
                self._blocks,
                wanted,
                found,
                self._n_rows,
                BLOCKS=block_of(self._blocks.shape[1]),
                **self._constants,
            )
            tokens, low, freq = to_host(found)
        answer = TokenIntervals.empty(len(targets))
        answer.tokens[:], answer.low[:], answer.freq[:] = tokens, low, freq
        return answer

    def look_up(self, ids: NDArray[np.int64]) -> tuple[U64, U64]:
        """Where tokens (rows, C) lie: (low, freq)."""
        with torch.inference_mode():
            device = self._totals.device
            found = torch.empty(2, ids.size, dtype=torch.int64, device=device)
            launch(
                look_up,
                (ids.size,),
                *self._arguments,
                self._tops,
                self._blocks,
                to_device(np.ascontiguousarray(ids), device),
                found,
                ids.size,
                ids.shape[1],
                BLOCKS=block_of(self._blocks.shape[1]),
                **self._constants,
            )
            low, freq = to_host(found).astype(np.uint64).reshape(2, *ids.shape)
        return low, freq

    def frequencies(self) -> NDArray[np.int64]:
        """The frequencies of all tokens, (rows, V)."""
        n_rows, n_blocks = self._n_rows, self._blocks.shape[1]
        constants = self._but_blocks()
        with torch.inference_mode():
            shape = n_rows, self._constants["V"]
            freq = torch.empty(shape, dtype=torch.int64, device=self._totals.device)
            arguments = *self._arguments, self._tops, freq
            launch(store_frequencies, (n_rows, n_blocks), *arguments, **constants)
            found: NDArray[np.int64] = to_host(freq)
        return found

    def add_gradient(
        self, tokens: NDArray[np.int64], gradient: NDArray[np.int64], first_row: int = 0
    ) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted."""
        room = GradientRoom(self._totals.device, len(gradient))
        self.add_gradients(tokens, np.zeros_like(tokens), room, first_row)
        gradient += room.taken(0)

    def add_gradients(
        self,
        tokens: NDArray[np.int64],
        of: NDArray[np.int64],
        room: GradientRoom,
        first_row: int = 0,
    ) -> None:
        """Add the same of several groups to what `room` holds, without waiting for the device.

        of: (rows,), which group's each row is; rows of a group follow each other.
        """
        rows = slice(first_row, first_row + len(tokens))
        firsts = np.flatnonzero(np.diff(of, prepend=of[0] - 1))
        ends = np.append(firsts, len(of))
        places = np.array([room.place(int(number)) for number in of[firsts]], dtype=np.int64)
        n_programs = -(-int(np.diff(ends).max()) // GRADIENT_ROWS)
        sums, scale, bias, bias_of, s = self._arguments
        constants = self._but_blocks()
        with torch.inference_mode():
            totals = self._totals[rows].to(torch.float64)
            units = torch.full_like(totals, 2.0 ** (GRADIENT_BITS + FREQ_BITS)) / totals
            launch(
                subtract_probabilities,
                (self._blocks.shape[1], len(places), n_programs),
                sums[rows],
                scale,
                bias,
                bias_of[rows],
                s[rows],
                self._tops[rows],
                units.to(torch.float32),
                to_device(ends, totals.device),
                to_device(places, totals.device),
                room.sums,
                ROWS=GRADIENT_ROWS,
                **constants,
            )
            room.count(np.repeat(places, np.diff(ends)), tokens)

    def _but_blocks(self) -> dict[str, int]:
        """What kernels are told that do without the sums by blocks."""
        return {name: value for name, value in self._constants.items() if name != "N_BLOCKS"}


class JoinedDistributions:
    """Distributions of parts of a batch, `part_rows` rows each but the last."""

    def __init__(self, parts: Sequence[Distributions], part_rows: int) -> None:
        self._parts, self._part_rows = parts, part_rows

    def totals(self) -> NDArray[np.uint64]:
        """The frequencies' sum of each row."""
        return np.concatenate([part.totals() for part in self._parts])

    def find(self, targets: NDArray[np.uint64]) -> TokenIntervals:
        """The tokens whose intervals hold the targets."""
        found = zip(self._parts, self._cut(targets), strict=True)
        return TokenIntervals.joined([part.find(some) for part, some in found])

    def look_up(self, ids: NDArray[np.int64]) -> tuple[U64, U64]:
        """Where tokens (rows, C) lie: (low, freq)."""
        found = [part.look_up(own) for part, own in zip(self._parts, self._cut(ids), strict=True)]
        low, freq = (np.concatenate(column) for column in zip(*found, strict=True))
        return low, freq

    def frequencies(self) -> NDArray[np.int64]:
        """The frequencies of all tokens, (rows, V)."""
        return np.concatenate([part.frequencies() for part in self._parts])

    def add_gradient(
        self, tokens: NDArray[np.int64], gradient: NDArray[np.int64], first_row: int = 0
    ) -> None:
        """Add to `gradient` (V,) what came, tokens (rows,), less what was predicted."""
        done = 0
        while done < len(tokens):
            index, row = divmod(first_row + done, self._part_rows)
            own = tokens[done : done + self._part_rows - row]
            self._parts[index].add_gradient(own, gradient, row)
            done += len(own)

    def add_gradients(
        self, tokens: NDArray[np.int64], of: NDArray[np.int64], room: GradientRoom
    ) -> None:
        """Add the same of several groups to what `room` holds; see CudaDistributions."""
        parts = zip(self._parts, self._cut(tokens), self._cut(of), strict=True)
        for part, own, numbers in parts:
            assert isinstance(part, CudaDistributions)
            part.add_gradients(own, numbers, room)

    def _cut(self, rows: NDArray[T]) -> list[NDArray[T]]:
        return np.split(rows, range(self._part_rows, len(rows), self._part_rows))
