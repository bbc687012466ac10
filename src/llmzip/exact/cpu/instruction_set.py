"""What kernels ask of an instruction set: a type without values, which they are compiled for.

Kernels take an instance as an argument, and what writes their code (`emitted`) asks its class for
products, for their shape in registers, and for the few passes over vectors that are worth an
instruction of their own. What is here are those passes in LLVM's own terms: it makes of them what
a processor has. A new instruction set is a file with such a class and a line in `ways.Way`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from functools import partial, wraps
from inspect import Signature, signature
from typing import Any, ClassVar, NamedTuple

from llmzip.compiled.compiler import Later, binding, cgutils, config, intrinsic, ir, types
from llmzip.exact.aligned import LINE_BYTES
from llmzip.exact.distribution import StepCosts

NUMBERS = 16
"""Numbers of a vector of the passes, whatever the registers hold."""

i8, i16, i32, i64 = (ir.IntType(n) for n in (8, 16, 32, 64))
FLOATS, INTS = ir.VectorType(ir.FloatType(), NUMBERS), ir.VectorType(i32, NUMBERS)
_BYTES = ir.VectorType(i8, NUMBERS)


Sums = Sequence[Sequence[ir.Value]]
"""Variables of vectors, row by row: the sums of rows with columns."""


class _Empty(NamedTuple):
    """What numba knows as a type, and passes as nothing."""


class InstructionSet(_Empty):
    """What every processor can do; see `Dot` for those with products of bytes."""

    FEATURES: ClassVar[tuple[str, ...]] = ()
    """What the processor must have, by LLVM's names."""
    MACHINES: ClassVar[tuple[str, ...]] = ()
    """What `platform.machine` calls processors that may have it; none: it is for all."""
    COSTS: ClassVar = StepCosts(few=8, row=0.2, more=0.3, lane=0.05, second=0.0)
    """What a decoding step costs by its rows: what drafts are chosen by.

    No byte depends on these, so they need not be right everywhere: they say where a guess of what
    comes next pays, and by how much it must. Here a guess: torch's products of few rows cost much
    beside what one more row does.
    """
    KEYS: ClassVar = NUMBERS
    """Keys that steps of attention take together, a multiple of those that lie together."""
    IS_TILED: ClassVar = False
    """Whether weights and values lie in tiles."""
    SIGN_BITS: ClassVar = 0
    """What columns have added, to be unsigned: 128 where products want one operand so, or 0."""

    @classmethod
    def lacking(cls) -> list[str]:
        """Those of FEATURES that this processor lacks, or that are kept from it."""
        return lacking(cls.FEATURES)

    @classmethod
    def is_there(cls) -> bool:
        """Whether this process may use it."""
        if not cls.FEATURES:
            return True
        if os.name != "posix" or config.CPU_NAME or config.CPU_FEATURES:
            return False  # no sched_yield for the barrier, or compiling for some other processor
        return cls.is_had()

    @classmethod
    def is_had(cls) -> bool:
        """Whether the processor has it."""
        return not cls.lacking()

    @classmethod
    def is_known(cls) -> bool:
        """Whether processors of this kind may have it."""
        return not cls.MACHINES or platform.machine() in cls.MACHINES

    @classmethod
    def rounded(cls, builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        """rint(x) of floats as int32."""
        whole = call(builder, "llvm.rint.v16f32", FLOATS, x)
        return builder.fptosi(whole, INTS)

    @classmethod
    def squares(cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value]) -> list[ir.Value]:
        """Of four vectors of integers within int16: two of int32, sums of two squares each."""
        own = [builder.mul(x, x) for x in vectors]
        return [builder.add(a, b) for a, b in zip(own[::2], own[1::2], strict=True)]

    @classmethod
    def bytes_of(cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value]) -> ir.Value:
        """Four vectors of integers as 64 bytes: their lowest ones."""
        a, b, c, d = (builder.trunc(x, _BYTES) for x in vectors)
        low, high = (shuffled(builder, *pair, range(32)) for pair in ((a, b), (c, d)))
        return shuffled(builder, low, high, range(64))

    @classmethod
    def halves(
        cls, builder: ir.IRBuilder, vectors: Sequence[ir.Value], signed: bool = True
    ) -> tuple[ir.Value, ir.Value]:
        """Four vectors of integers up to 32,639 as 64 high and 64 low bytes.

        signed: as `arith.split_halves` has them; else of integers that are not negative as bytes
        that are not.
        """
        half, eight = (ir.Constant(INTS, [n] * NUMBERS) for n in (128 if signed else 0, 8))
        high = [builder.ashr(builder.add(x, half), eight) for x in vectors]
        return cls.bytes_of(builder, high), cls.bytes_of(builder, vectors)

    @classmethod
    def flush_subnormals(cls, builder: ir.IRBuilder, on: ir.Value) -> None:
        """Where they take long, let operations give 0 for subnormal results, or no longer."""


class Dot(InstructionSet):
    """Sums of products of bytes, four neighbours at a time, to int32 in vectors of LANES.

    Rows, or their fours of bytes, are multiplied with columns that lie as `fours` says.
    """

    LANES: ClassVar[int]
    """int32 of a register."""
    ROWS: ClassVar[int]
    """Rows whose sums with OUTPUTS columns fit the registers; at most 8."""
    OUTPUTS: ClassVar[int]
    """Columns that are taken at once: 16 or 32."""
    FOURS: ClassVar = 1
    """Fours of terms of a row that are loaded at once; divides 4."""
    MEMBERS: ClassVar[int]
    """Queries whose weighted sums of COLUMNS numbers fit the registers; at most 4."""
    COLUMNS: ClassVar[int]

    @classmethod
    def dot(cls, builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        """Total + the products of a's bytes, unsigned if SIGN_BITS, with b's, four by four."""
        raise NotImplementedError

    @classmethod
    def add_products(
        cls,
        builder: ir.IRBuilder,
        sums: Sums,
        rows: Sequence[ir.Value],
        terms: Callable[[int], list[ir.Value]],
        columns_first: bool,
    ) -> None:
        """Add to the sums of some rows the products of their next FOURS fours, at addresses.

        terms: gives the vectors of a four of all columns. columns_first: these are what `dot` takes
        first, else the rows.
        """
        for four in range(cls.FOURS):
            vectors = terms(four)
            for row, totals in zip(rows, sums, strict=True):
                taken = cls._four(builder, row, four)
                for vector, total in zip(vectors, totals, strict=True):
                    pair = (vector, taken) if columns_first else (taken, vector)
                    builder.store(cls.dot(builder, builder.load(total), *pair), total)

    @classmethod
    def _four(cls, builder: ir.IRBuilder, address: ir.Value, index: int) -> ir.Value:
        """One of the fours of a row's bytes that are loaded at once, in all lanes."""
        if cls.FOURS == 1:
            return broadcast(builder, load(builder, address, i32), cls.LANES)
        loaded = load(builder, address, ir.VectorType(i32, cls.FOURS))
        return shuffled(builder, loaded, loaded, [index] * cls.LANES)

    @classmethod
    def totals(cls, builder: ir.IRBuilder, sums: Sums) -> list[list[ir.Value]]:
        """The sums, row by row, in the order of the columns."""
        return [[builder.load(total) for total in own] for own in sums]

    @classmethod
    def pairs_of(cls, builder: ir.IRBuilder, even: ir.Value, odd: ir.Value) -> list[ir.Value]:
        """Two rows of 4 LANES bytes as four vectors of pairs of int16, for `dot_pairs`."""
        raise NotImplementedError

    @classmethod
    def dot_pairs(
        cls, builder: ir.IRBuilder, total: ir.Value, pairs: ir.Value, weights: ir.Value
    ) -> ir.Value:
        """Total + the products of one of `pairs_of` with int16, all pairs alike, two by two."""
        raise NotImplementedError

    @classmethod
    def in_columns(cls, builder: ir.IRBuilder, sums: list[ir.Value]) -> list[ir.Value]:  # noqa: ARG003
        """Sums over the four of `pairs_of` in the order of the rows' bytes."""
        return sums


def host_features() -> dict[str, bool]:
    """What the processor has, by LLVM's names."""
    found: dict[str, bool] = binding.get_host_cpu_features()
    if config.has_avx:
        return found
    return {name: is_there and not name.startswith("avx") for name, is_there in found.items()}


def lacking(names: Sequence[str]) -> list[str]:
    """Those of some features that this processor lacks, or that are kept from it."""
    there = host_features()
    return [name for name in names if not there.get(name, False)]


def emitted(
    write: Callable[..., Any] | None = None, /, *constants: Any, result: str = "void", **kinds: str
) -> Any:
    """Let kernels call what `write` emits: it takes the builder, `constants` and arguments' values.

    Of a first argument `isa`, an instruction set, it takes the class. The others are int64, or of
    the kinds that are told by their names; what it returns is of the kind `result`.
    """
    if write is None:
        return partial(emitted, result=result, **kinds)
    return Later(lambda: intrinsic(_defined(write, constants, result, kinds)).itself)


def _defined(
    write: Callable[..., Any], constants: tuple[Any, ...], result: str, kinds: dict[str, str]
) -> Callable[..., Any]:
    """What numba asks for a call's types, and for a function that writes its code."""
    first, *others = signature(write).parameters.values()
    own = others[len(constants) :]
    n_sets = sum(one.name == "isa" for one in own)
    told = [getattr(types, kinds.get(one.name, "int64")) for one in own[n_sets:]]

    @wraps(write)
    def define(_typing: Any, *given: Any) -> Any:
        sets = given[:n_sets]
        classes = [kind.instance_class for kind in sets]

        def generate(context: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> Any:
            found = write(builder, *constants, *classes, *values[n_sets:])
            return context.get_dummy_value() if found is None else found

        return getattr(types, result)(*sets, *told), generate

    vars(define)["__signature__"] = Signature([first, *own])  # numba leaves out the first
    return define


def _constant(_builder: ir.IRBuilder, name: str, isa: type[InstructionSet]) -> ir.Value:
    """A number of an instruction set, a constant to LLVM."""
    return ir.Constant(i64, int(getattr(isa, name)))


rows_of, outputs_of, members_of, keys_of, sign_bits_of, is_tiled = (
    emitted(_constant, name, result="int64")
    for name in ("ROWS", "OUTPUTS", "MEMBERS", "KEYS", "SIGN_BITS", "IS_TILED")
)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
    """Call one of LLVM's functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def shuffled(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: Sequence[int]) -> ir.Value:
    """Numbers of two vectors, those of the second counted on, in some order."""
    places = ir.Constant(ir.VectorType(i32, len(order)), list(order))
    return builder.shuffle_vector(a, b, places)


def broadcast(builder: ir.IRBuilder, value: ir.Value, n: int) -> ir.Value:
    """A number in each of n places."""
    kind = ir.VectorType(value.type, n)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(i32, 0))
    return shuffled(builder, one, one, [0] * n)


def load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type, align: int = 1) -> ir.Value:
    """What lies at an address."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    """Put a value to an address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def at(builder: ir.IRBuilder, base: ir.Value, stride: ir.Value, index: int) -> ir.Value:
    """The address base + stride · index."""
    return builder.add(base, builder.mul(stride, ir.Constant(i64, index)))


def ask_for(
    builder: ir.IRBuilder,
    address: ir.Value,
    n_lines: int = 1,
    *,
    near: bool = False,
    to_write: bool = False,
) -> None:
    """Ask memory for lines, which may lie anywhere, into the second cache, or `near`, the first."""
    hints = [ir.Constant(i32, i) for i in (int(to_write), 3 if near else 2, 1)]  # 1: it is data
    for line in range(n_lines):
        place = builder.add(address, ir.Constant(i64, LINE_BYTES * line))
        pointer = builder.inttoptr(place, i8.as_pointer())
        call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, *hints)
