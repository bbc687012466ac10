"""FORMAT.md, *Headers of tars*: blocks of 512 bytes out of columns."""

from __future__ import annotations

import re

from decoder.wire import Fields, RefusedError, require

PLAIN = [  # where a field is, and what its values are at first
    (100, 108, [b"0000644", b"0000755", b"0000000", b"0000664", b"0000600", b"0000777"]),
    (108, 116, [b"0000000", b"0001750"]),
    (116, 124, [b"0000000", b"0001750"]),
    (257, 265, [b"ustar\x0000", b"ustar  "]),
    (265, 297, [b"", b"root"]),
    (297, 329, [b"", b"root"]),
    (329, 337, [b"", b"0000000"]),
    (337, 345, [b"", b"0000000"]),
    (345, 512, [b""]),
]
TIMES = (b"mtime", b"atime", b"ctime")
SECOND = 10**9
CODES = (0, *range(2, 19))


class Columns:
    """Columns of a program, each read from its start."""

    def __init__(self, program: bytes) -> None:
        fields = Fields(program)
        mask = fields.varint()
        require(mask < 1 << 32, "a column that does not exist")
        sizes = [fields.varint() if mask >> i & 1 else 0 for i in range(32)]
        require(all(size > 0 for i, size in enumerate(sizes) if mask >> i & 1), "an empty column")
        self.columns = [fields.take(size) for size in sizes]
        fields.done()
        self.at = [0] * 32

    def take(self, i: int, n: int) -> bytes:
        """The next n bytes of column i."""
        found = self.columns[i][self.at[i] : self.at[i] + n]
        self.at[i] += len(found)
        return found + bytes(n - len(found))

    def byte(self, i: int) -> int:
        """The next byte of column i."""
        return self.take(i, 1)[0]

    def code(self, i: int, most: int = 255) -> int:
        """The next code of column i."""
        is_there = self.at[i] < len(self.columns[i])
        code = self.byte(i) if is_there else [0, *self.columns[i]][-1]
        require(code <= most, "an unknown code")
        return code

    def varint(self, i: int) -> int:
        """The next varint of column i."""
        fields = Fields(self.columns[i][self.at[i] :] + bytes(9))
        value = fields.varint()
        self.at[i] = min(self.at[i] + fields.at, len(self.columns[i]))
        return value

    def literal(self, most: int) -> bytes:
        """The next literal, of at most so many bytes."""
        n = self.varint(30)
        require(n <= most, "a literal too long for its place")
        return self.take(30, n)

    def done(self) -> None:
        """Refuse what is left."""
        used = [at == len(column) for at, column in zip(self.at, self.columns, strict=True)]
        require(all(used), "a column that is not used up")


def signed(number: int) -> int:
    """A number that may be negative, of a varint."""
    return -(number + 1) // 2 if number % 2 else number // 2


def used(values: list[bytes], value: bytes) -> None:
    """Put a value in front of a list."""
    if value in values:
        values.remove(value)
    values.insert(0, value)
    del values[64:]


def chosen(values: list[bytes], place: int) -> bytes:
    """The value at a place of a list."""
    require(place < len(values), "a place that a list does not have")
    return values[place]


def octal(number: int) -> bytes:
    """Eleven octal digits."""
    require(0 <= number < 8**11, "a number out of range")
    return b"%011o" % number


def successor(name: bytes) -> bytes:
    """The name that is expected after this one."""
    match = re.search(rb"([0-9]+)[^0-9]*\Z", name)
    if match is None or len(match[1]) > 18:
        return name
    number = b"%d" % (int(match[1]) + 1)
    return name[: match.start(1)] + number.rjust(len(match[1]), b"0") + name[match.end(1) :]


def time_of(value: bytes) -> int | None:
    """Nanoseconds of a time of pax, if it is written as one."""
    match = re.fullmatch(rb"(0|[1-9][0-9]{0,9})\.([0-9]{1,9})", value)
    if match is None or (match[2].endswith(b"0") and match[2] != b"0"):
        return None
    return int(match[1]) * SECOND + int(match[2].ljust(9, b"0"))


class TarHeaders:
    """Headers that are made of a program, up to `n` bytes."""

    def __init__(self, program: bytes, n: int) -> None:
        self.columns, self.n = Columns(program), n
        self.texts = [b"", b"", b""]
        self.kind, self.after = 48, dict[int, int]()
        self.keys = dict[int, list[bytes]]()
        self.values, self.times = dict[bytes, bytes](), dict[bytes, int]()
        self.latest = 0
        self.long: list[bytes | None] = [None, None]
        self.foretold: int | None = None
        self.names = {ord("x"): b"././@PaxHeader", ord("g"): b"././@PaxHeader"}
        self.names |= {ord("L"): b"././@LongLink", ord("K"): b"././@LongLink"}
        self.name = b""
        self.lists = dict[tuple[int, int], list[bytes]]()

    def decode(self) -> bytes:
        """The blocks."""
        blocks = bytearray()
        while len(blocks) < self.n:
            is_header = self.columns.code(0, 1) == 0
            blocks += self.header() if is_header else self.columns.take(31, 512)
        require(len(blocks) == self.n, "headers of another size than they say")
        self.columns.done()
        return bytes(blocks)

    def header(self) -> bytes:
        """The next header, and its data if that is here."""
        c, header = self.columns, bytearray(512)

        def put(start: int, stop: int, value: bytes) -> None:
            require(len(value) <= stop - start, "a value too long for its field")
            header[start:stop] = value.ljust(stop - start, b"\0")

        code = c.byte(1)
        kind = self.after.get(self.kind, 48) if code == 0 else code % 255
        self.after[self.kind] = self.kind = kind
        header[156] = kind
        has_data = kind in b"xgLK"
        data = self.data(kind) if has_data and c.code(2, 1) == 0 else None
        name = self.named(3, 2 if has_data else 0, self.expected(kind), 100)
        put(0, 100, name)
        for i, (start, stop, first) in enumerate(PLAIN):
            values = self.lists.setdefault((i, kind), list(first))
            code = c.code(5 + i)
            value = c.literal(stop - start) if code == 255 else chosen(values, code)
            value = value.rstrip(b"\0")
            used(values, value)
            put(start, stop, value)
        put(124, 136, c.literal(12) if c.code(14, 1) else octal(self.size(kind, data)))
        put(136, 148, self.time(kind))
        checksum = c.literal(8) if c.code(16, 1) else None
        put(157, 257, self.named(4, 1, (self.long[1] or b"")[:100], 100))
        usual = b"%06o\0 " % (sum(header) + 8 * 32)
        put(148, 156, usual if checksum is None else checksum)
        if has_data:
            self.names[kind] = name
        else:
            self.name = name if self.long[0] is None else self.long[0]
            self.long, self.foretold = [None, None], None
        data = data or b""
        return bytes(header) + data + bytes(-len(data) % 512)

    def text(self, k: int) -> bytes:
        """The next text of sort k."""
        shared = self.texts[k][: self.columns.byte(24 + k)]
        at, column = self.columns.at[27 + k], self.columns.columns[27 + k]
        rest = b""
        if at < len(column):
            stop = column.find(b"\n", at)
            require(stop >= 0, "a text without an end")
            rest = column[at:stop]
            self.columns.at[27 + k] = stop + 1
        self.texts[k] = shared + rest
        require(len(self.texts[k]) <= 4096, "a text of more than 4,096 bytes")
        return self.texts[k]

    def named(self, column: int, sort: int, expected: bytes, most: int) -> bytes:
        """A name or a link."""
        code = self.columns.code(column, 2)
        if code == 0:
            return expected
        name = self.text(sort) if code == 1 else self.columns.literal(most)
        require(len(name) <= most, "a name too long for its field")
        return name

    def expected(self, kind: int) -> bytes:
        """The name that is expected."""
        if kind in b"xgLK":
            return self.names[kind]
        return (successor(self.name) if self.long[0] is None else self.long[0])[:100]

    def data(self, kind: int) -> bytes:
        """The data of a header that says something about the next."""
        if kind in b"LK":
            k = b"LK".index(kind)
            name = self.long[k] = self.text(k)
            return name + b"\0"
        n = self.columns.code(17)
        keys = (
            [self.columns.literal(255) for _ in range(n)] if n else self.keys.get(kind, [b"mtime"])
        )
        self.keys[kind] = keys
        data = b""
        for key in keys:
            rest = b" %s=%s\n" % (key, self.value(key))
            size = len(rest)
            while size != len(rest) + len(str(size)):
                size = len(rest) + len(str(size))
            data += b"%d%s" % (size, rest)
            require(len(data) <= 1 << 20, "records of more than 1 MiB")
        return data

    def value(self, key: bytes) -> bytes:
        """The value of a record."""
        code = self.columns.code(18, 3)
        if code == 2:
            value = self.text({b"path": 0, b"linkpath": 1}.get(key, 2))
        elif code == 3:
            value = self.columns.literal(65536)
        elif key not in TIMES:
            require(code == 0, "a time of what is none")
            value = self.values.get(key, b"")
        else:
            unit = 1 if code else 100
            before = self.times.get(key, self.latest)
            time = unit * (before // unit + signed(self.columns.varint(23)))
            require(0 <= time < 10**19, "a time out of range")
            value = b"%d." % (time // SECOND)
            value += (b"%09d" % (time % SECOND)).rstrip(b"0") or b"0"
        self.values[key] = value
        if key in TIMES and (found := time_of(value)) is not None:
            self.times[key] = self.latest = found
            self.foretold = found if key == b"mtime" else self.foretold
        if key in (b"path", b"linkpath"):
            self.long[key == b"linkpath"] = value
        return value

    def size(self, kind: int, data: bytes | None) -> int:
        """The size that is expected, or what the columns say."""
        if data is not None or kind in b"123456":
            return len(data or b"")
        low, middle = self.columns.byte(19), self.columns.byte(20)
        return low + 256 * middle + 65536 * self.columns.varint(21)

    def time(self, kind: int) -> bytes:
        """The field of the time."""
        times = self.lists.setdefault((-1, kind), [octal(0)])
        if kind not in b"xgLK" and self.foretold is not None:
            for second in (self.foretold // SECOND, (self.foretold + SECOND // 2) // SECOND):
                used(times, b"%011o" % second)
        code = self.columns.code(15)
        if code == 255:
            return self.columns.literal(12)
        if code == 254:
            found = octal(int(times[0], 8) + signed(self.columns.varint(22)))
        else:
            found = chosen(times, code)
        used(times, found)
        if len(found) > 11:
            raise RefusedError("a time out of range")
        return found
