"""Arithmetic coding of one short message in whole numbers: nothing is rounded, nothing follows.

A message's tokens narrow an interval that is [0, 1) at first, exactly, as fractions. Every
beginning of the message is a message, too: the empty one, that of its first token, and so on.
They take their codewords in turn. A codeword is a string of bytes, read as a number 0.b1 b2 b3 ...
in base 256, that lies in the message's interval; each message takes the first, shortest ones
first, that no beginning of it has taken. So the length of a codeword and its end need no byte:
whoever decodes goes along the same path and sees which message has taken it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Span:
    """The interval [low, low + width) in units of 1 / whole."""

    low: int = 0
    width: int = 1
    whole: int = 1

    def narrowed(self, low: int, freq: int, total: int) -> Span:
        """Return the part of it from low / total on, freq / total wide."""
        return Span(self.low * total + self.width * low, self.width * freq, self.whole * total)

    def target(self, codeword: bytes, total: int) -> int:
        """Return which of `total` equal parts a codeword within lies in, 0 to total - 1."""
        beyond = int.from_bytes(codeword) * self.whole - (self.low << 8 * len(codeword))
        return beyond * total // (self.width << 8 * len(codeword))

    def codewords(self, n_bytes: int = 0) -> Iterator[bytes]:
        """Yield all of n_bytes and more that lie within: shorter ones first, then lower ones."""
        while True:
            scale = 1 << 8 * n_bytes
            first = -(-self.low * scale // self.whole)
            end = -(-(self.low + self.width) * scale // self.whole)
            for number in range(first, end):
                yield number.to_bytes(n_bytes)
            n_bytes += 1


class Path:
    """A message token by token: its interval, and the codewords that its beginnings have taken.

    span: where it begins. The empty message has taken its codeword at once.
    shortest: bytes; no string of fewer lies within the span, nor will once it is narrower.
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        self._taken: set[bytes] = set()
        self.shortest = 0
        self.codeword = self._take()

    def go_on(self, low: int, freq: int, total: int) -> None:
        """Add a token; `codeword` is the longer message's now."""
        self.span = self.span.narrowed(low, freq, total)
        self.codeword = self._take()

    def _take(self) -> bytes:
        within = self.span.codewords(self.shortest)
        first = next(within)
        self.shortest = len(first)
        codeword = next(word for word in chain([first], within) if word not in self._taken)
        self._taken.add(codeword)
        return codeword
