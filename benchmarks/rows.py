"""Which rows there are, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from llmzip.bench.codec import LlmzipCodec, Settings
from llmzip.bench.measure import Codec
from llmzip.bench.rows import OTHERS
from neural import ConstrictionCodec

WHOLE_ROWS = (*OTHERS, "llmzip")
"""Rows over each file as it is."""

PREFIX_ROWS = ("llmzip", "float", "constriction")
"""Rows over the beginning of each file, where one token at a time is bearable."""

ALL_ROWS = tuple(dict.fromkeys(WHOLE_ROWS + PREFIX_ROWS))


def openers(settings: Settings) -> dict[str, Callable[[], Codec]]:
    """Return what opens each row; opening raises ImportError where a library is not there."""
    return {
        **{name: row.opened for name, row in OTHERS.items()},
        "llmzip": partial(LlmzipCodec, settings),
        "float": partial(LlmzipCodec, settings, exact=False),
        "constriction": partial(ConstrictionCodec, settings),
    }
