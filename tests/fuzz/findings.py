"""What a fuzzer raises when a promise is broken."""

from __future__ import annotations


class FindingError(AssertionError):
    """An input for which something does not hold; the message says what."""
