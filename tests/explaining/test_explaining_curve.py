"""The curve: its windows, and pictures that are the same each time."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from view_samples import HOSTILE, explained, single_bytes

from llmzip.errors import UsageError
from llmzip.explaining.comparing import compared
from llmzip.explaining.curve import LEAST_TOKENS, N_WINDOWS, curve_png, curve_svg, windows
from llmzip.explaining.explanation import Unscored


def test_windows_hold_all_bits() -> None:
    one = explained(b"some words, and more. " * 300)
    edges, values = windows(one, one.tokens.bits)
    assert values.size == edges.size - 1 <= N_WINDOWS
    assert (edges[0], edges[-1]) == (0, len(one.data))
    assert (values * np.diff(edges)).sum() == pytest.approx(one.total_bits)


def test_windows_have_tokens_enough() -> None:
    one = explained(b"x" * 20, single_bytes)
    edges, values = windows(one, one.tokens.bits)
    assert edges.tolist() == [0, LEAST_TOKENS, 2 * LEAST_TOKENS, 20]
    assert values.tolist() == [1.25, 1.25, 1.25]


def test_unscored_bytes_are_not_counted() -> None:
    one = explained(b"x" * 10 + b"\0" * 90, single_bytes, unscored=[Unscored(10, 100, None)])
    edges, values = windows(one, one.tokens.bits)
    assert edges[-1] == 10
    assert values.tolist() == [1.25, 1.25]


@pytest.mark.parametrize("data", [b"", b"one", HOSTILE])
def test_pictures_are_the_same_each_time(data: bytes) -> None:
    pytest.importorskip("matplotlib")
    one = explained(data, name="$x^2$ <漢>\x1b &.txt", unscored=[Unscored(0, len(data) // 2, None)])
    svg = curve_svg(one)
    assert svg == curve_svg(one)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "$x^2$ &lt;漢&gt;\\x1b &amp;.txt" in svg
    assert curve_png(one).startswith(b"\x89PNG\r\n")


def test_two_are_told_apart() -> None:
    pytest.importorskip("matplotlib")
    one, other = explained(b"one"), explained(b"one", single_bytes, model="other")
    svg = curve_svg(one, compared(one, other))
    assert "book.txt, by small and other" in svg
    assert "other: the model alone" in svg


def test_no_display_is_asked_for() -> None:
    pytest.importorskip("matplotlib")
    code = (
        "import sys, view_samples, llmzip.explaining.curve as curve;"
        "assert 'matplotlib' not in sys.modules;"
        "curve.curve_svg(view_samples.explained(b'one'));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def test_without_matplotlib_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'llmzip\[bench\]'"):
        curve_svg(explained(b"one"))
