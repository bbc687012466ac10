"""The numbers that exact inference is defined with, whatever computes it."""

from __future__ import annotations

import math

EXP2_COEFFICIENTS = (
    0.009582852944731712,
    0.055906426161527634,
    0.24024099111557007,
    0.6931241750717163,
    1.0,
)
"""2^f ≈ Σ c_i f^(4-i) on [-0.5, 0.5], relative error below 3e-6; each a float32, 2^0 = 1."""

EXP2_LIMIT = 125.0
"""Arguments of exp2 are clamped to ± this, inside the normal float32 numbers."""

LOG2_E = 1.4426950408889634
GELU_LINEAR = -2.302208198144325
GELU_CUBIC = -0.1029432395800235

INT8_MAX = 127
INT16_MAX = 32639
"""Largest 16-bit activation: 127 · 256 + 127, so that the high half stays within int8."""
STATISTIC_MAX = 32767
"""Grid of the values whose squares make up a row's mean square."""
TINY = 1e-30
"""Smallest largest-magnitude of a row: keeps a row of zeros from dividing by zero."""

SUM_BITS = 18
"""Fraction bits of the attention weights' integer sum."""
FREQ_BITS = 28
"""The likeliest token's frequency is 2^28 + 1."""


def score_scale(d_head: int, cap: float = 0.0) -> float:
    """Scores are in base 2: log2 e / √d_head; with a cap they are what `arith.capped` takes."""
    scale = LOG2_E / math.sqrt(d_head)
    return scale * cap_unit(cap) if cap else scale


def cap_unit(cap: float) -> float:
    """What numbers in base 2 are multiplied by for `arith.capped`."""
    return 2.0 / cap


def cap_depth(cap: float) -> float:
    """How far numbers may lie below the cap, in base 2: to -cap; negative."""
    return -2.0 * cap * LOG2_E
