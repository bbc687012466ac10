"""Text of any origin, made fit to be looked at."""

from __future__ import annotations

import unicodedata

from llmzip.escaping import one_line

_JOINERS = "\u200c\u200d"  # within words of some scripts, and within emoji


def visible(text: str, kept: str = "\n\t") -> str:
    """Return `text` with what could not be seen or would steer a terminal escaped.

    That is all control characters but those of `kept`, and marks that change the direction of
    writing; spaces of any width stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) or c in kept else one_line(c) for c in text)


def in_line(text: str, n: int = 40) -> str:
    """Return `text` on one line, of at most about `n` characters."""
    short = text if len(text) <= n else text[: n - 1] + "…"
    return visible(short, kept="")


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
    )
