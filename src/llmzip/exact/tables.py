"""Constant tables, made by integer arithmetic so that every machine makes the same.

RoPE's cosines and sines come from Python integers in fixed point; Hadamard matrices
from Sylvester's doubling and Paley's construction over prime fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

DIGITS = 60
"""Of the decimal numbers from which angles come."""
_BITS = 128  # fraction bits of the fixed-point numbers that tables are computed in
_PRIMES = (3, 7, 11, 19, 23, 31, 43)  # ≡ 3 mod 4: Paley's matrix of order p + 1


def rope_tables(
    n_positions: int, turns: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines of RoPE's angles, each float32 (n_positions, len(turns)).

    turns: how far each pair of a head turns from position to position, in 2^-128 radians, at
    most 8 of them. Each entry is within 2^-100 of the true value before it is rounded to float32.
    """
    pairs = [_pair_column(n_positions, turn) for turn in turns]
    cos, sin = (np.stack([pair[part] for pair in pairs], 1) for part in (0, 1))
    return cos, sin


def rope_turns(theta: float, d_head: int) -> tuple[int, ...]:
    """How far the pairs of a head turn: by theta^(-2i / d_head) (RoFormer, section 3.4.2)."""
    with localcontext(Context(prec=DIGITS)):
        return tuple(map(whole_turn, pair_turns(theta, d_head)))


def pair_turns(theta: float | Decimal, n_rotated: int) -> list[Decimal]:
    """theta^(-2i / n_rotated), in radians a position, in the current decimal context."""
    exponents = [Decimal(-2 * index) / Decimal(n_rotated) for index in range(n_rotated // 2)]
    return [(Decimal(theta).ln() * exponent).exp() for exponent in exponents]


def whole_turn(turn: Decimal) -> int:
    """An angle in 2^-128 radians, in the current decimal context."""
    return int((turn * (1 << _BITS)).to_integral_value())


def _pair_column(n_positions: int, angle: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine of 0, angle, 2 angle, …: one rotation after another in fixed point."""
    step_cos, step_sin = _cos_sin(angle)
    cos, sin = 1 << _BITS, 0
    column = np.empty((2, n_positions), dtype=np.float64)
    for position in range(n_positions):
        column[:, position] = cos >> (_BITS - 62), sin >> (_BITS - 62)
        cos, sin = (
            (cos * step_cos - sin * step_sin) >> _BITS,
            (sin * step_cos + cos * step_sin) >> _BITS,
        )
    column *= 2.0**-62
    return column[0].astype(np.float32), column[1].astype(np.float32)


def _cos_sin(angle: int) -> tuple[int, int]:
    """Cosine and sine of an angle of at most 8, by their power series, in fixed point."""
    cos, sin, term, index = 0, 0, 1 << _BITS, 0
    while term:
        sign = -1 if index & 2 else 1
        if index & 1:
            sin += sign * term
        else:
            cos += sign * term
        index += 1
        term = (term * angle >> _BITS) // index
    return cos, sin


def hadamard(order: int) -> NDArray[np.float64]:
    """A matrix of `order` rows whose blocks along the diagonal are Hadamard matrices.

    Entries are 0 and ±1, H Hᵀ = n I with n = `hadamard_block(order)`, the largest block
    that divides `order` and is a product of orders by Sylvester's and Paley's constructions.
    """
    block = hadamard_block(order)
    matrix: NDArray[np.float64] = np.eye(order // block)
    for factor in _factors(block) or ():
        matrix = np.kron(matrix, _paley(factor - 1)).astype(np.float64)
    return matrix


def hadamard_block(order: int) -> int:
    """The largest n dividing `order` for which we can make a Hadamard matrix."""
    return max(n for n in range(1, order + 1) if order % n == 0 and _factors(n) is not None)


def _factors(n: int) -> tuple[int, ...] | None:
    """Write n as a product of orders of Paley matrices (2 among them), or None."""
    if n == 1:
        return ()
    for order in (*(p + 1 for p in _PRIMES), 2):
        if n % order == 0:
            rest = _factors(n // order)
            if rest is not None:
                return (order, *rest)
    return None


def _paley(prime: int) -> NDArray[np.float64]:
    """Paley's first construction: a Hadamard matrix of order prime + 1, prime ≡ 3 mod 4 (or 1)."""
    if prime == 1:
        return np.array([[1.0, 1.0], [1.0, -1.0]])
    squares = {i * i % prime for i in range(1, prime)}
    differences = np.subtract.outer(np.arange(prime), np.arange(prime)) % prime
    character = np.where(np.isin(differences, list(squares)), 1.0, -1.0)
    character[differences == 0] = 0.0
    skew = np.zeros((prime + 1, prime + 1))
    skew[0, 1:], skew[1:, 0], skew[1:, 1:] = 1.0, -1.0, character
    return skew + np.eye(prime + 1)
