"""The feed-forward of prefill in tiles: its sums are used while the next products go on.

See `rows` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import kernel
from llmzip.exact.cpu import prefill_passes as passes
from llmzip.exact.cpu import tile_steps, tiles
from llmzip.exact.cpu.buffers import TOGETHER
from llmzip.exact.cpu.prefill_activations import activate
from llmzip.exact.cpu.prefill_blocks import PAIR, ROWS, WIDTH, halve_rows, normalise_rows
from llmzip.exact.cpu.scalars import address_of, borrowed, keep, wide_vectors


@kernel
def feed_forward(
    configuration: Any, activation: int, up: Any, down: Any, eps: float, scratch: Any, stream: Any
) -> None:
    """As `four_linear.feed_forward`; q has memory for PAIR rows more behind."""
    wide_vectors()
    (up, up_scale, up_bias), (down, down_scale, down_bias) = borrowed(up), borrowed(down)
    (active, halves), (x, q, s) = borrowed(scratch), borrowed(stream)
    n_active, width = np.int64(active.shape[1]), np.int64(x.shape[1])
    sums, squares = tiles.lines(2 * PAIR * WIDTH // ROWS), tiles.lines(2 * ROWS)
    largest = tiles.lines(TOGETHER).view(np.float32)
    inverses, scales = np.empty(TOGETHER, dtype=np.float32), np.empty(TOGETHER, dtype=np.float32)
    sums_at, buffer, n_matrices = address_of(sums), 4 * PAIR * WIDTH, up_scale.size // n_active
    n_steps = n_matrices * (width // tiles.TERMS)
    line = np.int64(tiles.TERMS)
    at_once = (PAIR + n_steps - 1) // n_steps
    active_at, halves_at, largest_at = address_of(active), address_of(halves), address_of(largest)
    inverses_at, scales_at = address_of(inverses), address_of(scales)
    floats, wide = (active_at, np.int64(4 * TOGETHER * WIDTH), largest_at), 4 * width
    linear = activation, up_scale, up_bias, n_active
    largest[:] = 0
    tiles.configure(configuration)
    for first in range(0, x.shape[0], TOGETHER):
        n_rows = min(TOGETHER, x.shape[0] - first)
        q_at, s_at = address_of(q) + first * width, address_of(s) + 4 * first
        n_blocks_here = (n_rows + PAIR - 1) // PAIR
        n_todo = n_active // PAIR * n_blocks_here
        for todo in range(n_todo + 1):
            # the products of a block go on while the sums of the one before are used
            c, r = todo // n_blocks_here * PAIR, todo % n_blocks_here * PAIR
            old_c, old_r = (todo - 1) // n_blocks_here * PAIR, (todo - 1) % n_blocks_here * PAIR
            new_at, old_at = sums_at + todo % 2 * buffer, sums_at + (todo + 1) % 2 * buffer
            n_left = min(PAIR, n_rows - old_r) if todo else 0
            done: Any = 0
            next_at = address_of(up) + (c + PAIR) * width + todo % n_blocks_here * 8 * width
            if todo < n_todo:
                for matrix in range(n_matrices):
                    w_at = address_of(up) + (matrix * n_active + c) * width
                    tile_steps.begin_2x2()
                    for k in range(0, width, tiles.TERMS):
                        at = q_at + r * width + k
                        tile_steps.add_2x2(
                            at, width, width * ROWS, w_at + k * ROWS, line, width * ROWS
                        )
                        ahead = next_at + k * 8 + matrix * n_active * width
                        tiles.ask_for_lines(ahead)
                        tiles.ask_for_lines(ahead + 256)
                        n = min(at_once, n_left - done)
                        if n > 0:
                            activate(*linear, old_at, s_at, done, n, old_c, old_r, *floats)
                            done += n
                    tile_steps.end_2x2(new_at + matrix * (4 * PAIR * PAIR), np.int64(4 * PAIR))
            if n_left > done:
                activate(*linear, old_at, s_at, done, n_left - done, old_c, old_r, *floats)
        halve_rows(tiles.AMX, floats, n_rows, n_active, inverses_at, scales_at, halves_at)
        largest[:] = 0
        for c in range(0, x.shape[1], PAIR):
            w_at = address_of(down) + c * n_active
            for r in range(0, n_rows, ROWS):
                rows_at = halves_at + 2 * r * n_active
                tile_steps.begin_2x2()
                for k in range(0, n_active, tiles.TERMS):
                    at, half = rows_at + k, n_active * ROWS
                    tile_steps.add_2x2(at, n_active, half, w_at + k * ROWS, line, half)
                    tiles.ask_for_lines(w_at + PAIR * n_active + r // ROWS * 4 * n_active + k * 4)
                tile_steps.end_2x2(sums_at, np.int64(4 * PAIR))
                own = address_of(down_scale) + 4 * c, passes.bias_at(down_bias, c)
                target = address_of(x) + (first + r) * wide + 4 * c, wide
                block, most = np.int64(min(ROWS, n_rows - r)), largest_at + r * tiles.TERMS
                passes.add_wide_block(sums_at, *own, scales_at + 4 * r, block, *target, most)
        normalise_rows(tiles.AMX, (x, q, s), eps, (largest, squares, scales), first, n_rows)
    tiles.release()
    keep((sums, inverses))
