"""Parts of a text as people name them: bytes as Python slices them, lines as sed counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

from llmzip.cli.sizes import size

_LINES = re.compile(r"(\d*):(\d*)", re.ASCII)


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to `stop`, which is not one of them; None: from, or to, the end.

    Negative numbers count from the end of the text.
    """

    start: int | None
    stop: int | None

    @property
    def counts_from_end(self) -> bool:
        """Whether it is not known which bytes these are before the size of the text is."""
        return any(number is not None and number < 0 for number in (self.start, self.stop))

    def within(self, n_bytes: int) -> tuple[int, int]:
        """Return where they start and stop in a text of so many bytes."""
        start, stop, _ = slice(self.start, self.stop).indices(n_bytes)
        return start, max(start, stop)


@dataclass(frozen=True)
class LineRange:
    """Lines `first` to `last`, both of them included, counted from 1; None: to the end."""

    first: int
    last: int | None


def byte_range(text: str) -> ByteRange:
    """Return what A:B, A:, :B or : stands for, with sizes such as 64K or -1M.

    To be given to click as the type of an option. Raises click.BadParameter.
    """
    start, colon, stop = text.partition(":")
    if not colon or ":" in stop:
        raise click.BadParameter(
            f"{text!r} is no range: write A:B, A: or :B, in bytes; B is not included, and -A "
            "counts from the end"
        )
    return ByteRange(_offset(start), _offset(stop))


def line_range(text: str) -> LineRange:
    """Return what A:B, A:, :B or : stands for.

    To be given to click as the type of an option. Raises click.BadParameter.
    """
    found = _LINES.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(
            f"{text!r} are no lines: write A:B, A: or :B, counted from 1; B is included"
        )
    first = int(found[1] or 1)
    last = int(found[2]) if found[2] else None
    if first == 0 or last == 0:
        raise click.BadParameter("lines are counted from 1")
    if last is not None and last < first:
        raise click.BadParameter(f"lines {text} end before they begin")
    return LineRange(first, last)


def _offset(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    sign = -1 if text.startswith("-") else 1
    return sign * size(text.removeprefix("-"))
