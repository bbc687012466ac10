"""Layouts that are made up, and what they come to by the plainest way there is."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from random import Random

from llmzip.layout.program import Copy, Fill, Layout, Op, Take, Tar

BLOCK = 512


@dataclass(frozen=True)
class Sample:
    """A group: its layout, what its streams hold, what stands before it, its text."""

    layout: Layout
    content: bytes
    before: bytes
    text: bytes

    @property
    def n_supplied(self) -> int:
        return len(self.text) - len(self.content)


def header(name: str, size: int, kind: bytes = b"0", *, base_256: bool = False) -> bytes:
    """Return a header of a tar, its checksum right."""
    field = b"\x80" + size.to_bytes(11, "big") if base_256 else b"%011o\0" % size
    fields = [name.encode().ljust(100, b"\0"), b"0000644\0" * 3, field, b"14000000000\0"]
    rest = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    total = sum(b"".join(fields)) + 8 * 32 + sum(rest)
    return b"".join([*fields, b"%06o\0 " % total, rest])


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def tar_of(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return a real tar of these files."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


class Spinner:
    """Makes up a layout and, byte by byte, the text that it comes to."""

    def __init__(self, chance: Random, before: bytes, n_streams: int) -> None:
        self.chance = chance
        self.before = before
        self.text = bytearray(before)
        self.streams = [bytearray() for _ in range(n_streams)]
        self.ops: list[Op] = []
        self.left: list[int] = []  # of the tar's files, what content each is yet to get
        self.framing = b""  # what comes when the first of them is complete
        self.is_framed = False
        self.headers = bytearray()  # the stream of that
        self.heads: list[tuple[bytes, int]] = []  # yet to come, each with the size of its content

    def put(self, byte: int) -> None:
        """Append a byte, and what a tar puts behind it."""
        self.text.append(byte)
        if self.is_framed:
            self.left[0] -= 1
            if not self.left[0]:
                self._complete()

    def take(self) -> None:
        stream = self.chance.randrange(len(self.streams))
        n = self.chance.randrange(1, 40)
        data = bytes(self.chance.choice(b"abcdef") for _ in range(n))
        self.ops.append(Take(stream, n))
        for byte in data:
            self.streams[stream].append(byte)
            self.put(byte)

    def fill(self) -> None:
        value, n = self.chance.choice([0, 32, 255]), self.chance.randrange(1, 30)
        self.ops.append(Fill(value, n))
        for _ in range(n):
            self.put(value)

    def copy(self) -> None:
        if not self.text:
            return
        distance, n = self.chance.randrange(1, len(self.text) + 1), self.chance.randrange(1, 60)
        self.ops.append(Copy(distance, n))
        source = len(self.text) - distance
        for at in range(source, source + n):
            self.put(self.text[at])

    def tar(self) -> None:
        """Begin a tar of files whose contents whatever comes next makes up."""
        if self.is_framed or not self.streams:
            return
        n = self.chance.randrange(1, 4)
        stream = self.chance.randrange(len(self.streams))
        self.ops.append(Tar(stream, n))
        self.is_framed, self.headers = True, self.streams[stream]
        self.heads = [self._head(number) for number in range(n)]
        self._complete()

    def _head(self, number: int) -> tuple[bytes, int]:
        size = self.chance.choice([0, 1, 30, 511, 512, 513])
        kind = self.chance.choice([b"0", b"\0", b"5", b"2", b"7"])
        head = header(f"file-{number}", size, kind, base_256=self.chance.random() < 0.2)
        if self.chance.random() < 0.3:
            name = bytes(self.chance.choice(b"xyz") for _ in range(self.chance.choice([3, 600])))
            pseudo = self.chance.choice([b"L", b"x", b"g", b"K"])
            head = header("longer", len(name), pseudo) + padded(name) + head
        return head, 0 if kind in (b"5", b"2") else size

    def _complete(self) -> None:
        """Append what stands between files."""
        self.text += self.framing
        self.framing = b""
        while self.heads:
            head, size = self.heads.pop(0)
            self.headers += head  # when it is wanted, for others may take from that stream, too
            self.text += head
            if size:
                self.left, self.framing = [size], bytes(-size % BLOCK)
                return
        self.is_framed = False

    def finished(self) -> Sample:
        """Return what was made up, with tars whose last file may go on in another group."""
        while self.is_framed and self.heads:
            self.fill()
        streams = [bytes(stream) for stream in self.streams]
        if not all(streams):  # an empty one is none
            for stream in self.streams:
                if not stream:
                    self.ops.append(Take(self.streams.index(stream), 1))
                    stream.append(7)
                    self.put(7)
            while self.is_framed and self.heads:
                self.fill()
            streams = [bytes(stream) for stream in self.streams]
        if not self.ops:
            self.fill()
        layout = Layout(tuple(map(len, streams)), tuple(self.ops))
        return Sample(layout, b"".join(streams), self.before, bytes(self.text[len(self.before) :]))


def sample(seed: int, before: bytes = b"what stands before") -> Sample:
    """Return a layout made up from a seed."""
    chance = Random(seed)
    spinner = Spinner(chance, before, chance.randrange(4))
    for _ in range(chance.randrange(12)):
        steps = [spinner.fill, spinner.copy, spinner.copy, spinner.tar]
        steps += [spinner.take] * 3 if spinner.streams else []
        chance.choice(steps)()
    return spinner.finished()
