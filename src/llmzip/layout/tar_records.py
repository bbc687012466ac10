"""What follows the headers that describe others: records of pax, and GNU's long names."""

from __future__ import annotations

from collections.abc import Sequence

MAX_DATA_BYTES = 1 << 20
"""Of records that are taken apart."""

Record = tuple[bytes, bytes]


def parse_records(data: bytes) -> list[Record] | None:
    """Return keys and values; None where `data` is not what `join_records` makes of any."""
    records = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        digits = data[at:space]
        stop = at + int(digits) if space > at and digits.isdigit() else 0
        key, equals, value = data[space + 1 : stop - 1].partition(b"=")
        if not at < stop <= len(data) or not equals:
            return None
        records.append((key, value))
        at = stop
    return records if records and join_records(records) == data else None


def join_records(records: Sequence[Record]) -> bytes:
    """Return records as they stand behind a header."""
    return b"".join(_record(key, value) for key, value in records)


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + 1
    while size != len(rest) + len(str(size)):
        size = len(rest) + len(str(size))
    return b"%d" % size + rest
