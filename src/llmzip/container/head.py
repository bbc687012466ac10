"""The first bytes of a member: signature, form byte, options, the mark of a dictionary.

The form byte holds whether the text of a compact member goes on as it began (high bit), the
version (the next three), whether the member is compact with a table of chunks (8), whether
options follow (4), and 1 + the kind that all its chunks have (low two bits): 0 there means a
table in which each chunk says its own, or, without a table, a sequence. Kinds from 3 on cannot be
named there.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmzip.container.bodies import pack_options, refusing, unpack_options
from llmzip.container.kinds import Kind
from llmzip.container.limits import (
    ADAPTIVE_VERSION,
    DICTIONARY_MARK_BYTES,
    DICTIONARY_VERSION,
    LISTED_VERSIONS,
    SIGNATURE,
    VERSION,
)
from llmzip.container.records import ADAPTIVE_OPTIONS, DEFAULT_OPTIONS, DICTIONARY_OPTIONS, Options
from llmzip.container.wire import Fields, Source, frame, take_frame
from llmzip.errors import (
    CorruptError,
    NotLlmzError,
    TrailingError,
    TruncatedError,
    UnsupportedError,
)

_REPEATED_FLAG = 0x80
_TABLE_FLAG = 8
_OPTIONS_FLAG = 4
_KIND = 3
_MIN_ALIKE = 2  # of a signature's bytes: one damaged byte makes no garbage of a member
_DEFAULTS = {
    VERSION: DEFAULT_OPTIONS,
    ADAPTIVE_VERSION: ADAPTIVE_OPTIONS,
    DICTIONARY_VERSION: DICTIONARY_OPTIONS,
}
_LISTED = frozenset((VERSION + LISTED_VERSIONS, ADAPTIVE_VERSION + LISTED_VERSIONS))
NAMED_KINDS = frozenset(Kind(code) for code in range(_KIND))
"""The kinds that a form byte can name; a chunk of another needs a table."""


@dataclass(frozen=True)
class Form:
    """How a member is laid out.

    has_table: compact, of any number of chunks; without a table it is a lone chunk.
    kind: of all chunks of a compact member; None where each says its own, or in a sequence.
    is_repeated: compact, and its text goes on as it began; a lone chunk of such a member is stored.
    is_listed: all chunks are LM, and the number of their shortlist comes before them.
    """

    has_table: bool = False
    kind: Kind | None = None
    is_repeated: bool = False
    is_listed: bool = False

    @property
    def is_sequence(self) -> bool:
        """Whether the member is a sequence of records."""
        return not self.has_table and self.kind is None


SEQUENCE = Form()


def pack_start(form: Form, options: Options) -> bytes:
    """Return form byte, options and mark."""
    version = ADAPTIVE_VERSION if options.adaptive else VERSION
    if options.dictionary is not None:
        version = DICTIONARY_VERSION
    plain = options.numbers == _DEFAULTS[version].numbers
    version += LISTED_VERSIONS if form.is_listed else 0
    byte = version << 4 | (_TABLE_FLAG if form.has_table else 0) | (0 if plain else _OPTIONS_FLAG)
    byte |= 0 if form.kind is None else 1 + form.kind
    byte |= _REPEATED_FLAG if form.is_repeated else 0
    return bytes([byte]) + (b"" if plain else pack_options(options)) + (options.dictionary or b"")


def pack_header(options: Options) -> bytes:
    """Return the start of a sequence: the signature, then form and options as a frame."""
    head = pack_start(SEQUENCE, options)
    return SIGNATURE + frame(head[0], head[1:])


def check_start(source: Source) -> Form:
    """Look at the start of a member, taking nothing; return its form.

    Raises TruncatedError, NotLlmzError or UnsupportedError.
    """
    start = source.peek(len(SIGNATURE) + 1)
    if not SIGNATURE.startswith(start[: len(SIGNATURE)]):
        raise NotLlmzError("not a .llmz file: it starts with other bytes")
    if not start:
        raise TruncatedError("the input is empty, and a .llmz file is not even for an empty text")
    if len(start) <= len(SIGNATURE):
        raise TruncatedError(
            f"the file ends at byte {source.offset + len(start)}: it was cut off, get it again"
        )
    return unpack_form(start[-1])


def check_next(source: Source) -> None:
    """Raise unless what follows a member looks like the start of another.

    TrailingError where it is other data, CorruptError where it was a member's start once.
    """
    start = source.peek(len(SIGNATURE))
    if SIGNATURE.startswith(start):
        return
    what = f"other data follows the end of the file at byte {source.offset}"
    if sum(a == b for a, b in zip(start, SIGNATURE, strict=False)) >= _MIN_ALIKE:
        raise CorruptError(f"{what}, once a file that was joined to it: get the file again")
    if source.is_zeros():
        raise TrailingError(f"{what}: zeros", is_padding=True)
    raise TrailingError(f"{what}: it is left out")


def take_header(source: Source) -> Options:
    """Take the start of a sequence."""
    source.take(len(SIGNATURE))
    byte, body = take_frame(source)
    options = take_options(byte, body)
    body.done()
    return options


def take_compact_head(fields: Fields) -> Options:
    """Take what pack_start wrote for a compact member."""
    return take_options(fields.byte(), fields)


def take_options(byte: int, fields: Fields) -> Options:
    """Take what follows the form byte in pack_start."""
    version = _version(byte)
    defaults = _DEFAULTS[version]
    numbers = unpack_options(fields) if byte & _OPTIONS_FLAG else defaults.numbers
    mark = fields.take(DICTIONARY_MARK_BYTES) if version == DICTIONARY_VERSION else None
    with refusing(fields):
        return Options(*numbers, defaults.adaptive, mark)


def unpack_form(byte: int) -> Form:
    """Return what a form byte says. Raises UnsupportedError."""
    kind = Kind((byte & _KIND) - 1) if byte & _KIND else None
    is_listed = byte >> 4 in _LISTED
    form = Form(bool(byte & _TABLE_FLAG), kind, bool(byte & _REPEATED_FLAG), is_listed)
    if is_listed and kind is not Kind.LM:
        raise UnsupportedError(
            "a shortlist of what is not known here; update llmzip, or get the file again"
        )
    if _version(byte) not in _DEFAULTS:
        raise UnsupportedError(
            f"format version {byte >> 4}: this release reads versions {VERSION} to "
            f"{DICTIONARY_VERSION}, 5, 6 and 9 to 11; update llmzip, or get the file again"
        )
    if form.is_repeated and not (form.has_table or form.kind is Kind.STORED):
        raise UnsupportedError(
            "a text that goes on after what is not known here; update llmzip, or get the file again"
        )
    return form


def _version(byte: int) -> int:
    """What a form byte's version is but for how the member is laid out."""
    version = (byte & ~_REPEATED_FLAG) >> 4
    return version - LISTED_VERSIONS if byte >> 4 in _LISTED else version
