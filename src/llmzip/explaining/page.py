"""An explanation as one page for a browser, which needs nothing but itself.

The columns of all tokens lie in the page, deflated; its scripts lay out as much of the text as is
seen. What it says is the same wherever it is made.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from llmzip.explaining.comparing import stretch_bits
from llmzip.explaining.explanation import Comparison, Explanation
from llmzip.explaining.scale import ceiling
from llmzip.explaining.totals import totals

SCRIPTS = (
    *("columns.js", "layout.js", "colours.js", "text.js", "panel.js"),
    *("overview.js", "lists.js", "search.js", "printing.js", "main.js"),
)
BITS_UNIT = 1024
"""Bits are told in units of one over it, as uint16: no token can take 64."""

Columns = Mapping[str, NDArray[Any]]


def page(explanation: Explanation, comparison: Comparison | None = None) -> str:
    """Return the page, as HTML. comparison: whose first is `explanation`."""
    parts = files("llmzip.explaining") / "page_parts"
    script = "".join((parts / name).read_text("utf-8") for name in SCRIPTS)
    style = (parts / "page.css").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((parts / "page.html.jinja").read_text("utf-8"))
    columns = {**_columns(explanation), **(_compared(comparison) if comparison else {})}
    others = None if comparison is None else comparison.second
    return template.render(
        name=explanation.name,
        totals=totals(explanation),
        other_totals=None if others is None else totals(others),
        sizes=_bars(explanation),
        head=_packed(json.dumps(_head(explanation, comparison), ensure_ascii=False).encode()),
        columns=[
            (name, array.dtype.str[1:], _packed(_bytes(array))) for name, array in columns.items()
        ],
        script=Markup(script),
        style=Markup(style),
        policy=_policy(script, style),
    )


def _head(explanation: Explanation, comparison: Comparison | None) -> dict[str, Any]:
    """Return what scripts are told beside the columns."""
    return {
        "text": "".join(explanation.spelt),
        "nBytes": len(explanation.data),
        "ceiling": ceiling(explanation.tokens.bits),
        "differenceCeiling": None if comparison is None else _difference_ceiling(comparison),
        "vocabulary": {str(token): text for token, text in explanation.vocabulary.items()},
        "chunks": [
            [chunk.codec, chunk.n_bytes, chunk.n_payload_bytes, chunk.n_tokens]
            for chunk in explanation.chunks
        ],
        "unscored": list(_unscored(explanation)),
        "lineStarts": _line_starts(explanation.data),
        "unit": BITS_UNIT,
        "names": None if comparison is None else _names(comparison),
    }


def _difference_ceiling(comparison: Comparison) -> float:
    mine, theirs = stretch_bits(comparison)
    return ceiling(np.abs(mine - theirs)[comparison.aligned])


def _names(comparison: Comparison) -> list[str]:
    """Return what tells the two apart: the files, or of one file the models."""
    first, second = comparison.first, comparison.second
    if first.name != second.name:
        return [first.name, second.name]
    return [first.model, second.model]


def _unscored(explanation: Explanation) -> Iterator[list[Any]]:
    """Yield of each stretch: before which token it stands, its first byte, its end, its text."""
    starts = np.array([one.start for one in explanation.unscored], dtype=np.int64)
    places = np.searchsorted(explanation.tokens.offsets, starts).tolist()
    for at, one in zip(places, explanation.unscored, strict=True):
        yield [at, one.start, one.stop, one.text]


def _line_starts(data: bytes) -> list[int]:
    """Return how far it is from each line's first byte to the next one's."""
    feeds = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    starts: list[int] = np.diff(feeds + 1, prepend=0).tolist()
    return starts


def _columns(explanation: Explanation) -> Columns:
    """Return what is told of tokens, each column in the type that the page reads it as."""
    own = explanation.tokens
    sizes = [len(text.encode("utf-16-le")) // 2 for text in explanation.spelt]
    with np.errstate(divide="ignore"):
        likeliest_bits = np.minimum(-np.log2(own.probabilities), 63.0)
    return {
        "sizes": np.array(sizes, dtype="<u4"),
        "steps": np.diff(own.offsets, prepend=0).astype("<u4"),
        "bits": _units(own.bits),
        "modelBits": _units(own.model_bits),
        "biasedBits": _units(own.biased_bits),
        "ids": own.ids.astype("<u4"),
        "ranks": own.ranks.astype("<u4"),
        "likeliest": (own.likeliest.T + 1).astype("<u4"),
        "likeliestBits": _units(likeliest_bits.T),
        "chunkNumbers": own.chunks.astype("<u4"),
    }


def _compared(comparison: Comparison) -> Columns:
    """Return of each token of the first to which stretch it belongs, and of each what it takes."""
    n = comparison.first.n_tokens
    mine, theirs = stretch_bits(comparison)
    aligned = comparison.aligned
    return {
        "stretches": np.searchsorted(comparison.first_starts, np.arange(n), side="right").astype(
            "<u4"
        ),
        "mine": np.append(0.0, mine).astype("<f4"),
        "theirs": np.append(np.nan, np.where(aligned, theirs, np.nan)).astype("<f4"),
    }


def _units(bits: NDArray[np.float64]) -> NDArray[Any]:
    return np.rint(bits * BITS_UNIT).astype("<u2")


def _bytes(array: NDArray[Any]) -> bytes:
    """Return the bytes of an array, all first ones, then all second ones: that deflates better."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()


def _packed(data: bytes) -> str:
    """Return bytes deflated, as base64."""
    return b64encode(zlib.compress(data, 6)).decode()


def _bars(explanation: Explanation) -> list[tuple[str, int, float]]:
    """Return names and sizes, the smallest first, and each as a share of the largest."""
    sizes = {"llmzip": explanation.n_file_bytes, **explanation.sizes}
    largest = max(1, *sizes.values())
    return [(name, n, n / largest) for name, n in sorted(sizes.items(), key=lambda one: one[1])]


def _policy(script: str, style: str) -> str:
    """Return a Content-Security-Policy under which the page can ask for nothing at all."""
    scripts, styles = (b64encode(sha256(one.encode()).digest()).decode() for one in (script, style))
    return f"default-src 'none'; script-src 'sha256-{scripts}'; style-src 'sha256-{styles}'"
