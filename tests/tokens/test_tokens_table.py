"""The table of bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmzip.tokens import TokenTable

vocabularies = st.lists(st.binary(max_size=70), min_size=1, max_size=30)


@given(vocabularies, st.data())
def test_join_is_the_tokens_one_after_the_other(tokens: list[bytes], data: st.DataObject) -> None:
    table = TokenTable.from_tokens(tokens)
    ids = data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=50))
    assert table.join(np.array(ids, dtype=np.int32)) == b"".join(tokens[id_] for id_ in ids)
    assert [table[i] for i in range(len(table))] == tokens


@given(vocabularies)
def test_arrays_are_all_there_is(tokens: list[bytes]) -> None:
    table = TokenTable.from_tokens(tokens)
    again = TokenTable(table.blob, table.offsets)
    assert [again[i] for i in range(len(again))] == tokens


def test_single_bytes_take_the_last_token() -> None:
    singles = TokenTable.from_tokens([b"A", b"", b"AB", b"B", b"A"]).single_bytes()
    assert singles[ord("A")] == 4
    assert singles[ord("B")] == 3
    assert np.count_nonzero(singles >= 0) == 2


@pytest.mark.parametrize("offsets", [[], [1, 3], [0, 2], [0, 4, 3], [0, 3, 2, 3]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="token table"):
        TokenTable(np.zeros(3, dtype=np.uint8), np.array(offsets, dtype=np.int64))
