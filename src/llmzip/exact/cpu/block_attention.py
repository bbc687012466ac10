"""Attention where sums are used where they are made: in tiles, see `prefill`, or by fours.

Which, the number of axes of the configuration says, for numba compiles what an array's type says,
and no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.compiled import inlined, kernel
from llmzip.exact.cpu import four_attention, prefill, tiles
from llmzip.exact.cpu.fours import begin_products, end_products
from llmzip.exact.cpu.instruction_set import Dot, InstructionSet
from llmzip.exact.cpu.prefill_softmax import first_block, whole
from llmzip.exact.cpu.scalars import borrowed, keep, wide_vectors


def configuration_of(isa: InstructionSet) -> NDArray[np.uint8]:
    """What tiles are configured by; else nothing: in two axes for fours, in three for pairs."""
    if isa.IS_TILED:
        return tiles.configuration()
    return np.empty((0, 0) if isinstance(isa, Dot) else (0, 0, 0), np.uint8)


@inlined
def make_scratch(configuration: Any, n_keys: int, d: int) -> Any:
    """Scratch for up to n_keys keys, a multiple of tiles.TERMS."""
    if configuration.ndim == 1:
        return prefill.make_scratch(n_keys, d)
    return four_attention.make_scratch(n_keys, d)


@kernel
def attend(isa: Any, configuration: Any, own: Any, rows: Any, mixed: Any) -> None:
    """As `pair_attention.attend`; queries have memory for 2 tiles.ROWS rows more behind."""
    wide_vectors()
    queries, query_scales, keys, key_scales, values, value_scales, cap = borrowed(own)
    mixed, (_, count, start, window), (n_kv, _, n_group, d) = borrowed(mixed), rows, queries.shape
    n_keys = whole(start + count, tiles.TERMS) - first_block(start, window)
    scratch, nowhere = make_scratch(configuration, n_keys, d), (np.int64(0), np.int64(0))
    begin_products(isa, configuration)
    for g in range(n_kv):
        head = queries[g], query_scales[g], keys[g], key_scales[g], values[g], value_scales[g], cap
        if configuration.ndim == 1:
            prefill.attend_head(head, rows, False, nowhere, scratch, mixed, g * n_group)
        else:
            four_attention.attend_head(isa, head, rows, False, nowhere, scratch, mixed, g * n_group)
    end_products(isa)
    keep(scratch)
