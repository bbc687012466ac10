"""Scalar functions that the kernels inline: `arith` once more, constant by constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmzip.compiled import inlined
from llmzip.compiled.compiler import cgutils, intrinsic, ir, types
from llmzip.exact import constants
from llmzip.exact.cpu.instruction_set import call, emitted

f32 = np.float32
i32 = np.int32
"""numba widens sums and products of int32 to int64, so each is narrowed where int32 suffices."""

C0, C1, C2, C3, C4 = (f32(c) for c in constants.EXP2_COEFFICIENTS)
LIMIT = f32(constants.EXP2_LIMIT)
MINUS_LOG2_E = f32(-constants.LOG2_E)
GELU_CUBIC = f32(constants.GELU_CUBIC)
GELU_LINEAR = f32(constants.GELU_LINEAR)
ZERO = f32(0.0)
ONE = f32(1.0)
TINY = f32(constants.TINY)
MAGNITUDE = i32(0x7FFFFFFF)
WHOLE = f32(1.5 * 2**23)
"""What is added to a float32 below 2^22 in magnitude is rounded to an integer, ties to even."""
WHOLE_BITS = i32(0x4B400000)
"""WHOLE's bits: WHOLE + n has the bits WHOLE_BITS + n."""


@inlined
def address_of(array: Any) -> Any:
    """Where an array begins."""
    return np.int64(array.ctypes.data)


@intrinsic
def wide_vectors(typing):  # type: ignore[no-untyped-def]
    """Let LLVM use vectors of 512 bits in the function that calls this, where there are any.

    It takes half of that by default on processors whose predecessors slowed down for it.
    Functions are vectorised before they are inlined, so each that has loops needs this.
    """
    signature = types.void()

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # llvmlite knows LLVM's attributes but not those of the target
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def borrowed(typing, arrays):  # type: ignore[no-untyped-def]
    """The array, or the (named) tuple of such, without a count of its users.

    Every slice counts its array up and down, atomically: threads that share an array wait for
    each other's counting longer than they compute. Whoever calls this keeps the arrays alive.
    """
    signature = arrays(arrays)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _uncounted(context, builder, signature.args[0], arguments[0])

    return signature, generate


@intrinsic
def keep(typing, arrays):  # type: ignore[no-untyped-def]
    """Use arrays (a tuple), so that until here the memory at their addresses is not given back."""
    signature = types.void(arrays)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return context.get_dummy_value()

    return signature, generate


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = cgutils.create_struct_proxy(kind)(context, builder, value=value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        for index, part in enumerate(kind):
            inner = _uncounted(context, builder, part, builder.extract_value(value, index))
            value = builder.insert_value(value, inner, index)
    return value


@inlined
def rounded_bits(x: Any) -> Any:
    """WHOLE_BITS + rint(x), for |x| < 2^22: an addition, where rint and a conversion are three."""
    return f32(f32(x) + WHOLE).view(np.int32)


@inlined
def rounded(x: Any) -> Any:
    """rint(x) as int32, for |x| < 2^22."""
    return i32(rounded_bits(x) - WHOLE_BITS)


@emitted(result="int32", x="float32")
def rounded_far(builder, x):  # type: ignore[no-untyped-def]
    """rint(x) as int32 for any that fits: one instruction on most processors."""
    return call(builder, "llvm.lrint.i32.f32", ir.IntType(32), x)


@inlined
def exp2(t: Any) -> Any:
    """See `arith.exp2`."""
    return exp2_below(min(t, LIMIT))


@inlined
def exp2_below(t: Any) -> Any:
    """See `arith.exp2`, for t up to its limit."""
    t = max(t, -LIMIT)
    shifted = f32(t + WHOLE)
    f = t - f32(shifted - WHOLE)
    p = C0 * f + C1
    p = p * f + C2
    p = p * f + C3
    p = p * f + C4
    bits = f32(p).view(np.int32) + i32(shifted.view(np.int32) << i32(23))
    return i32(bits).view(np.float32)


@inlined
def silu_gate(gate: Any, up: Any) -> Any:
    """See `arith.silu_gate`."""
    return gate / (exp2(gate * MINUS_LOG2_E) + ONE) * up


@inlined
def gelu_new(x: Any) -> Any:
    """See `arith.gelu_new`."""
    z = (x * x) * GELU_CUBIC
    z = (z + GELU_LINEAR) * x
    return x / (exp2(z) + ONE)


@inlined
def relu(x: Any) -> Any:
    """x where it is above 0, else 0."""
    return x if x > ZERO else ZERO


@inlined
def ordered(x: Any) -> Any:
    """A float32 as an int32 that orders as it does: LLVM vectorises maxima of integers only."""
    return _mirrored(f32(x).view(np.int32))


@inlined
def _mirrored(bits: Any) -> Any:
    """Reverse the order of negative floats' bits; its own inverse."""
    return i32(bits ^ i32(i32(bits >> i32(31)) & MAGNITUDE))


@inlined
def maximum(row: Any) -> Any:
    """Largest of a float32 row."""
    wide_vectors()
    top = ordered(row[0])
    for i in range(row.size):
        value = ordered(row[i])
        top = value if value > top else top
    return i32(_mirrored(top)).view(np.float32)


@inlined
def largest(row: Any) -> Any:
    """Largest magnitude of a float32 row, at least TINY; by the bits, which order alike."""
    wide_vectors()
    top = i32(0)
    for i in range(row.size):
        value = i32(f32(row[i]).view(np.int32) & MAGNITUDE)
        top = value if value > top else top
    return max(i32(top).view(np.float32), TINY)


@inlined
def joined(high: Any, low: Any) -> Any:
    """high · 256 + low of int32 sums as a float32, rounded once."""
    return f32(np.int64(high) * 256 + np.int64(low))


@inlined
def high_byte(bits: Any) -> Any:
    """The high int8 half of a 16-bit integer from its `rounded_bits`; see `arith.split_halves`."""
    return np.int8(i32(i32(bits + i32(128)) >> i32(8)))


@inlined
def low_byte(bits: Any) -> Any:
    """The low int8 half of a 16-bit integer, or an int8, from its `rounded_bits`."""
    return np.int8(bits)
