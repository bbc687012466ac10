"""How kernels are launched: without contraction, from Python or from Triton's interpreter."""

from __future__ import annotations

from typing import Any

import triton


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run a kernel over a grid; `constants` are its constexprs and num_warps, num_stages.

    enable_fp_fusion=False: Triton would otherwise contract a·b + c, which rounds once
    where the reference rounds twice.
    """
    kernel[grid](*arguments, enable_fp_fusion=False, **constants)


def block_of(size: int, least: int = 1) -> int:
    """The power of two that holds `size`, at least `least`: what tl.arange takes."""
    return max(least, int(triton.next_power_of_2(size)))


def warps_for(block: int) -> int:
    """Warps for a row of `block` elements: about eight elements a thread."""
    return max(1, min(16, block // 256))
