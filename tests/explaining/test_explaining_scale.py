"""The scale from bits to colours, and where tokens stand."""

from __future__ import annotations

import numpy as np
import pytest
from view_samples import explained, single_bytes

from llmzip.explaining import scale
from llmzip.explaining.explanation import Unscored
from llmzip.explaining.places import Dear, dearest, shown_starts, token_ends


def test_levels_are_as_documented() -> None:
    bits = np.array([-1.0, 0.0, 0.2, 15.0, 16.0, 1e9, np.inf, np.nan])
    assert scale.levels(bits, 15.0).tolist() == [0, 0, 0, 8, 8, 8, 8, 0]
    assert scale.levels(np.array([0.0, 1, 3, 7, 15]), 15.0).tolist() == [0, 2, 4, 6, 8]


def test_levels_of_differences_are_as_documented() -> None:
    differences = np.array([-1e9, -15.0, -3.0, 0.0, 1.0, 7.0, 15.0])
    assert scale.side_levels(differences, 15.0).tolist() == [-4, -4, -2, 0, 1, 3, 4]


def test_one_outlier_does_not_flatten_the_rest() -> None:
    assert scale.ceiling(np.array([5.0] * 999 + [1000.0])) == 5.0
    assert scale.ceiling(np.zeros(0)) == scale.ceiling(np.zeros(9)) == scale.LOWEST_CEILING


@pytest.mark.parametrize(
    ("palette", "n"),
    [
        (scale.LIGHT, scale.N_LEVELS),
        (scale.DARK, scale.N_LEVELS),
        (scale.LIGHT_DIFFERENCES, 2 * scale.N_SIDES + 1),
        (scale.DARK_DIFFERENCES, 2 * scale.N_SIDES + 1),
    ],
)
def test_every_background_can_be_read_on(palette: tuple[str, ...], n: int) -> None:
    assert len(palette) == n
    for background in palette:
        bright, dark = sorted(map(luminance, (background, scale.ink(background))), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_sequential_palettes_rise_or_fall_in_lightness() -> None:
    assert sorted(scale.LIGHT, key=luminance, reverse=True) == list(scale.LIGHT)
    assert sorted(scale.DARK, key=luminance) == list(scale.DARK)


def luminance(colour: str) -> float:
    """Return WCAG's relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_dearest_tokens_say_where_they_are() -> None:
    pieces = ["漢字".encode(), b" x", b"\n", b"a", b"b"]
    one = explained(b"".join(pieces), lambda _: pieces, bits=[1, 9, 0, 0, 9])
    assert dearest(one, 2) == [Dear(1, 1, 3), Dear(4, 2, 2)]
    assert dearest(explained()) == []


def test_tokens_end_where_something_begins() -> None:
    one = explained(b"abcdef", single_bytes, unscored=[Unscored(0, 1, None), Unscored(2, 5, None)])
    assert one.tokens.offsets.tolist() == [1, 5]
    assert token_ends(one).tolist() == [2, 6]
    assert token_ends(explained()).tolist() == []


def test_what_is_shown_together_begins_with_text() -> None:
    assert shown_starts(explained("漢a".encode(), single_bytes)).tolist() == [0, 3]
