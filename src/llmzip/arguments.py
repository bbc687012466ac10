"""What callers pass where something else is wanted: a TypeError that says what to pass."""

from __future__ import annotations

import io
import operator
import os


def level_number(level: object) -> int:
    """Return a level as an int. Raises TypeError for what is no integer, "9" for one."""
    try:
        return operator.index(level)  # type: ignore[arg-type]
    except TypeError:
        what = f"the {type(level).__name__} {level!r}" if level is not None else "None"
        raise TypeError(f"a level is an int from 1 to 9, not {what}") from None


def require_source(source: object) -> None:
    """Raise TypeError unless `source` is a file object to read bytes from."""
    _require_stream(source, "read", "rb")


def require_sink(sink: object) -> None:
    """Raise TypeError unless `sink` is a file object to write bytes to."""
    _require_stream(sink, "write", "wb")


def _require_stream(stream: object, verb: str, mode: str) -> None:
    kind = type(stream).__name__
    if isinstance(stream, str | os.PathLike):
        raise TypeError(
            f"a binary file object to {verb} is required, not {kind}: pass open(path, {mode!r})"
        )
    if isinstance(stream, io.TextIOBase):
        raise TypeError(
            f"a binary file object to {verb} is required, not {kind}, which is one of text: "
            f"open the file with mode {mode!r}"
        )
    if hasattr(stream, verb):
        return
    hint = ""
    if isinstance(stream, bytes | bytearray | memoryview):
        hint = ": pass io.BytesIO(data), or call llmzip.compress() or llmzip.decompress()"
    raise TypeError(f"a binary file object to {verb} is required, not {kind}{hint}")
