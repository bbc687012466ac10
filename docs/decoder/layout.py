"""FORMAT.md, *Layouts*: the text of a group out of its streams, runs, copies and tars."""

from __future__ import annotations

from dataclasses import dataclass

from decoder.wire import Fields, RefusedError, require

TAKE, FILL, COPY, TAR = range(4)
MOST_TEXT, MOST_PROGRAM = 64 << 20, 4 << 20


@dataclass(frozen=True)
class Layout:
    """A program: the sizes of its streams, and its ops as (code, first field, second field)."""

    sizes: list[int]
    ops: list[tuple[int, int, int]]


def layout_of(program: bytes) -> Layout:
    """What a program says, each field being in range."""
    require(len(program) <= MOST_PROGRAM, "a program of more than 4 MiB")
    fields = Fields(program)
    sizes = numbers(fields, count(fields, 65536))
    require(all(sizes), "an empty stream")
    codes = numbers(fields, count(fields, 262144))
    require(len(codes) > 0 and max(codes) <= TAR, "no ops, or an unknown one")
    columns = []
    for code in range(4):
        firsts, seconds = [numbers(fields, codes.count(code)) for _ in "12"]
        firsts = distances(firsts) if code == COPY else firsts
        columns.append(zip(firsts, seconds, strict=True))
    fields.done()
    ops = [(code, *next(columns[code])) for code in codes]
    for code, first, second in ops:
        low, high = {FILL: (0, 255), COPY: (1, 1 << 30)}.get(code, (0, len(sizes) - 1))
        require(low <= first <= high and second >= 1, "an op that cannot be")
    return Layout(sizes, ops)


def numbers(fields: Fields, n: int) -> list[int]:
    """So many varints of a program."""
    found = []
    for _ in range(n):
        at = fields.at
        found.append(fields.varint())
        require(fields.at - at <= 5, "a number of more than 5 bytes")
    return found


def count(fields: Fields, most: int) -> int:
    """How many of something there are."""
    (n,) = numbers(fields, 1)
    require(n <= most, "too many streams or ops")
    return n


def distances(column: list[int]) -> list[int]:
    """Distances, out of their differences."""
    found, last = [], 0
    for number in column:
        last += -(number + 1) // 2 if number % 2 else number // 2
        found.append(last)
    return found


class Weaver:
    """The text of a group while it is put together.

    text: reference, the member's text so far, and what of the group is written.
    """

    def __init__(self, layout: Layout, content: bytes, n_bytes: int, before: bytearray) -> None:
        require(sum(layout.sizes) == len(content), "streams that are not the content")
        self.layout, self.text, self.stop = layout, before, len(before) + n_bytes
        self.streams, at = [], 0
        for size in layout.sizes:
            self.streams.append(content[at : at + size])
            at += size
        self.used = [0] * len(self.streams)
        self.in_tar = False
        self.headers = self.n_headers = self.left = self.padding = 0

    def weave(self) -> None:
        """Carry out the ops."""
        for code, first, n in self.layout.ops:
            if code == TAR:
                require(not self.in_tar, "a tar within a tar")
                self.in_tar, self.headers, self.n_headers = True, first, n
                self.go_on()
            else:
                self.append(code, first, n)
        require(len(self.text) == self.stop, "a text of another size than it says")
        require(self.used == self.layout.sizes, "a stream that is not used up")
        require(self.n_headers == 0, "headers of a tar that are missing")

    def append(self, code: int, first: int, n: int) -> None:
        """Append n bytes, tar framing between them."""
        require(len(self.text) + n <= self.stop, "a text longer than it says")
        place = len(self.text) - first
        require(code != COPY or place >= 0, "a copy of what is not there")
        while n:
            step = min(n, self.left) if self.in_tar else n
            if code == TAKE:
                self.text += self.next(first, step)
            elif code == FILL:
                self.text += bytes([first]) * step
            else:
                self.copy(place, step)
                place += step
            n -= step
            self.left -= step
            if self.in_tar and not self.left:
                self.text += bytes(self.padding)
                self.go_on()
            require(len(self.text) <= self.stop, "a text longer than it says")

    def copy(self, place: int, n: int) -> None:
        """Append n bytes from a place in the text on."""
        period = len(self.text) - place
        while n:
            step = min(n, period)
            self.text += self.text[place : place + step]
            place, n = place + step, n - step

    def next(self, stream: int, n: int) -> bytes:
        """The next bytes of a stream."""
        start = self.used[stream]
        self.used[stream] += n
        require(self.used[stream] <= len(self.streams[stream]), "a stream that is too short")
        return self.streams[stream][start : start + n]

    def go_on(self) -> None:
        """Append headers up to one with a content, or end the tar."""
        while self.n_headers:
            header = self.next(self.headers, 512)
            self.text += header
            size = size_of(header)
            if header[156] in b"xgLK":
                self.text += self.next(self.headers, size + -size % 512)
                continue
            self.n_headers -= 1
            self.left = 0 if header[156] in b"123456" else size
            self.padding = -self.left % 512
            if self.left:
                return
        self.in_tar = False


def size_of(header: bytes) -> int:
    """What the size field of a tar's header says."""
    field = header[124:136]
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.lstrip(b" ").replace(b" ", b"\0").split(b"\0")[0]
    if any(digit not in b"01234567" for digit in digits):
        raise RefusedError("a tar's header without a size")
    return int(digits or b"0", 8)
