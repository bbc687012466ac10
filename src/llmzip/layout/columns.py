"""Columns of bytes: what is alike stands together, and what only repeats takes no bytes.

As bytes: a varint with bit i set where column i is not empty, the size of each of those as a
varint, and their bytes joined. Whoever reads beyond the end of a column reads zeros; from a
column of codes its last byte.
"""

from __future__ import annotations

from llmzip.errors import CorruptError

_MAX_VARINT_BYTES = 9
_LINE_END = b"\n"


class ColumnWriter:
    """Columns that grow."""

    def __init__(self, n_columns: int) -> None:
        self._columns = [bytearray() for _ in range(n_columns)]
        self._codes: set[int] = set()

    def code(self, column: int, value: int) -> None:
        """Append a byte to a column of codes, which has nothing else."""
        self._codes.add(column)
        self._columns[column].append(value)

    def byte(self, column: int, value: int) -> None:
        """Append a byte."""
        self._columns[column].append(value)

    def varint(self, column: int, value: int) -> None:
        """Append a number, 0 to 2^63 - 1."""
        self._columns[column] += _varint(value)

    def raw(self, column: int, data: bytes) -> None:
        """Append bytes as they are."""
        self._columns[column] += data

    def literal(self, column: int, data: bytes) -> None:
        """Append bytes and, before them, how many."""
        self._columns[column] += _varint(len(data)) + data

    def line(self, column: int, text: bytes) -> None:
        """Append text without line feeds, and a line feed."""
        self._columns[column] += text + _LINE_END

    def packed(self) -> bytes:
        """Return the columns as bytes."""
        columns = [
            _without_repeats(column) if i in self._codes else bytes(column.rstrip(b"\0"))
            for i, column in enumerate(self._columns)
        ]
        mask = sum(1 << i for i, column in enumerate(columns) if column)
        sizes = [_varint(len(column)) for column in columns if column]
        return b"".join([_varint(mask), *sizes, *columns])


class ColumnReader:
    """Columns that are read, each from its start. Raises CorruptError for what is none."""

    def __init__(self, packed: bytes, n_columns: int) -> None:
        mask, at = _take_varint(packed, 0)
        if mask >> n_columns:
            raise broken("name a column that does not exist")
        self._columns: list[bytes] = []
        sizes = []
        for i in range(n_columns):
            size = 0
            if mask >> i & 1:
                size, at = _take_varint(packed, at)
            sizes.append(size)
        for size in sizes:
            self._columns.append(packed[at : at + size])
            at += size
        if at != len(packed):
            raise broken("have columns of other sizes than they say")
        if mask != sum(1 << i for i, column in enumerate(self._columns) if column):
            raise broken("have an empty column")
        self._at = [0] * n_columns

    def code(self, column: int) -> int:
        """Take a byte of a column of codes."""
        at, data = self._at[column], self._columns[column]
        if at < len(data):
            self._at[column] = at + 1
            return data[at]
        return data[-1] if data else 0

    def byte(self, column: int) -> int:
        """Take a byte."""
        return self.raw(column, 1)[0]

    def varint(self, column: int) -> int:
        """Take a number."""
        data, at = self._columns[column], self._at[column]
        if at >= len(data):
            return 0
        value, self._at[column] = _take_varint(data, at)
        return value

    def raw(self, column: int, n_bytes: int) -> bytes:
        """Take so many bytes."""
        at = self._at[column]
        data = self._columns[column][at : at + n_bytes]
        self._at[column] = at + len(data)
        return data.ljust(n_bytes, b"\0")

    def literal(self, column: int, most: int) -> bytes:
        """Take what `literal` gave, at most `most` bytes."""
        n_bytes = self.varint(column)
        if n_bytes > most:
            raise broken("have a field that is too long")
        return self.raw(column, n_bytes)

    def line(self, column: int) -> bytes:
        """Take text without line feeds."""
        data, at = self._columns[column], self._at[column]
        if at >= len(data):
            return b""
        stop = data.find(_LINE_END, at)
        if stop < 0:
            raise broken("have a name that does not end")
        self._at[column] = stop + 1
        return data[at:stop]

    def done(self) -> None:
        """Raise CorruptError if anything is left."""
        if any(at < len(data) for at, data in zip(self._at, self._columns, strict=True)):
            raise broken("have surplus bytes")


def broken(what: str) -> CorruptError:
    """Return the error for headers of a tar of which this is the case."""
    return CorruptError(f"headers of a tar {what}: the file is damaged, get it again")


def _without_repeats(codes: bytearray) -> bytes:
    """Return codes up to the first of those at the end that are alike; nothing for zeros alone."""
    n_before = len(codes.rstrip(codes[-1:]))
    return bytes(codes[: n_before + 1] if n_before or codes[-1] else b"")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where what follows begins."""
    value = 0
    for i in range(_MAX_VARINT_BYTES):
        if at + i >= len(data):
            break
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:
                break
            return value, at + i + 1
    raise broken("have a malformed number")
