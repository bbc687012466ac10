"""What a layout is: streams, and the steps that put a group's text together from them.

As bytes it is nothing but varints: the number of streams and their sizes; the number of ops and
the code of each; then a column for each field of each kind of op, in the order of the classes
below. A distance stands as its difference from that of the copy before (of 0), zigzag: 2d, or
-2d - 1 where d is negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import accumulate

from llmzip.errors import CorruptError
from llmzip.layout.varints import pack_varints, unpack_varints

MAX_PROGRAM_BYTES = 1 << 22
"""The longest program."""

MAX_OPS = 1 << 18
MAX_STREAMS = 1 << 16

MAX_TEXT_BYTES = 1 << 26
"""What a group with a layout may come to: 64 MiB."""

MAX_DISTANCE = 1 << 30
"""How far back a copy may reach: 1 GiB."""


@dataclass(frozen=True, slots=True)
class Take:
    """The next `n_bytes` of stream number `stream`."""

    stream: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One byte, `value`, `n_bytes` times."""

    value: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Copy:
    """`n_bytes` of the member's text from `distance` bytes back; it may run into itself."""

    distance: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Tar:
    """From here on the text is that of `n_headers` files of a tar, headers from `stream`."""

    stream: int
    n_headers: int


Op = Take | Fill | Copy | Tar
_OPS: tuple[type[Op], ...] = (Take, Fill, Copy, Tar)  # by their codes


@dataclass(frozen=True)
class Layout:
    """How a group's text is put together.

    streams: sizes in bytes, at least 1 each; the group's content is these, one after the other.
    ops: at least one; every stream is used up by them.
    """

    streams: tuple[int, ...]
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Supplied:
    """What of a group's text its layout supplies, in bytes: copies, runs, the padding of tars."""

    n_copied: int = 0
    n_filled: int = 0
    n_padding: int = 0


def supplied(layout: Layout, n_bytes: int) -> Supplied:
    """Return what the `n_bytes` are that a layout supplies."""
    n_copied = sum(op.n_bytes for op in layout.ops if isinstance(op, Copy))
    n_filled = sum(op.n_bytes for op in layout.ops if isinstance(op, Fill))
    return Supplied(n_copied, n_filled, n_bytes - n_copied - n_filled)


def pack_layout(layout: Layout) -> bytes:
    """Return the program. Raises ValueError where the layout exceeds a limit of the format."""
    columns = [layout.streams, *_columns(layout.ops)]
    try:
        numbers = [len(layout.streams), *layout.streams, len(layout.ops)]
        program = pack_varints([*numbers, *(n for column in columns[1:] for n in column)])
        if unpack_layout(program) != layout:
            raise ValueError("a layout does not come back from its program")
    except CorruptError as exc:
        raise ValueError(str(exc)) from exc
    return program


def unpack_layout(program: bytes) -> Layout:
    """Return the layout of a program. Raises CorruptError where it breaks a rule by itself."""
    if len(program) > MAX_PROGRAM_BYTES:
        raise _broken(f"is {len(program):,} bytes long")
    numbers = _Numbers(unpack_varints(program).tolist())
    streams = numbers.take_counted(MAX_STREAMS, "streams")
    if streams and not (min(streams) >= 1 and sum(streams) <= MAX_TEXT_BYTES):
        raise _broken("has streams that are empty or too long")
    codes = numbers.take_counted(MAX_OPS, "steps")
    if not codes or max(codes) >= len(_OPS):
        raise _broken("has unknown steps or none")
    by_code = [_take_ops(numbers, code, codes.count(code)) for code in range(len(_OPS))]
    numbers.done()
    ops = tuple(next(by_code[code]) for code in codes)
    for op in ops:
        _check(op, len(streams))
    return Layout(tuple(streams), ops)


def may_reach_before(layout: Layout) -> bool:
    """Return whether a group may copy from what stands before it: surely not, if this is False."""
    at = 0  # what is written at least, for the framing of tars adds to it
    for op in layout.ops:
        if isinstance(op, Copy) and op.distance > at:
            return True
        at += 0 if isinstance(op, Tar) else op.n_bytes
    return False


class _Numbers:
    """Numbers that are taken one after the other."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers
        self._at = 0

    def take(self, n: int) -> list[int]:
        """Return the next `n`."""
        taken = self._numbers[self._at : self._at + n]
        if len(taken) < n:
            raise _broken("is too short for its fields")
        self._at += n
        return taken

    def take_counted(self, most: int, what: str) -> list[int]:
        """Return as many as the next one says."""
        (n,) = self.take(1)
        if n > most:
            raise _broken(f"has {n:,} {what}")
        return self.take(n)

    def done(self) -> None:
        """Raise CorruptError if any are left."""
        if self._at < len(self._numbers):
            raise _broken("has surplus bytes")


def _columns(ops: Iterable[Op]) -> Iterator[Iterable[int]]:
    """Yield the codes, then the columns of all fields."""
    ops = list(ops)
    yield [_OPS.index(type(op)) for op in ops]
    for kind in _OPS:
        own = [astuple(op) for op in ops if type(op) is kind]
        first, second = zip(*own, strict=True) if own else ((), ())
        yield _zigzag(first) if kind is Copy else first
        yield second


def _take_ops(numbers: _Numbers, code: int, n: int) -> Iterator[Op]:
    """Take the columns of the ops with this code; yield them in order."""
    first, second = numbers.take(n), numbers.take(n)
    kind = _OPS[code]
    return map(kind, _unzigzag(first) if kind is Copy else first, second)


def _zigzag(values: Iterable[int]) -> Iterator[int]:
    last = 0
    for value in values:
        step, last = value - last, value
        yield 2 * step if step >= 0 else -2 * step - 1


def _unzigzag(numbers: Iterable[int]) -> Iterator[int]:
    return accumulate(n >> 1 if n % 2 == 0 else -(n >> 1) - 1 for n in numbers)


def _check(op: Op, n_streams: int) -> None:
    """Raise CorruptError unless the fields of `op` are in range."""
    match op:
        case Take(stream, n) | Tar(stream, n):
            fits = stream < n_streams and n >= 1
        case Fill(value, n):
            fits = value <= 0xFF and n >= 1
        case Copy(distance, n):
            fits = 1 <= distance <= MAX_DISTANCE and n >= 1
    if not fits:
        raise _broken(f"has a step that cannot be: {op}")


def _broken(what: str) -> CorruptError:
    return CorruptError(f"the layout of a group {what}: the file is damaged, get it again")
