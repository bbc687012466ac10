"""The first bytes of a member: signature, form byte, options.

The form byte holds the version (high four bits), a reserved bit (8, zero), whether options
follow (4), and what the member is: 0 a sequence of records, 1 + kind a single chunk of it.
"""

from __future__ import annotations

from llmzip.container.bodies import pack_options, unpack_options
from llmzip.container.limits import SIGNATURE, VERSION
from llmzip.container.records import DEFAULT_OPTIONS, Kind, Options
from llmzip.container.wire import Fields, Source, frame, take_frame
from llmzip.errors import CorruptError, NotLlmzError, TruncatedError, UnsupportedError

_OPTIONS_FLAG = 4
_RESERVED = 8
_WHAT = 3


def pack_head(kind: Kind | None, options: Options) -> bytes:
    """Return form byte and options of a single chunk of this kind, or of a sequence (None)."""
    plain = options == DEFAULT_OPTIONS
    what = 0 if kind is None else 1 + kind
    form = VERSION << 4 | (0 if plain else _OPTIONS_FLAG) | what
    return bytes([form]) + (b"" if plain else pack_options(options))


def pack_header(options: Options) -> bytes:
    """Return the start of a sequence: the signature, then form and options as a frame."""
    head = pack_head(None, options)
    return SIGNATURE + frame(head[0], head[1:])


def check_start(source: Source) -> Kind | None:
    """Look at the start of a member, taking nothing: the kind of its only chunk, else None.

    Raises TruncatedError, NotLlmzError (at the file's start), CorruptError (after a member)
    or UnsupportedError.
    """
    start = source.peek(len(SIGNATURE) + 1)
    if not SIGNATURE.startswith(start[: len(SIGNATURE)]):
        if source.offset == 0:
            raise NotLlmzError("not a .llmz file: it starts with other bytes")
        raise CorruptError(
            f"other data follows the end of the file at byte {source.offset}: "
            "cut it off, or get the file again"
        )
    if not start:
        raise TruncatedError("the input is empty, and a .llmz file is not even for an empty text")
    if len(start) <= len(SIGNATURE):
        raise TruncatedError(
            f"the file ends at byte {source.offset + len(start)}: it was cut off, get it again"
        )
    return _unpack_form(start[-1])[0]


def take_header(source: Source) -> Options:
    """Take the start of a sequence."""
    source.take(len(SIGNATURE))
    form, body = take_frame(source)
    options = _take_options(form, body)
    body.done()
    return options


def take_single_head(fields: Fields) -> Options:
    """Take what pack_head wrote for a single chunk."""
    return _take_options(fields.byte(), fields)


def _take_options(form: int, fields: Fields) -> Options:
    return unpack_options(fields) if _unpack_form(form)[1] else DEFAULT_OPTIONS


def _unpack_form(form: int) -> tuple[Kind | None, bool]:
    if form >> 4 != VERSION or form & _RESERVED:
        raise UnsupportedError(
            f"format version {form >> 4}, flags {form & 15}: this release reads version "
            f"{VERSION} only; update llmzip, or get the file again"
        )
    what = form & _WHAT
    return (Kind(what - 1) if what else None), bool(form & _OPTIONS_FLAG)
