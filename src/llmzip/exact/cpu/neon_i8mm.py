"""NEON with products of matrices of bytes (Arm's FEAT_I8MM): two rows by two columns of eight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from llmzip.compiled.compiler import ir
from llmzip.exact.cpu.instruction_set import Sums, call, i8, i32, i64, load, shuffled
from llmzip.exact.cpu.neon_dot import NeonDot

_SUMS, _BYTES = ir.VectorType(i32, 4), ir.VectorType(i8, 16)
_LOW, _HIGH = (0, 1, 4, 5), (2, 3, 6, 7)
"""The first and the last halves of two vectors."""


class NeonI8mm(NeonDot):
    """As NeonDot, where rows are two or more.

    Of two rows with the four columns of a vector, the sums of the first row's variable are those of
    both with the first two columns.
    """

    FEATURES: ClassVar[tuple[str, ...]] = (*NeonDot.FEATURES, "i8mm")

    @classmethod
    def add_products(
        cls,
        builder: ir.IRBuilder,
        sums: Sums,
        rows: Sequence[ir.Value],
        terms: Callable[[int], list[ir.Value]],
        columns_first: bool,  # noqa: ARG003  # all are signed
    ) -> None:
        """See `Dot.add_products`."""
        n_paired = len(rows) // 2 * 2
        for first in range(0, cls.FOURS, 2):
            fours = terms(first), terms(first + 1)
            pairs = [_zipped(builder, *both) for both in zip(*fours, strict=True)]
            for r in range(0, n_paired, 2):
                eights = _eights(builder, rows[r], rows[r + 1], first)
                for v, halves in enumerate(pairs):
                    for half, columns in enumerate(halves):
                        place = sums[r + half][v]
                        builder.store(_matrix(builder, builder.load(place), eights, columns), place)
            for row, totals in zip(rows[n_paired:], sums[n_paired:], strict=True):
                for four, vectors in enumerate(fours):
                    taken = cls._four(builder, row, first + four)
                    for vector, total in zip(vectors, totals, strict=True):
                        added = cls.dot(builder, builder.load(total), vector, taken)
                        builder.store(added, total)

    @classmethod
    def totals(cls, builder: ir.IRBuilder, sums: Sums) -> list[list[ir.Value]]:
        """See `Dot.totals`."""
        found = super().totals(builder, sums)
        for r in range(0, len(found) // 2 * 2, 2):
            both = list(zip(*found[r : r + 2], strict=True))
            for half, order in enumerate((_LOW, _HIGH)):
                found[r + half] = [shuffled(builder, a, b, order) for a, b in both]
        return found


def _zipped(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> list[ir.Value]:
    """Two fours of four columns as eights of two columns each."""
    return [shuffled(builder, a, b, order) for order in ((0, 4, 1, 5), (2, 6, 3, 7))]


def _eights(builder: ir.IRBuilder, row: ir.Value, other: ir.Value, first: int) -> ir.Value:
    """Two fours of two rows, from number `first` on of those that are loaded at once."""
    a, b = (load(builder, address, ir.VectorType(i64, 2)) for address in (row, other))
    return shuffled(builder, a, b, (first // 2, 2 + first // 2))


def _matrix(builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    terms = (builder.bitcast(x, _BYTES) for x in (a, b))
    return call(builder, "llvm.aarch64.neon.smmla.v4i32.v16i8", _SUMS, total, *terms)
