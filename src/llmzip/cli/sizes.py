"""Sizes as people type them: 4096, 64K, 1.5M, 2GiB."""

from __future__ import annotations

import re

import click

_UNITS = {letter: 1 << 10 * power for power, letter in enumerate("KMGT", start=1)}
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*((?P<unit>[KMGT])(iB|B)?|B)?", re.ASCII | re.I)


def size(text: str) -> int:
    """Return how many bytes `text` stands for: K, M, G, T are powers of 1,024, as for xz.

    To be given to click as the type of an option. Raises click.BadParameter.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no size: write 4096, 64K, 1.5M or 2GiB")
    unit = found["unit"]
    return int(float(found["number"]) * (_UNITS[unit.upper()] if unit else 1))
