"""What is made of rows: sums, and from where on a model's size is paid back."""

from __future__ import annotations

import json

import pytest

from llmzip.bench.numbers import size
from llmzip.bench.results import RowResult, TextResult, break_evens, row_figures, total
from llmzip.bench.words import break_even_text


def row(name: str, n_packed: int, *, level: int | None = None, n: int = 1000) -> RowResult:
    return RowResult(name, level, n, n_packed, 0.5, 2.0, 3, 10_000, 60_000)


XZ, PPMD, OURS = row("xz -9e", 400), row("ppmd", 300), row("llmzip -5", 200, level=5)


def test_a_model_is_paid_back_by_what_it_saves_against_the_smallest_other_row() -> None:
    (one,) = break_evens(TextResult("x", 1000, [XZ, PPMD, OURS]), 98_000_000)
    assert (one.row, one.against, one.saved_bytes) == ("llmzip -5", "ppmd", 100)
    assert one.text_bytes == 980_000_000
    # so much text takes as many bytes either way
    assert one.text_bytes * 0.3 == pytest.approx(one.text_bytes * 0.2 + 98_000_000)
    assert break_even_text(one) == (
        "llmzip -5: from 980 MB of such text on, "
        "the model's own 98.0 MB are paid back against ppmd."
    )


@pytest.mark.parametrize("n_packed", [300, 301])
def test_what_is_not_smaller_never_pays(n_packed: int) -> None:
    (one,) = break_evens(TextResult("x", 1000, [PPMD, row("llmzip -5", n_packed, level=5)]), 98)
    assert one.text_bytes is None
    assert one.saved_bytes == 300 - n_packed
    assert "never paid back" in break_even_text(one)


def test_with_nothing_beside_it_there_is_nothing_to_say() -> None:
    assert break_evens(TextResult("x", 1000, [OURS]), 98) == []


def test_a_total_has_the_rows_that_all_texts_have() -> None:
    more = [row("xz -9e", 100, n=500), row("llmzip -5", 50, level=5, n=500)]
    whole = total([TextResult("a", 1000, [XZ, PPMD, OURS]), TextResult("b", 500, more)])
    assert [one.name for one in whole.rows] == ["xz -9e", "llmzip -5"]
    assert (whole.name, whole.n_bytes) == ("2 files", 1500)
    xz = whole.rows[0]
    assert (xz.n_packed_bytes, xz.compress_s, xz.decompress_s) == (500, 1.0, 4.0)
    assert xz.compress_bytes_per_s == 1500
    assert xz.memory_bytes == 50_000


def test_figures_of_a_row_agree_with_each_other() -> None:
    found = json.loads(json.dumps(row_figures(XZ)))
    assert found["ratio"] == 0.4
    assert found["bits_per_byte"] == 3.2
    assert found["compress_bytes_per_second"] == 2000
    assert found["decompress_bytes_per_second"] == 500
    assert found["memory_bytes"] == 50_000


def test_sizes_have_three_digits() -> None:
    sizes = (0, 999, 1234, 98_362_432, 5.25e8, 1.5e15)
    assert [size(one) for one in sizes] == [
        *("0 B", "999 B", "1.23 kB", "98.4 MB", "525 MB", "1.50 PB")
    ]
