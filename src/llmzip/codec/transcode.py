"""Text in another encoding, as text for the model and exceptions: bytes that are none in it.

Whatever an encoding can say is proven: each part of the text is encoded again and compared before
it counts as text. What differs, broken sequences and characters that are written in an unusual
way, is carried as it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from llmzip.container.wire import Fields, corrupt, varint
from llmzip.encodings import ENCODINGS, Encoding
from llmzip.errors import UnsupportedError

MAX_RAW_SHARE = 1 / 16
"""Data of which more is no text in an encoding is left as it is."""


@dataclass(frozen=True)
class Exceptions:
    """Bytes within a text that are none. In arrays, for a payload may list very many.

    places: before which character of the text each stands, rising; sizes: in bytes, at least 1.
    joined: the bytes of all.
    """

    places: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    joined: bytes = b""

    def packed(self) -> bytes:
        """Return the list as it stands in a payload."""
        out = [varint(len(self.places))]
        last = at = 0
        for place, size in zip(self.places, self.sizes, strict=True):
            out += [varint(place - last), varint(size), self.joined[at : at + size]]
            last, at = place, at + size
        return b"".join(out)

    @classmethod
    def take(cls, fields: Fields, n_bytes: int) -> Exceptions:
        """Take what `packed` gave, of a chunk of `n_bytes`. Raises CorruptError."""
        places, sizes, joined = array("I"), array("I"), bytearray()
        place = 0
        for _ in range(fields.varint()):
            place, size = place + fields.varint(), fields.varint()
            if place > n_bytes or not 1 <= size <= n_bytes - len(joined):
                raise corrupt("a chunk lists more that is no text than it has bytes")
            places.append(place)
            sizes.append(size)
            joined += fields.take(size)
        return cls(places, sizes, bytes(joined))

    def between(self, start: int, stop: int) -> Exceptions:
        """Return those before characters `start` to `stop` (exclusive), counted from `start`."""
        first, last = bisect_left(self.places, start), bisect_left(self.places, stop)
        at = sum(self.sizes[:first])
        sizes = self.sizes[first:last]
        places = array("I", (place - start for place in self.places[first:last]))
        return Exceptions(places, sizes, self.joined[at : at + sum(sizes)])


@dataclass(frozen=True)
class Transcoded:
    """Data as text and exceptions."""

    encoding: Encoding
    text: str
    exceptions: Exceptions


def transcode(data: bytes, name: str, n_before: int = 0) -> Transcoded | None:
    """Return `data` as text in the encoding `name`; None where too much of it is none.

    n_before: bytes before the first character.
    """
    encoding = ENCODINGS[name]
    try:
        found = _gather(encoding, [data[:n_before], *encoding.spans(data[n_before:])])
    except UnsupportedError:
        return None
    if len(found.exceptions.joined) > MAX_RAW_SHARE * len(data):
        return None
    is_proven = put_together(encoding, found.text, found.exceptions) == data
    return found if is_proven else None


def put_together(encoding: Encoding, text: str, exceptions: Exceptions) -> bytes:
    """Return the bytes of `text` with the exceptions in their places.

    Raises CorruptError for one beyond the text, UnicodeEncodeError and UnsupportedError.
    """
    parts: list[bytes] = []
    last = at = 0
    for place, size in zip(exceptions.places, exceptions.sizes, strict=True):
        if place > len(text):
            raise corrupt("a chunk lists something behind the end of its text")
        parts += [encoding.encode(text[last:place]), exceptions.joined[at : at + size]]
        last, at = place, at + size
    return b"".join([*parts, encoding.encode(text[last:])])


def _gather(encoding: Encoding, spans: Iterable[str | bytes]) -> Transcoded:
    """Return the parts as one text; what is none, and follows on the like, is one exception."""
    texts: list[str] = []
    found = Exceptions()
    joined = bytearray()
    n_chars = 0
    for span in spans:
        if isinstance(span, str):
            texts.append(span)
            n_chars += len(span)
        elif span and found.places and found.places[-1] == n_chars:
            found.sizes[-1] += len(span)
            joined += span
        elif span:
            found.places.append(n_chars)
            found.sizes.append(len(span))
            joined += span
    return Transcoded(
        encoding, "".join(texts), Exceptions(found.places, found.sizes, bytes(joined))
    )
