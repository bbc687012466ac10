"""What a header of a tar is expected to say, from the headers before it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from llmzip.layout import tar_header as fields
from llmzip.layout.columns import broken
from llmzip.layout.tar_header import Field

PLAIN_FIELDS: tuple[tuple[Field, tuple[bytes, ...]], ...] = (
    (fields.MODE, (b"0000644", b"0000755", b"0000000", b"0000664", b"0000600", b"0000777")),
    (fields.UID, (b"0000000", b"0001750")),
    (fields.GID, (b"0000000", b"0001750")),
    (fields.MAGIC_FIELD, (b"ustar\x0000", b"ustar  ")),
    (fields.USER, (b"", b"root")),
    (fields.GROUP, (b"", b"root")),
    (fields.MAJOR, (b"", b"0000000")),
    (fields.MINOR, (b"", b"0000000")),
    (fields.REST, (b"",)),
)
"""Fields that are mostly as in some header before, and what they are expected to be at first."""

TIME_KEYS = (b"mtime", b"atime", b"ctime")
FIRST_KEYS = (b"mtime",)
"""The records that Python writes for each file."""

_MAX_RECENT = 64
_MAX_DIGITS = 18
_DIGITS = re.compile(rb"[0-9]+")
_TIME = re.compile(rb"(0|[1-9][0-9]{0,9})\.([0-9]{0,8}[1-9]|0)")
_SECOND = 10**9


T = TypeVar("T")


class Recent(Generic[T]):
    """Values, the latest first; each once."""

    def __init__(self, first: tuple[T, ...] = ()) -> None:
        self._values = list(first)

    def at(self, rank: int) -> T:
        """Return the value at a place. Raises CorruptError if there is none."""
        if rank >= len(self._values):
            raise broken("refer to a value that was not there")
        return self._values[rank]

    def rank(self, value: T) -> int | None:
        """Return the place of `value`, None if it is not there."""
        return self._values.index(value) if value in self._values else None

    def use(self, value: T) -> None:
        """Put `value` in front."""
        if value in self._values:
            self._values.remove(value)
        self._values.insert(0, value)
        del self._values[_MAX_RECENT:]


@dataclass
class Records:
    """What records of pax are expected to be: keys by type, values by key, times in ns."""

    keys: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    values: dict[bytes, bytes] = field(default_factory=dict)
    times: dict[bytes, int] = field(default_factory=dict)
    latest: int = 0

    def keys_of(self, kind: int) -> tuple[bytes, ...]:
        """Return the keys that a header of this type is expected to be followed by."""
        return self.keys.get(kind, FIRST_KEYS)

    def time_of(self, key: bytes) -> int:
        """Return the time that a key had, or the latest of any key."""
        return self.times.get(key, self.latest)


class Expected:
    """All that headers so far let expect of the next one."""

    def __init__(self) -> None:
        self.records = Records()
        self.texts = [b"", b"", b""]
        self.long_name: bytes | None = None
        self.long_link: bytes | None = None
        self.mtimes: tuple[int, ...] = ()
        self._kind = ord("0")
        self._after: dict[int, int] = {}
        self._name = b""
        self._names: dict[int, bytes] = {}
        self._plain: dict[tuple[int, int], Recent[bytes]] = {}
        self._times: dict[int, Recent[int]] = {}

    def kind(self) -> int:
        """Return the expected type."""
        return self._after.get(self._kind, ord("0"))

    def saw_kind(self, kind: int) -> None:
        """Take note of the type of a header."""
        self._after[self._kind] = kind
        self._kind = kind

    def name(self, kind: int) -> bytes:
        """Return the expected name."""
        if kind in fields.BEFORE_DATA:
            return self._names.get(kind, b"././@PaxHeader" if kind in b"xg" else b"././@LongLink")
        return (successor(self._name) if self.long_name is None else self.long_name)[:100]

    def link(self) -> bytes:
        """Return the expected name of what is linked to."""
        return b"" if self.long_link is None else self.long_link[:100]

    def plain(self, kind: int, number: int) -> Recent[bytes]:
        """Return the values that plain field `number` had in headers of this type."""
        if (kind, number) not in self._plain:
            self._plain[kind, number] = Recent(PLAIN_FIELDS[number][1])
        return self._plain[kind, number]

    def times(self, kind: int) -> Recent[int]:
        """Return the times that headers of this type had, and what records have foretold."""
        times = self._times.setdefault(kind, Recent((0,)))
        if kind not in fields.BEFORE_DATA:
            for time in self.mtimes:
                times.use(time)
        return times

    def saw(self, kind: int, name: bytes) -> None:
        """Take note of a header that is complete."""
        if kind in fields.BEFORE_DATA:
            self._names[kind] = name
            return
        self._name = name if self.long_name is None else self.long_name
        self.long_name = self.long_link = None
        self.mtimes = ()

    def saw_record(self, key: bytes, value: bytes) -> None:
        """Take note of a record of pax."""
        self.records.values[key] = value
        time = parse_time(value) if key in TIME_KEYS else None
        if time is not None:
            self.records.times[key] = self.records.latest = time
        if key == b"mtime" and time is not None:
            rounded = (time + _SECOND // 2) // _SECOND
            self.mtimes = (time // _SECOND, rounded)
        elif key == b"path":
            self.long_name = value
        elif key == b"linkpath":
            self.long_link = value


def successor(name: bytes) -> bytes:
    """Return `name` with the last number in it, of ASCII digits, one higher, no narrower."""
    found = list(_DIGITS.finditer(name))
    if not found or len(found[-1].group()) > _MAX_DIGITS:
        return name
    digits = found[-1].group()
    number = b"%0*d" % (len(digits), int(digits) + 1)
    return name[: found[-1].start()] + number + name[found[-1].end() :]


def parse_time(value: bytes) -> int | None:
    """Return nanoseconds, of a time that `format_time` gives; None for any other."""
    match = _TIME.fullmatch(value)
    return int(match[1]) * _SECOND + int(match[2].ljust(9, b"0")) if match else None


def format_time(time: int) -> bytes:
    """Return nanoseconds as seconds, and a fraction in as few digits as it needs, at least one."""
    second, fraction = divmod(time, _SECOND)
    return b"%d.%s" % (second, (b"%09d" % fraction).rstrip(b"0") or b"0")
