"""Bits per byte along a text, as a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmzip.errors import UsageError
from llmzip.explaining.explanation import Comparison, Explanation
from llmzip.explaining.places import sums, token_ends
from llmzip.explaining.visible import in_line

N_WINDOWS = 200
LEAST_TOKENS = 8

_COLOURS = ("#0072b2", "#d55e00")  # Okabe and Ito's, which all can tell apart
_MODEL_ALONE = "the model alone"
_STYLE = {
    "svg.hashsalt": "llmzip",  # else its names of parts differ each time
    "svg.fonttype": "none",  # text stays text: it is found, and has glyphs of all scripts
    "font.family": ["DejaVu Sans", "sans-serif"],
}


def windows(
    explanation: Explanation, bits: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return edges in bytes, shape (k + 1,), and bits per byte of the windows between, (k,).

    A window is one N_WINDOWS-th of the tokens, LEAST_TOKENS at least; the last has what is left.
    bits: of each token. Bytes that are not scored do not count; where none are it is nan.
    """
    n_tokens = bits.size
    if not n_tokens:
        return np.zeros(1, dtype=np.int64), np.zeros(0)
    starts = np.arange(0, n_tokens, max(LEAST_TOKENS, -(-n_tokens // N_WINDOWS)), dtype=np.int64)
    ends = token_ends(explanation)
    n_bytes = sums((ends - explanation.tokens.offsets).astype(np.float64), starts)
    edges = np.append(explanation.tokens.offsets[starts], ends[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return edges, np.where(n_bytes > 0, sums(bits, starts) / n_bytes, np.nan)


def curve_svg(explanation: Explanation, comparison: Comparison | None = None) -> str:
    """Return the picture as SVG, the same each time. Raises UsageError without matplotlib."""
    metadata = {"Date": None, "Creator": None}
    return _drawn(explanation, comparison, format="svg", metadata=metadata).decode()


def curve_png(explanation: Explanation, comparison: Comparison | None = None) -> bytes:
    """Return it as PNG, 1,500 dots wide. Raises UsageError without matplotlib."""
    return _drawn(explanation, comparison, format="png", metadata={"Software": None}, dpi=150)


def _drawn(explanation: Explanation, comparison: Comparison | None, **how: Any) -> bytes:
    with _matplotlib() as figure:
        axes = figure.add_subplot()
        shown = [explanation] if comparison is None else [comparison.first, comparison.second]
        for one, colour in zip(shown, _COLOURS, strict=False):
            _draw(axes, one, colour, _label(one, shown))
        _dress(axes, shown)
        out = io.BytesIO()
        figure.savefig(out, **how)
    return out.getvalue()


@contextmanager
def _matplotlib() -> Iterator[Any]:
    """Give an empty figure, without a display and without the user's own settings."""
    try:
        import matplotlib.figure
        import matplotlib.style
    except ImportError as exc:
        raise UsageError("a picture needs matplotlib: pip install 'llmzip[bench]'") from exc
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # That a font has no glyph for a file's name is no reason to fail.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield matplotlib.figure.Figure(figsize=(10, 4), layout="constrained")


def _draw(axes: Any, one: Explanation, colour: str, label: str) -> None:
    """Draw the curve of an explanation, its mean, and beneath it the model's own."""
    tokens = one.tokens
    if not tokens.ids.size:
        return
    edges, values = windows(one, tokens.bits)
    if not np.array_equal(tokens.bits, tokens.model_bits):
        own = windows(one, tokens.model_bits)[1]
        name = _MODEL_ALONE if not label else f"{label}: {_MODEL_ALONE}"
        axes.stairs(own, edges, baseline=None, color=colour, alpha=0.55, linewidth=0.7, label=name)
    axes.stairs(
        values, edges, baseline=None, color=colour, linewidth=1.6, label=label or "as in the file"
    )
    if one.n_scored_bytes:
        mean = one.total_bits / one.n_scored_bytes
        axes.axhline(
            mean, color=colour, linestyle="--", linewidth=1, label=f"mean: {mean:.3f} bits a byte"
        )


def _dress(axes: Any, shown: list[Explanation]) -> None:
    """Add what says what is seen."""
    first = shown[0]
    one_text = all(one.data == first.data for one in shown)
    for number, stretch in enumerate(first.unscored if one_text else ()):
        label = "" if number else "not read by the model"
        axes.axvspan(stretch.start, stretch.stop, color="#999999", alpha=0.25, lw=0, label=label)
    axes.set_title(_title(shown), parse_math=False)
    axes.set_xlabel("byte of the text")
    axes.set_ylabel("bits a byte")
    axes.set_xlim(0, max(1, *(len(one.data) for one in shown)))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(visible=True, alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
    else:
        axes.text(0.5, 0.5, "no token", transform=axes.transAxes, ha="center")


def _title(shown: list[Explanation]) -> str:
    names = dict.fromkeys(in_line(one.name, 60) for one in shown)
    models = dict.fromkeys(in_line(one.model) for one in shown)
    return f"{' and '.join(names)}, by {' and '.join(models)}"


def _label(one: Explanation, shown: list[Explanation]) -> str:
    """Return what tells it from the other: the model, or the file; nothing where it is alone."""
    if len(shown) == 1:
        return ""
    return in_line(one.model if len({other.model for other in shown}) > 1 else one.name)
