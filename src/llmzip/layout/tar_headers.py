"""Headers of a tar as columns, each field against what the headers before it let expect.

Any blocks of 512 bytes can be said so, to the last byte; those of a usual tar come to a few bytes
each. docs/FORMAT.md (*Headers of tars*) defines the columns.
"""

from __future__ import annotations

from llmzip.layout import tar_header as fields
from llmzip.layout.columns import ColumnWriter
from llmzip.layout.tar_columns import (
    AS_EXPECTED,
    AS_IS,
    COARSE_NS,
    HEADER,
    LITERAL_RANK,
    MAX_KEYS,
    MAX_SHARED,
    MAX_TEXT_BYTES,
    MAX_VALUE_BYTES,
    N_COLUMNS,
    NEW,
    RAW_BLOCK,
    STEP_RANK,
    VALUE_AS_IS,
    VALUE_FINE,
    VALUE_TEXT,
    Column,
    Text,
    text_of_key,
    text_of_name,
    zigzag,
)
from llmzip.layout.tar_expected import PLAIN_FIELDS, TIME_KEYS, Expected, parse_time
from llmzip.layout.tar_header import BLOCK_BYTES, Field
from llmzip.layout.tar_records import MAX_DATA_BYTES, Record, parse_records

_NO_TYPE = 255  # a code, so no header that is taken apart has it


def pack_headers(blocks: bytes) -> bytes:
    """Return whole blocks, headers of a tar and the data that describes files, as columns."""
    writer = _HeaderWriter()
    at = 0
    while at < len(blocks):
        at += writer.write(blocks, at)
    return writer.columns.packed()


def data_blocks(header: bytes) -> int:
    """Return how many bytes of blocks follow a header as part of it, 0 for most."""
    size = fields.size_of(header)
    if header[fields.TYPE.start] not in fields.BEFORE_DATA or size is None:
        return 0
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


class _HeaderWriter:
    """Writes headers into columns."""

    def __init__(self) -> None:
        self.columns = ColumnWriter(N_COLUMNS)
        self._expected = Expected()

    def write(self, blocks: bytes, at: int) -> int:
        """Write what is at `at`; return how many bytes that was."""
        header = blocks[at : at + BLOCK_BYTES]
        if not fields.is_header(header) or header[fields.TYPE.start] == _NO_TYPE:
            self.columns.code(Column.BLOCK, RAW_BLOCK)
            self.columns.raw(Column.RAW, header)
            return BLOCK_BYTES
        self.columns.code(Column.BLOCK, HEADER)
        kind = header[fields.TYPE.start]
        self._kind(kind)
        n_data = self._data(header, kind, _data_of(blocks, at))
        name = fields.NAME.of(header)
        self._name(Column.NAME, text_of_name(kind), name, self._expected.name(kind))
        for number, (field, _) in enumerate(PLAIN_FIELDS):
            self._plain(kind, number, field.of(header))
        self._size(header, kind, n_data)
        self._time(header, kind)
        usual = fields.checksum(header)
        self._literal(Column.CHECKSUM, fields.CHECKSUM, header, usual)
        link = fields.LINK.of(header)
        self._name(Column.LINK, Text.LINK, link, self._expected.link())
        self._expected.saw(kind, name)
        return BLOCK_BYTES + -(-(n_data or 0) // BLOCK_BYTES) * BLOCK_BYTES

    def _kind(self, kind: int) -> None:
        is_expected = kind == self._expected.kind()
        self.columns.byte(Column.TYPE, 0 if is_expected else kind or 255)
        self._expected.saw_kind(kind)

    def _data(self, header: bytes, kind: int, blocks: bytes) -> int | None:
        """Write the data of a header that has some; return its size, None if it stays in blocks."""
        if kind not in fields.BEFORE_DATA:
            return None
        size = fields.size_of(header)
        is_whole = size is not None and 0 < size <= min(len(blocks), MAX_DATA_BYTES)
        data = blocks[:size] if is_whole and not blocks[size:].strip(b"\0") else b""
        is_apart = self._records(kind, data) if kind in b"xg" else self._long(kind, data)
        self.columns.code(Column.DATA, AS_EXPECTED if is_apart else NEW)
        return len(data) if is_apart else None

    def _long(self, kind: int, data: bytes) -> bool:
        name = data[:-1]
        if not data.endswith(b"\0") or not _is_text(name):
            return False
        self._text(Text.NAME if kind == ord("L") else Text.LINK, name)
        if kind == ord("L"):
            self._expected.long_name = name
        else:
            self._expected.long_link = name
        return True

    def _records(self, kind: int, data: bytes) -> bool:
        records = parse_records(data)
        if records is None or not all(map(_fits, records)) or len(records) > MAX_KEYS:
            return False
        keys = tuple(key for key, _ in records)
        is_expected = keys == self._expected.records.keys_of(kind)
        self.columns.code(Column.KEYS, 0 if is_expected else len(keys))
        for key in () if is_expected else keys:
            self.columns.literal(Column.LITERAL, key)
        self._expected.records.keys[kind] = keys
        for key, value in records:
            self._value(key, value)
            self._expected.saw_record(key, value)
        return True

    def _value(self, key: bytes, value: bytes) -> None:
        time = parse_time(value) if key in TIME_KEYS else None
        last = self._expected.records.time_of(key)
        if time is not None and time % COARSE_NS == 0:
            self.columns.code(Column.VALUE, AS_EXPECTED)
            step = time // COARSE_NS - last // COARSE_NS
            self.columns.varint(Column.VALUE_STEP, zigzag(step))
        elif time is not None:
            self.columns.code(Column.VALUE, VALUE_FINE)
            self.columns.varint(Column.VALUE_STEP, zigzag(time - last))
        elif key not in TIME_KEYS and value == self._expected.records.values.get(key, b""):
            self.columns.code(Column.VALUE, AS_EXPECTED)
        elif _is_text(value):
            self.columns.code(Column.VALUE, VALUE_TEXT)
            self._text(text_of_key(key), value)
        else:
            self.columns.code(Column.VALUE, VALUE_AS_IS)
            self.columns.literal(Column.LITERAL, value)

    def _name(self, column: Column, text: Text, name: bytes, expected: bytes) -> None:
        if name == expected:
            self.columns.code(column, AS_EXPECTED)
        elif _is_text(name):
            self.columns.code(column, NEW)
            self._text(text, name)
        else:
            self.columns.code(column, AS_IS)
            self.columns.literal(Column.LITERAL, name)

    def _text(self, kind: Text, text: bytes) -> None:
        """Write what `text` shares with the one before of its kind, and the rest of it."""
        before = self._expected.texts[kind]
        most = min(len(text), len(before), MAX_SHARED)
        n_shared = next((i for i in range(most) if text[i] != before[i]), most)
        self.columns.byte(Column.SHARED + kind, n_shared)
        self.columns.line(Column.TEXT + kind, text[n_shared:])
        self._expected.texts[kind] = text

    def _plain(self, kind: int, number: int, value: bytes) -> None:
        recent = self._expected.plain(kind, number)
        rank = recent.rank(value)
        self.columns.code(Column.PLAIN + number, LITERAL_RANK if rank is None else rank)
        if rank is None:
            self.columns.literal(Column.LITERAL, value)
        recent.use(value)

    def _size(self, header: bytes, kind: int, n_data: int | None) -> None:
        value = fields.SIZE.of(header)
        size = fields.octal_number(value)
        foretold = n_data if n_data is not None else 0 if kind in fields.WITHOUT_CONTENT else None
        is_usual = size is not None and foretold in (None, size)
        self.columns.code(Column.SIZE, AS_EXPECTED if is_usual else NEW)
        if size is None or not is_usual:
            self.columns.literal(Column.LITERAL, value)
        elif foretold is None:
            self.columns.byte(Column.SIZE_LOW, size & 0xFF)
            self.columns.byte(Column.SIZE_MIDDLE, size >> 8 & 0xFF)
            self.columns.varint(Column.SIZE_HIGH, size >> 16)

    def _time(self, header: bytes, kind: int) -> None:
        value = fields.MTIME.of(header)
        times = self._expected.times(kind)
        time = fields.octal_number(value)
        rank = None if time is None else times.rank(time)
        if time is None:
            self.columns.code(Column.TIME, LITERAL_RANK)
            self.columns.literal(Column.LITERAL, value)
            return
        self.columns.code(Column.TIME, STEP_RANK if rank is None else rank)
        if rank is None:
            self.columns.varint(Column.TIME_STEP, zigzag(time - times.at(0)))
        times.use(time)

    def _literal(self, column: Column, field: Field, header: bytes, expected: bytes) -> None:
        is_expected = header[field.start : field.stop] == expected
        self.columns.code(column, AS_EXPECTED if is_expected else NEW)
        if not is_expected:
            self.columns.literal(Column.LITERAL, field.of(header))


def _data_of(blocks: bytes, at: int) -> bytes:
    start = at + BLOCK_BYTES
    return blocks[start : start + data_blocks(blocks[at:start])]


def _is_text(text: bytes) -> bool:
    return len(text) <= MAX_TEXT_BYTES and b"\n" not in text and b"\0" not in text


def _fits(record: Record) -> bool:
    key, value = record
    return len(key) <= MAX_SHARED and len(value) <= MAX_VALUE_BYTES
