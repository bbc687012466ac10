"""FORMAT.md, *Range coder*: a payload to the targets of its tokens."""

from __future__ import annotations

from decoder.wire import require


class RangeDecoder:
    """Reads one payload; `last` are the latest 8 bytes read, as a number."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.n_read = payload, 0
        self.width = 2**64 - 256
        self.offset = self.last = 0
        for _ in range(8):
            self.offset = 256 * self.offset + self.digit()
        require(self.offset < self.width, "a payload beyond the first interval")

    def digit(self) -> int:
        """The next byte; zeros without end follow the payload."""
        digit = self.payload[self.n_read] if self.n_read < len(self.payload) else 0
        self.n_read += 1
        self.last = (256 * self.last + digit) % 2**64
        return digit

    def target(self, total: int) -> int:
        """The unit of 0 … total - 1 that the token's interval holds."""
        unit, spare = divmod(self.width, total)
        border = spare * (unit + 1)
        if self.offset < border:
            return self.offset // (unit + 1)
        return spare + (self.offset - border) // unit

    def consume(self, low: int, freq: int, total: int) -> None:
        """Go on behind the token of this interval."""
        unit, spare = divmod(self.width, total)
        begin, end = (c * unit + min(c, spare) for c in (low, low + freq))
        self.offset, self.width = self.offset - begin, end - begin
        while self.width < 2**56:
            self.offset = 256 * self.offset + self.digit()
            self.width *= 256

    def finish(self) -> None:
        """Refuse a payload that its tokens are not encoded to."""
        require(not self.payload.endswith(b"\0"), "a payload that ends with a zero")
        require(len(self.payload) <= self.n_read, "a payload longer than its tokens")
        lower_end = (self.last - self.offset) % 2**64  # the lowest 64 bits of it
        carry, digit = -lower_end % 2**64, -lower_end % 2**56
        end = carry if carry < self.width else digit
        require(self.offset == end, "a payload that ends as no encoder ends")
