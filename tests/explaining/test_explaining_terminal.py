"""In a terminal: colours or marks, and nothing that could steer it."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from view_samples import HOSTILE, explained, single_bytes

from llmzip.explaining.comparing import compared
from llmzip.explaining.explanation import Comparison, Explanation, Unscored
from llmzip.explaining.terminal import show

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def shown(one: Explanation, comparison: Comparison | None = None, encoding: str = "utf-8") -> str:
    """Return what a pipe is given."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding, newline="") as out:
        show(one, Console(file=out, width=80), comparison)
        out.flush()
        return raw.getvalue().decode(encoding)


def coloured(one: Explanation, comparison: Comparison | None = None, is_dark: bool = True) -> str:
    """Return what a terminal of all colours is given."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system="truecolor")
    show(one, console, comparison, is_dark=is_dark)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("cut", [None, single_bytes])
def test_nothing_steers_the_terminal(cut: object | None) -> None:
    one = explained(HOSTILE) if cut is None else explained(HOSTILE, single_bytes)
    other = explained(b"\x1b[2J" + HOSTILE, name="a\x1b[1mb", model="c\rd")
    for found in (one, None), (one, compared(one, other)), (other, compared(other, one)):
        for text in shown(*found), _STYLES.sub("", coloured(*found)):
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_shown_in_ascii(first: str, second: str) -> None:
    one = explained(first.encode("utf-8", "surrogatepass"), name=first)
    other = explained(second.encode("utf-8", "surrogatepass"), single_bytes, model=second)
    shown(one, encoding="ascii")
    shown(one, compared(one, other), encoding="ascii")


def test_markup_and_long_lines_stay_as_they_are() -> None:
    text = "[bold]no[/bold] :smile: 12 'x' " * 9
    bits = [0.0] * len(explained(text.encode()).tokens.ids)
    assert text in shown(explained(text.encode(), bits=bits))
    assert text in coloured(explained(text.encode(), bits=bits))


def test_without_colours_the_dearest_are_marked() -> None:
    one = explained(b"one two three\nfour", bits=[0, 1, 20, 0])
    assert "one two⟦ three 20.0⟧\nfour\n" in shown(one)
    assert "one two[ three 20.0]" in shown(one, encoding="ascii")
    assert re.search(r'20\.00 +1:8 +1 +" three"', shown(one))


def test_no_color_is_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    one = explained(b"one two", bits=[0, 20])
    out = io.StringIO()
    show(one, Console(file=out, force_terminal=True, color_system="truecolor"))
    assert "one⟦ two 20.0⟧" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(("is_dark", "background"), [(True, "254;227;145"), (False, "102;37;6")])
def test_with_colours_the_dearest_has_the_last(is_dark: bool, background: str) -> None:
    found = coloured(explained(b"one two\nthree", bits=[0, 20, 0]), is_dark=is_dark)
    assert re.search(rf"one\x1b\[[0-9;]*48;2;{background}m two\x1b\[0m\n\n?three", found)


def test_a_coloured_line_end_is_seen_and_ends_its_colour() -> None:
    found = coloured(explained(b"one\n", lambda data: [b"one", b"\n"], bits=[0, 20]))
    assert "↵\x1b[0m\n" in found


def test_a_character_over_several_tokens_is_shown_once_with_the_bits_of_all() -> None:
    one = explained("a漢".encode(), single_bytes, bits=[0, 9, 9, 9])
    assert "a⟦漢 27.0⟧\n" in shown(one)


def test_what_the_model_does_not_read_says_so() -> None:
    data = b"ab\0\1\2cd, copied"
    unscored = [Unscored(2, 5, None), Unscored(7, len(data), ", copied")]
    text = shown(explained(data, unscored=unscored))
    assert "ab<3 bytes that are no text>cd⟦, copied 8 bytes not read by the model⟧" in text
    assert "15 bytes, 4 of them in 2 tokens" in text


@pytest.mark.parametrize("data", [b"", b"one", b"\0\1"])
def test_nothing_and_little(data: bytes) -> None:
    one = explained(data, unscored=[Unscored(0, 2, None)] if data == b"\0\1" else [])
    assert shown(one)
    assert shown(one, compared(one, explained()))
    assert coloured(one, compared(explained(), one))


def test_two_texts_show_what_only_one_has() -> None:
    first, second = explained(b"one two three"), explained(b"one too three")
    assert "one⟦ two -⟧⟦ too +⟧ three" in shown(first, compared(first, second))
    assert re.search(r"\x1b\[9;[0-9;]*m two", coloured(first, compared(first, second)))


def test_two_models_show_by_how_many_bits_they_differ() -> None:
    first = explained(b"one two", bits=[1, 1])
    second = explained(b"one two", bits=[1, 21.5], model="other")
    text = shown(first, compared(first, second))
    assert "one⟦ two +20.5⟧" in text
    assert "+20.5 bits" in text
