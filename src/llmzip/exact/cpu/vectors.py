"""Vectors of 16 numbers in LLVM's own terms, for passes that its vectoriser does not find.

An `Emitter` writes the code of such a pass. Its floats are rounded once by each operation, as
everywhere; what an instruction set may have something better for, that has: `InstructionSet`. What
takes a list works on vectors side by side: each alone would wait for its own results.

Addresses are int64 and need no alignment; offsets are in numbers of 4 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from llmzip.compiled.compiler import cgutils, ir
from llmzip.exact import constants
from llmzip.exact.cpu.instruction_set import FLOATS, INTS, broadcast, i32, i64
from llmzip.exact.cpu.scalars import WHOLE

Join = Callable[[ir.Value, ir.Value], ir.Value]

LANES = 16
"""Numbers of a vector."""
LINE = 4 * LANES
"""Bytes of a vector, and of a line of memory."""
BLOCK = 64
"""Numbers that are taken together: as many as a line has bytes."""

_f32 = ir.FloatType()
DOUBLES, WIDE = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(i64, LANES)


def floats(x: Any) -> ir.Value:
    """The same float32 in every place."""
    return ir.Constant(FLOATS, [ir.Constant(_f32, float(x))] * LANES)


def ints(n: Any) -> ir.Value:
    """The same int32 in every place."""
    return ir.Constant(INTS, [ir.Constant(i32, int(n))] * LANES)


def doubles(x: Any) -> ir.Value:
    """The same float64 in every place."""
    return ir.Constant(DOUBLES, [ir.Constant(ir.DoubleType(), float(x))] * LANES)


class Emitter:
    """Writes operations on vectors into a function that is being compiled."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def _pointer(self, address: ir.Value, offset: int, kind: ir.Type) -> ir.Value:
        place = self.builder.add(address, ir.Constant(i64, 4 * offset))
        return self.builder.inttoptr(place, kind.as_pointer())

    def load(self, address: ir.Value, offset: int = 0, kind: ir.Type = FLOATS) -> ir.Value:
        """The vector at `offset` numbers after an address."""
        return self.builder.load(self._pointer(address, offset, kind), align=1)

    def loads(self, address: ir.Value, kind: ir.Type = FLOATS, n: int = 4) -> list[ir.Value]:
        """Vectors that follow each other: four are a block's."""
        return [self.load(address, LANES * i, kind) for i in range(n)]

    def store(self, value: ir.Value, address: ir.Value, offset: int = 0) -> None:
        """Put a vector to memory."""
        self.builder.store(value, self._pointer(address, offset, value.type), align=1)

    def stores(self, values: Sequence[ir.Value], address: ir.Value) -> None:
        """Put vectors to memory, one after the other."""
        for i, value in enumerate(values):
            self.store(value, address, LANES * i)

    def moved(self, address: ir.Value, index: ir.Value, size: int = 4) -> ir.Value:
        """The address of number `index`, each of `size` bytes."""
        return self.builder.add(address, self.builder.mul(index, ir.Constant(i64, size)))

    def number(self, address: ir.Value, index: ir.Value, kind: ir.Type = _f32) -> ir.Value:
        """Number `index` after an address, or the vector that begins there."""
        return self.load(self.moved(address, index), 0, kind)

    def spread(self, scalar: ir.Value) -> ir.Value:
        """A number in every place."""
        return broadcast(self.builder, scalar, LANES)

    def higher(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The larger floats of two."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def highest(self, vectors: Sequence[ir.Value]) -> ir.Value:
        """The largest floats of several vectors, as a tree."""
        if len(vectors) == 1:
            return vectors[0]
        middle = len(vectors) // 2
        return self.higher(self.highest(vectors[:middle]), self.highest(vectors[middle:]))

    def lower(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller floats of two."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def magnitude(self, x: ir.Value) -> ir.Value:
        """Floats without their signs."""
        bits = self.builder.and_(self.builder.bitcast(x, INTS), ints(0x7FFFFFFF))
        return self.builder.bitcast(bits, FLOATS)

    def products(self, xs: Sequence[ir.Value], factors: Sequence[ir.Value]) -> list[ir.Value]:
        """Floats times floats."""
        return [self.builder.fmul(x, y) for x, y in zip(xs, factors, strict=True)]

    def converted(self, sums: Sequence[ir.Value]) -> list[ir.Value]:
        """int32 as floats."""
        return [self.builder.sitofp(x, FLOATS) for x in sums]

    def exp2(self, ts: Sequence[ir.Value], units: int = 0) -> list[ir.Value]:
        """See `scalars.exp2_below`; times 2^units, units even, by the same operations."""
        builder, whole = self.builder, floats(WHOLE + np.float32(units))
        ts = [self.higher(t, floats(-constants.EXP2_LIMIT)) for t in ts]
        shifted = [builder.fadd(t, whole) for t in ts]
        wholes = [builder.fsub(x, whole) for x in shifted]
        fs = [builder.fsub(t, w) for t, w in zip(ts, wholes, strict=True)]
        first, *rest = (floats(np.float32(c)) for c in constants.EXP2_COEFFICIENTS)
        ps = [first for _ in ts]
        for c in rest:
            ps = [builder.fadd(p, c) for p in self.products(ps, fs)]
        powers = [builder.shl(builder.bitcast(x, INTS), ints(23)) for x in shifted]
        bits = [builder.bitcast(p, INTS) for p in ps]
        sums = [builder.add(p, power) for p, power in zip(bits, powers, strict=True)]
        return [builder.bitcast(x, FLOATS) for x in sums]

    def divided(self, xs: Sequence[ir.Value], ts: Sequence[ir.Value]) -> list[ir.Value]:
        """x / (exp2(t) + 1)."""
        builder, one, limit = self.builder, floats(1.0), floats(constants.EXP2_LIMIT)
        powers = self.exp2([self.lower(t, limit) for t in ts])
        return [builder.fdiv(x, builder.fadd(p, one)) for x, p in zip(xs, powers, strict=True)]

    def capped(self, zs: Sequence[ir.Value], depth: ir.Value) -> list[ir.Value]:
        """See `arith.capped`; depth: a float32."""
        return self.divided([self.spread(depth)] * len(zs), zs)

    def joined(self, high: ir.Value, low: ir.Value, unit: int = 256) -> ir.Value:
        """unit · high + low of int32, as floats rounded once."""
        builder = self.builder
        total = builder.fmul(builder.sitofp(high, DOUBLES), doubles(unit))
        return builder.fptrunc(builder.fadd(total, builder.sitofp(low, DOUBLES)), FLOATS)

    def folded(self, rows: Sequence[ir.Value], join: Join) -> ir.Value:
        """The numbers of each of 16 vectors joined into one: a vector of these, in order."""
        vectors, builder = list(rows), self.builder
        for bit in (1, 2, 4, 8):
            own = [i + (LANES if i & bit else 0) for i in range(LANES)]
            orders = [ir.Constant(INTS, order) for order in (own, [i ^ bit for i in own])]
            vectors = [
                join(*(builder.shuffle_vector(a, b, order) for order in orders))
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        return vectors[0]

    def inside(self, first: int, begin: ir.Value, end: ir.Value) -> ir.Value:
        """Which numbers of a vector at `first` are number `begin` to `end` - 1."""
        builder, places = self.builder, ir.Constant(INTS, list(range(first, first + LANES)))
        before = builder.icmp_signed("<", places, self.spread(end))
        return builder.and_(before, builder.icmp_signed(">=", places, self.spread(begin)))

    def room(self, kind: ir.Type, value: ir.Value) -> ir.Value:
        """The address of a vector in memory of its own."""
        place = cgutils.alloca_once(self.builder, kind)
        self.builder.store(value, place, align=1)
        return self.builder.ptrtoint(place, i64)

    @contextmanager
    def blocks(self, n: ir.Value, size: int = BLOCK) -> Iterator[ir.Value]:
        """A loop over n numbers, `size` of them at a time: where each block begins."""
        begin, step = ir.Constant(i64, 0), ir.Constant(i64, size)
        with cgutils.for_range_slice(self.builder, begin, n, step, i64) as (index, _):
            yield index

    def either(self, address: ir.Value) -> Iterator[bool]:
        """Code for where an address is 0, and code for where it is one: False, then True."""
        is_none = self.builder.icmp_signed("==", address, ir.Constant(i64, 0))
        with self.builder.if_else(is_none) as (none, some):
            with none:
                yield False
            with some:
                yield True

    @contextmanager
    def loop(self, n: ir.Value) -> Iterator[ir.Value]:
        """A loop from 0 to n - 1."""
        with cgutils.for_range(self.builder, n, intp=i64) as loop:
            yield loop.index
