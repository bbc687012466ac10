"""An explanation in a terminal: the text coloured by how much it surprised the model."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmzip.explaining import scale
from llmzip.explaining.comparing import stretch_bits
from llmzip.explaining.explanation import Comparison, Explanation, Unscored
from llmzip.explaining.places import shown_starts, sums
from llmzip.explaining.tables import comparison_lines, dearest_lines, total_lines
from llmzip.explaining.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style

_LEAST_MARKED = scale.N_LEVELS - 2  # levels that are marked where there are no colours
_MOST_UNSCORED = 400  # characters of a stretch that the model does not read


@dataclass(frozen=True)
class Piece:
    """Text to show. style: as rich calls it. mark: what stands behind it where there is none."""

    text: str
    style: str = ""
    mark: str = ""


def show(
    explanation: Explanation,
    console: Console,
    comparison: Comparison | None = None,
    *,
    is_dark: bool = True,
) -> None:
    """Print the totals, the text, the dearest tokens, on a terminal or into a pipe.

    console: says how wide it is and what colours there are (NO_COLOR, FORCE_COLOR, TERM); without
    them the dearest tokens stand in brackets with their bits, and of two texts what differs. No
    control character of the text reaches it but tabs and line ends. comparison: of which
    `explanation` is the first; what is shown is the second's text, by how many bits it is dearer.
    """
    printer = _Printer(console)
    if comparison is None:
        printer.lines(total_lines(explanation))
        ceiling = scale.ceiling(explanation.tokens.bits)
        printer.pieces(_legend(is_dark, ceiling) if printer.has_colours else _MARKS)
        printer.pieces(_pieces(explanation, ceiling, is_dark))
        printer.lines(["", *dearest_lines(explanation)])
    else:
        printer.lines(comparison_lines(comparison))
        differences = _differences(comparison)
        ceiling = scale.ceiling(np.abs(differences))
        colours = _difference_legend(is_dark, ceiling)
        printer.pieces(colours if printer.has_colours else _DIFFERENCE_MARKS)
        printer.pieces(_difference_pieces(comparison, differences, ceiling, is_dark))


_MARKS = (Piece("in brackets: what surprised the model most, with its bits\n\n"),)
_DIFFERENCE_MARKS = (
    Piece(
        "in brackets: bits more or less in the second; -: only in the first; +: in the second\n\n"
    ),
)


class _Printer:
    """Prints pieces on a console, coloured or marked, without what it cannot encode."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.has_colours = console.color_system is not None and not console.no_color
        self.brackets = ("⟦", "⟧") if self._can("⟦⟧") else ("[", "]")

    def lines(self, lines: Sequence[str]) -> None:
        self.pieces(Piece(f"{line}\n") for line in lines)

    def pieces(self, pieces: Iterable[Piece]) -> None:
        """Print pieces and end the line; as segments, for rich's Text would expand tabs."""
        from rich.segment import Segment, Segments

        segments = []
        for style, parts in groupby(self._parts(pieces), key=itemgetter(1)):
            segments.append(Segment("".join(text for text, _ in parts), style))
        self._console.print(Segments(segments), soft_wrap=True)

    def _parts(self, pieces: Iterable[Piece]) -> Iterator[tuple[str, Style | None]]:
        """Yield what to print and how; line ends bare, for a colour would run on after them."""
        text = "\n"
        for piece in pieces:
            style = self._style(piece)
            for n, text in enumerate(self._text(piece).split("\n")):
                if n:
                    yield "\n", None
                if text:
                    yield text, style
        if text:
            yield "\n", None

    def _text(self, piece: Piece) -> str:
        text = piece.text
        if not self.has_colours and piece.mark:
            opening, closing = self.brackets
            feeds = "\n" * text.count("\n")
            text = f"{opening}{text.replace(chr(10), '↵')} {piece.mark}{closing}{feeds}"
        elif self.has_colours and piece.style:
            text = text.replace("\n", "↵\n")
        return text if self._can(text) else self._escaped(text)

    def _style(self, piece: Piece) -> Style | None:
        from rich.style import Style

        return Style.parse(piece.style) if piece.style and self.has_colours else None

    def _can(self, text: str) -> bool:
        try:
            text.encode(self._console.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def _escaped(self, text: str) -> str:
        encoding = self._console.encoding
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _legend(is_dark: bool, ceiling: float) -> Iterator[Piece]:
    """Say which colours stand for how many bits."""
    yield Piece("bits: ")
    for level, text in enumerate(_level_names(ceiling)):
        yield Piece(f" {text} ", _level_style(level, is_dark))
    yield Piece("\n\n")


def _level_names(ceiling: float) -> list[str]:
    """Return from how many bits on a token has each level."""
    floors = (1 + ceiling) ** (np.arange(scale.N_LEVELS) / scale.N_LEVELS) - 1
    return [f"{floor:.1f}" for floor in floors.tolist()]


def _pieces(one: Explanation, ceiling: float, is_dark: bool) -> Iterator[Piece]:
    """Yield the text; the tokens of one character are shown as one, with the bits of all."""
    starts = shown_starts(one)
    bits = sums(one.tokens.bits, starts)
    levels = scale.levels(bits, ceiling).tolist()
    places = one.tokens.offsets[starts].tolist()
    rows = zip(starts.tolist(), bits.tolist(), levels, strict=True)
    found = (_token_piece(one.spelt[i], own, level, is_dark) for i, own, level in rows)
    return _with_unscored(zip(places, found, strict=True), one.unscored)


def _token_piece(text: str, bits: float, level: int, is_dark: bool) -> Piece:
    mark = f"{bits:.1f}" if level >= _LEAST_MARKED else ""
    return Piece(visible(text), _level_style(level, is_dark), mark)


def _level_style(level: int, is_dark: bool) -> str:
    """Return the style of a level; what was expected looks as all other text does."""
    return _painted((scale.DARK if is_dark else scale.LIGHT)[level]) if level else ""


def _painted(background: str) -> str:
    return f"{scale.ink(background)} on {background}"


def _with_unscored(
    pieces: Iterable[tuple[int, Piece]], unscored: Sequence[Unscored]
) -> Iterator[Piece]:
    """Yield pieces with the bytes that they begin at, and between them what is unscored."""
    others = ((one.start, _unscored_piece(one)) for one in unscored)
    for _, piece in heapq.merge(others, pieces, key=lambda pair: pair[0]):
        yield piece


def _unscored_piece(one: Unscored) -> Piece:
    n_bytes = f"{one.stop - one.start:,} bytes"
    if one.text is None:
        return Piece(f"<{n_bytes} that are no text>", "dim")
    rest = "…" if len(one.text) > _MOST_UNSCORED else ""
    mark = f"{n_bytes} not read by the model"
    return Piece(visible(one.text[:_MOST_UNSCORED]) + rest, "dim", mark)


def _differences(comparison: Comparison) -> NDArray[np.float64]:
    first, second = stretch_bits(comparison)
    return second - first


def _difference_legend(is_dark: bool, ceiling: float) -> Iterator[Piece]:
    yield Piece("bits more in the second: ")
    sizes = (1 + ceiling) ** (np.arange(scale.N_SIDES + 1) / scale.N_SIDES) - 1
    for side in range(-scale.N_SIDES, scale.N_SIDES + 1):
        size = sizes[abs(side)] * (1 if side > 0 else -1)
        yield Piece(f" {size:+.1f} " if side else " 0 ", _side_style(side, is_dark))
    yield Piece(" (struck through: only in the first)\n\n")


def _difference_pieces(
    comparison: Comparison, differences: NDArray[np.float64], ceiling: float, is_dark: bool
) -> Iterator[Piece]:
    """Yield the second's text, and before what only it has, struck through, what only the first."""
    second = comparison.second
    places = np.append(second.tokens.offsets, len(second.data))[comparison.second_starts[:-1]]
    levels = scale.side_levels(differences, ceiling).tolist()
    rows = zip(
        *(places.tolist(), comparison.aligned.tolist(), differences.tolist(), levels),
        *(pairwise(comparison.first_starts.tolist()), pairwise(comparison.second_starts.tolist())),
        strict=True,
    )
    found: list[tuple[int, Piece]] = []
    for place, is_aligned, more, level, mine, yours in rows:
        text = "".join(second.spelt[slice(*yours)])
        if is_aligned:
            mark = f"{more:+.1f}" if abs(level) == scale.N_SIDES else ""
            found.append((place, Piece(visible(text), _side_style(level, is_dark), mark)))
            continue
        old = "".join(comparison.first.spelt[slice(*mine)])
        found.append((place, Piece(visible(old), _alone_style(is_dark, True), "-")))
        found.append((place, Piece(visible(text), _alone_style(is_dark, False), "+")))
    return _with_unscored((pair for pair in found if pair[1].text), second.unscored)


def _side_style(level: int, is_dark: bool) -> str:
    palette = scale.DARK_DIFFERENCES if is_dark else scale.LIGHT_DIFFERENCES
    return _painted(palette[level + scale.N_SIDES]) if level else ""


def _alone_style(is_dark: bool, is_first: bool) -> str:
    """Return the style of what only one text has."""
    side = -scale.N_SIDES if is_first else scale.N_SIDES
    return ("strike " if is_first else "underline ") + _side_style(side, is_dark)
