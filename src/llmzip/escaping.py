"""Text of any origin on one line, without what would steer a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return `text` on one line: what could not be seen there, and control characters, escaped."""
    return "".join(c if c.isprintable() else _visible(c) for c in text)


def _visible(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
