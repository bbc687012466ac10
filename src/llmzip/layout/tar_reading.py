"""Headers of a tar from their columns: what `tar_headers` wrote."""

from __future__ import annotations

from llmzip.layout import tar_header as fields
from llmzip.layout.columns import ColumnReader, broken
from llmzip.layout.tar_columns import (
    AS_EXPECTED,
    AS_IS,
    COARSE_NS,
    HEADER,
    LITERAL_RANK,
    MAX_SHARED,
    MAX_TEXT_BYTES,
    MAX_VALUE_BYTES,
    N_COLUMNS,
    NEW,
    STEP_RANK,
    VALUE_FINE,
    VALUE_TEXT,
    Column,
    Text,
    text_of_key,
    text_of_name,
    unzigzag,
)
from llmzip.layout.tar_expected import (
    PLAIN_FIELDS,
    TIME_KEYS,
    Expected,
    format_time,
)
from llmzip.layout.tar_header import BLOCK_BYTES, Field
from llmzip.layout.tar_records import MAX_DATA_BYTES, join_records

_MAX_TIME = 10**19


def unpack_headers(packed: bytes, n_bytes: int) -> bytes:
    """Return the `n_bytes` of blocks that `packed` stands for. Raises CorruptError."""
    reader = _HeaderReader(ColumnReader(packed, N_COLUMNS))
    blocks = bytearray()
    while len(blocks) < n_bytes:
        blocks += reader.read(n_bytes - len(blocks))
    reader.columns.done()
    if len(blocks) > n_bytes:
        raise broken("come to more than they claim")
    return bytes(blocks)


class _HeaderReader:
    """Reads headers from columns."""

    def __init__(self, columns: ColumnReader) -> None:
        self.columns = columns
        self._expected = Expected()

    def read(self, most: int) -> bytes:
        """Return the next block, or header with its data, of `most` bytes at most."""
        if self.columns.code(Column.BLOCK) != HEADER:
            return self.columns.raw(Column.RAW, BLOCK_BYTES)
        kind = self._kind()
        data = self._data(kind, min(most, MAX_DATA_BYTES))
        name = self._name(Column.NAME, fields.NAME, text_of_name(kind), self._expected.name(kind))
        header = bytearray(BLOCK_BYTES)
        _put(header, fields.NAME, name)
        _put(header, fields.TYPE, bytes([kind]))
        for number, (field, _) in enumerate(PLAIN_FIELDS):
            _put(header, field, self._plain(kind, number, field))
        _put(header, fields.SIZE, self._size(kind, data))
        _put(header, fields.MTIME, self._time(kind))
        checksum = self._code(Column.CHECKSUM, NEW)
        literal = self._literal(fields.CHECKSUM) if checksum else b""
        link = self._name(Column.LINK, fields.LINK, Text.LINK, self._expected.link())
        _put(header, fields.LINK, link)
        _put(header, fields.CHECKSUM, literal if checksum else fields.checksum(header))
        self._expected.saw(kind, name)
        return bytes(header) + _whole_blocks(data or b"")

    def _code(self, column: int, most: int) -> int:
        code = self.columns.code(column)
        if code > most:
            raise broken("have an unknown code")
        return code

    def _literal(self, field: Field) -> bytes:
        return self.columns.literal(Column.LITERAL, field.stop - field.start)

    def _kind(self) -> int:
        code = self.columns.byte(Column.TYPE)
        kind = self._expected.kind() if code == 0 else code % 255
        self._expected.saw_kind(kind)
        return kind

    def _data(self, kind: int, most: int) -> bytes | None:
        """Return the data of a header that has some; None if it is in blocks."""
        if kind not in fields.BEFORE_DATA or self._code(Column.DATA, NEW) == NEW:
            return None
        if kind in b"xg":
            return self._records(kind, most)
        name = self._text(Text.NAME if kind == ord("L") else Text.LINK)
        if kind == ord("L"):
            self._expected.long_name = name
        else:
            self._expected.long_link = name
        return name + b"\0"

    def _records(self, kind: int, most: int) -> bytes:
        n_keys = self.columns.code(Column.KEYS)
        keys = self._expected.records.keys_of(kind)
        if n_keys:
            keys = tuple(self.columns.literal(Column.LITERAL, MAX_SHARED) for _ in range(n_keys))
        self._expected.records.keys[kind] = keys
        data = b""
        for key in keys:
            value = self._value(key)
            self._expected.saw_record(key, value)
            data += join_records([(key, value)])
            if len(data) > most:
                raise broken("come to more than they claim")
        return data

    def _value(self, key: bytes) -> bytes:
        code = self._code(Column.VALUE, 3)
        if code == VALUE_TEXT:
            return self._text(text_of_key(key))
        if code not in (AS_EXPECTED, VALUE_FINE):
            return self.columns.literal(Column.LITERAL, MAX_VALUE_BYTES)
        if key not in TIME_KEYS:
            if code == VALUE_FINE:
                raise broken("have a time that is none")
            return self._expected.records.values.get(key, b"")
        unit = COARSE_NS if code == AS_EXPECTED else 1
        step = unzigzag(self.columns.varint(Column.VALUE_STEP))
        time = (self._expected.records.time_of(key) // unit + step) * unit
        if not 0 <= time < _MAX_TIME:
            raise broken("have a time out of range")
        return format_time(time)

    def _name(self, column: Column, field: Field, text: Text, expected: bytes) -> bytes:
        code = self._code(column, AS_IS)
        if code == AS_EXPECTED:
            return expected
        name = self._text(text) if code == NEW else self._literal(field)
        if len(name) > field.stop - field.start:
            raise broken("have a name that is too long")
        return name

    def _text(self, kind: Text) -> bytes:
        n_shared = self.columns.byte(Column.SHARED + kind)
        text = self._expected.texts[kind][:n_shared] + self.columns.line(Column.TEXT + kind)
        if len(text) > MAX_TEXT_BYTES:
            raise broken("have a name that is too long")
        self._expected.texts[kind] = text
        return text

    def _plain(self, kind: int, number: int, field: Field) -> bytes:
        recent = self._expected.plain(kind, number)
        rank = self.columns.code(Column.PLAIN + number)
        is_literal = rank == LITERAL_RANK
        value = self._literal(field).rstrip(b"\0") if is_literal else recent.at(rank)
        recent.use(value)
        return value

    def _size(self, kind: int, data: bytes | None) -> bytes:
        if self._code(Column.SIZE, NEW) == NEW:
            return self._literal(fields.SIZE)
        if data is not None:
            return fields.octal(len(data))
        if kind in fields.WITHOUT_CONTENT:
            return fields.octal(0)
        size = self.columns.byte(Column.SIZE_LOW) + (self.columns.byte(Column.SIZE_MIDDLE) << 8)
        return _number(size + (self.columns.varint(Column.SIZE_HIGH) << 16))

    def _time(self, kind: int) -> bytes:
        times = self._expected.times(kind)
        rank = self.columns.code(Column.TIME)
        if rank == LITERAL_RANK:
            return self._literal(fields.MTIME)
        if rank == STEP_RANK:
            time = times.at(0) + unzigzag(self.columns.varint(Column.TIME_STEP))
        else:
            time = times.at(rank)
        times.use(time)
        return _number(time)


def _put(header: bytearray, field: Field, value: bytes) -> None:
    header[field.start : field.stop] = field.padded(value)


def _number(number: int) -> bytes:
    if not 0 <= number <= fields.MAX_OCTAL:
        raise broken("have a number out of range")
    return fields.octal(number)


def _whole_blocks(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")
