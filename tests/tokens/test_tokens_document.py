"""docs/FORMAT.md says enough of tokens: its own decoder has the same table, and cuts the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokens_round_trip import INPUTS
from tokenizer_zoo import NAMES, tokenizer_json

from decoder import RefusedError
from decoder.cutting import Cutter
from decoder.tokens import Tokens
from llmzip.errors import CorruptError
from llmzip.tokens import ByteTokenizer

OURS = {name: ByteTokenizer(tokenizer_json(name)) for name in NAMES}
THEIRS = {name: Tokens(tokenizer_json(name)) for name in NAMES}
CUTTERS = {name: Cutter(tokens) for name, tokens in THEIRS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_table_and_escape(name: str) -> None:
    assert THEIRS[name].fingerprint_bytes() == OURS[name].fingerprint_bytes()


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS.keys())
@pytest.mark.parametrize("name", NAMES)
def test_cut_alike(name: str, data: bytes) -> None:
    ids = OURS[name].encode(data).tolist()
    assert CUTTERS[name].cut(data) == ids
    assert THEIRS[name].spell(ids) == data


@settings(max_examples=30)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_cut_alike(name: str, data: bytes) -> None:
    assert CUTTERS[name].cut(data) == OURS[name].encode(data).tolist()


@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_any_ids_spell_the_same_or_are_refused(name: str, data: st.DataObject) -> None:
    """Escapes above all: whole, cut off, of digits that are none, of bytes that are there."""
    ours, theirs = OURS[name], THEIRS[name]
    usual = st.integers(0, len(theirs.table) + 2)
    of_escapes = st.sampled_from([theirs.escape % len(theirs.table), *theirs.digits[:9]])
    ids = data.draw(st.lists(usual | of_escapes, max_size=12))
    try:
        expected = ours.decode(np.array(ids, dtype=np.int32))
    except CorruptError:
        with pytest.raises(RefusedError):
            theirs.spell(ids)
    else:
        assert theirs.spell(ids) == expected
