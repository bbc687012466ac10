"""How tokens spell a chunk: its bytes as they are, with other line ends, in another encoding.

What tokens spell in another way stands before them in the payload. Of another encoding these are
the exceptions, bytes that are no text in it: their number, then for each how many characters lie
between it and the one before, how many bytes it has, and the bytes. Then 0, or one more than the
number of line feeds that have no carriage return, and those as in lines.py.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from llmzip.codec.lines import flags_of, pack_places, restore, take_places
from llmzip.codec.transcode import Exceptions, put_together
from llmzip.container import Kind
from llmzip.container.wire import Body, corrupt, varint
from llmzip.encodings import ENCODINGS

_AS_THEY_ARE = b"\0"


@dataclass(frozen=True)
class Spelling:
    """What a payload says of its tokens' text.

    kind: of the chunk. n_bytes: what it decodes to. places: of the line feeds without a carriage
    return, where line ends are spelled otherwise, else None. exceptions: None without an encoding.
    """

    kind: Kind
    n_bytes: int
    places: array[int] | None = None
    exceptions: Exceptions | None = None

    def bytes_of(self, text: bytes) -> bytes:
        """Return what tokens that spell `text` stand for. Raises CorruptError, UnsupportedError."""
        if self.places is not None:
            text = restore(text, flags_of(text, self.places))
        if self.exceptions is None:
            return text
        assert self.kind.encoding is not None
        encoding = ENCODINGS[self.kind.encoding]
        try:
            chars = text.decode()
            if len(chars) * encoding.unit > self.n_bytes:
                raise corrupt(f"{len(chars)} characters in {self.n_bytes} bytes of {encoding.name}")
            return put_together(encoding, chars, self.exceptions)
        except UnicodeError as exc:
            raise corrupt(f"a chunk's text is none in {encoding.name}") from exc

    def packed(self) -> bytes:
        """Return it as it stands before the coded tokens."""
        has_encoding = self.exceptions is not None
        before = b"" if self.exceptions is None else self.exceptions.packed()
        if self.places is None:
            return before + (_AS_THEY_ARE if has_encoding else b"")
        return before + varint(len(self.places) + has_encoding) + pack_places(self.places)


def take_spelling(kind: Kind, n_bytes: int, payload: bytes) -> tuple[Spelling, bytes]:
    """Return what the payload of an LM chunk says, and what is left of it. Raises CorruptError."""
    fields = Body(payload, 0)
    exceptions = None if kind.encoding is None else Exceptions.take(fields, n_bytes)
    places = None
    if kind is Kind.LM_LINES:
        places = take_places(fields, fields.varint())
    elif exceptions is not None and (n_and_one := fields.varint()):
        places = take_places(fields, n_and_one - 1)
    return Spelling(kind, n_bytes, places, exceptions), payload[fields.offset :]
