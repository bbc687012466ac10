"""Texts that need no model, and what llmzip makes of them."""

from __future__ import annotations

import random

import llmzip

_RANDOM = random.Random(11)
TEXT = b"".join(_RANDOM.randbytes(_RANDOM.randrange(1, 90)) + b"\n" for _ in range(60))
"""Noise in lines: it is stored, in one chunk."""

PACKED = llmzip.compress(TEXT)
BOGUS = b"this is no compressed file at all, whatever it says it were"
