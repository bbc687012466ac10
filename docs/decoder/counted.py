"""FORMAT.md, *Counted chunks*: bits by how often each has come."""

from __future__ import annotations

from decoder.mixed import Mixed


class Counted(Mixed):
    """A decoder of one chunk of `n` bytes: that of mixed chunks, without contexts."""

    def __init__(self, payload: bytes, n: int) -> None:
        super().__init__(payload, n)
        self.counts: dict[int, list[int]] = {}

    def keys(self) -> list[int]:
        """No contexts."""
        return []

    def bit(self, _found: list[list[int]], node: int, _half: int, _bit: int) -> int:
        """Decode a bit and count it."""
        a, b = counts = self.counts.setdefault(node, [0, 0])
        y = self.coded(min(max((2 * b + 1 << 16) // (2 * (a + b) + 2), 1), 65535))
        counts[y] += 1
        return y

    def note(self, _byte: int) -> None:
        """Nothing is learnt from whole bytes."""
