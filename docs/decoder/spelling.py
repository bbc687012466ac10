"""FORMAT.md, *Line ends* and *Encodings*: what stands before the tokens of a payload, and says how
the chunk's bytes follow from their text.
"""

from __future__ import annotations

from decoder import lines
from decoder.container import ENCODED, LM_LINES, Chunk
from decoder.encodings import encode, least_bytes
from decoder.wire import Fields, RefusedError, require


class Spelling:
    """Of a chunk of an lm kind. rest: of its payload, which is that of kind 1."""

    def __init__(self, chunk: Chunk) -> None:
        self.kind, self.n_bytes = chunk.kind, chunk.n_bytes
        self.bare: list[int] | None = None
        self.exceptions = list[tuple[int, bytes]]()
        fields = Fields(chunk.payload)
        if chunk.kind in ENCODED:
            self.exceptions = self.take_exceptions(fields)
            number = fields.varint()
            self.bare = lines.take(fields, number - 1) if number else None
        elif chunk.kind == LM_LINES:
            self.bare = lines.take(fields, fields.varint())
        self.rest = chunk.payload[fields.at :]

    def take_exceptions(self, fields: Fields) -> list[tuple[int, bytes]]:
        """Bytes that are no text, each with the number of the character that follows it."""
        found, at, n_left = list[tuple[int, bytes]](), 0, self.n_bytes
        for _ in range(fields.varint()):
            at, size = at + fields.varint(), fields.varint()
            require(at <= self.n_bytes and 1 <= size <= n_left, "more exceptions than bytes")
            n_left -= size
            found.append((at, fields.take(size)))
        return found

    def restore(self, text: bytes) -> bytes:
        """The chunk's bytes, of the text of its tokens."""
        if self.bare is not None:
            text = lines.restore(text, self.bare)
        if self.kind not in ENCODED:
            return text
        try:
            chars = text.decode()
        except UnicodeDecodeError as exc:
            raise RefusedError("text in another encoding whose tokens are not UTF-8") from exc
        fits = len(chars) * least_bytes(self.kind) <= self.n_bytes
        require(fits, "more characters than bytes can hold")
        parts, last = list[bytes](), 0
        for at, raw in self.exceptions:
            require(at <= len(chars), "an exception behind the end of the text")
            parts += [encode(self.kind, chars[last:at]), raw]
            last = at
        return b"".join([*parts, encode(self.kind, chars[last:])])
