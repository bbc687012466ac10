"""Parts of the documents' decoder beside the product's: any bytes, line ends, tokenizers."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder import RefusedError, lines
from decoder.counted import Counted
from decoder.lm import Window
from decoder.mixed import Mixed
from llmzip import mixing
from llmzip.codec.lines import flags_of, restore, unify
from llmzip.codec.spelling import Spelling, take_spelling
from llmzip.container import Kind
from llmzip.errors import CorruptError
from llmzip.predict.windows import Window as OurWindow

lines_in = st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bc ", b"1,2", b"\xff", b"\0"]))
texts = st.one_of(st.binary(min_size=1, max_size=60), lines_in.map(b"".join).filter(len))


@settings(max_examples=30)
@given(texts, st.integers(1, 4))
def test_mixed_chunks(text: bytes, times: int) -> None:
    text = text * times
    payload = mixing.compress(text, len(text) + 99)
    assert payload is not None
    assert Mixed(payload, len(text)).decode() == text


@settings(max_examples=50)
@given(st.binary(max_size=12), st.integers(1, 20))
def test_mixed_payloads_that_no_encoder_makes(payload: bytes, n_bytes: int) -> None:
    try:
        expected = mixing.decompress(payload, n_bytes)
    except CorruptError:
        with pytest.raises(RefusedError):
            Mixed(payload, n_bytes).decode()
    else:
        assert Mixed(payload, n_bytes).decode() == expected


@settings(max_examples=30)
@given(texts, st.integers(1, 40))
def test_counted_chunks(text: bytes, times: int) -> None:
    text = text * times
    payload = mixing.compress_counted(text, len(text) + 99)
    assert payload is not None
    assert mixing.decompress_counted(payload, len(text)) == text
    assert Counted(payload, len(text)).decode() == text


@settings(max_examples=50)
@given(st.binary(max_size=12), st.integers(1, 20))
def test_counted_payloads_that_no_encoder_makes(payload: bytes, n_bytes: int) -> None:
    try:
        expected = mixing.decompress_counted(payload, n_bytes)
    except CorruptError:
        with pytest.raises(RefusedError):
            Counted(payload, n_bytes).decode()
    else:
        assert Counted(payload, n_bytes).decode() == expected


@given(lines_in.map(b"".join), st.binary(max_size=5))
def test_line_ends(text: bytes, coded: bytes) -> None:
    unified = unify(text)
    if unified is None:
        return
    places = array("I", np.flatnonzero(unified.is_bare).tolist())
    bare, rest = lines.split(Spelling(Kind.LM_LINES, len(text), places).packed() + coded)
    assert rest == coded
    assert bare == np.flatnonzero(unified.is_bare).tolist()
    assert lines.restore(unified.text, bare) == text


@given(st.binary(max_size=6), lines_in.map(b"".join))
def test_any_exceptions(payload: bytes, text: bytes) -> None:
    try:
        spelling, rest = take_spelling(Kind.LM_LINES, 100, payload)
        places = spelling.places
        assert places is not None
        expected = restore(text, flags_of(text, places))
    except CorruptError:
        with pytest.raises(RefusedError):
            lines.restore(text, lines.split(payload)[0])
    else:
        assert lines.split(payload) == (list(places), rest)
        assert lines.restore(text, list(places)) == expected


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 300))
def test_windows(size: int, carry: int, n: int) -> None:
    carry = min(carry, size // 2)
    assert Window(size, carry, 0).start(n) == OurWindow(size, carry, 0).start_of(n)
