"""Options of files whose chunks learn: the numbers, the dictionary, and what stands for a model."""

from __future__ import annotations

import io

import pytest
from container_samples import SMOLLM2, Groups, by_hand, lm, read, stored, write
from hypothesis import given
from hypothesis import strategies as st

from decoder import decode
from document_models import ToldModel
from llmzip.container import (
    ADAPTIVE_OPTIONS,
    DICTIONARY_OPTIONS,
    Header,
    ModelRef,
    Options,
    dictionary_mark,
    inspect,
    read_index,
)
from llmzip.errors import CorruptError

MARK = b"mk"
PLAIN = Options(*DICTIONARY_OPTIONS.numbers, True, MARK)

adaptive_options = st.builds(
    lambda chunk, carry, more, mark: Options(chunk, carry + more, carry, True, mark),
    st.integers(200, 1 << 16),
    st.integers(0, 5000),
    st.integers(1, 5000),
    st.none() | st.binary(min_size=2, max_size=2),
) | st.sampled_from([PLAIN, ADAPTIVE_OPTIONS])
layouts = st.sampled_from(
    [[[[lm(b"text")]]], [[[lm(b"text"), stored(b"more")]]], [[[lm(b"text")]], [[lm(b"text")]]], []]
)


@given(layouts, adaptive_options)
def test_options_come_back(groups: Groups, opts: Options) -> None:
    file = write(groups, opts)
    records = read(file)
    assert records[0] == Header(opts)
    is_compact = len(groups) == 1
    n_models = 0 if not groups or (is_compact and opts.dictionary) else 1
    assert [r for r in records if isinstance(r, ModelRef)] == [SMOLLM2] * n_models
    (index,) = read_index(io.BytesIO(file))
    assert index.options == opts
    texts = (data for group in groups for wave in group for _, data in wave if data == b"text")
    assert decode(file, ToldModel(texts)) == b"".join(
        data for group in groups for wave in group for _, data in wave
    )


def test_a_dictionary_saves_five_bytes_of_a_small_file() -> None:
    """2 for the mark, where the model's reference takes 7."""
    groups = [[[lm(b"x" * 100, bytes(9))]]]
    assert len(write(groups, PLAIN)) == len(write(groups, ADAPTIVE_OPTIONS)) - 5 == 15 + 9


def test_what_needs_no_model_needs_no_dictionary() -> None:
    file = write([[[stored(b"text")]]], PLAIN)
    assert file == write([[[stored(b"text")]]], ADAPTIVE_OPTIONS)
    (summary,) = inspect(io.BytesIO(file))
    assert summary.options.dictionary is None


@pytest.mark.parametrize("body", [b"", b"a", b"abc", b"\1\1\0", b"\1\1\0a", b"\1\1\0abc"])
def test_a_body_that_is_not_what_the_form_says(body: bytes) -> None:
    form = 0x34 if body[:1] == b"\1" else 0x30
    with pytest.raises(CorruptError):
        read(by_hand(form=form, options=body))


@pytest.mark.parametrize("mark", [b"", b"1", b"123"])
def test_a_mark_has_2_bytes(mark: bytes) -> None:
    with pytest.raises(ValueError, match="2 bytes"):
        Options(adaptive=True, dictionary=mark)


def test_chunks_that_share_nothing_have_no_dictionary() -> None:
    with pytest.raises(ValueError, match="only chunks that learn"):
        Options(dictionary=MARK)


def test_the_mark_is_of_dictionary_and_model() -> None:
    assert dictionary_mark(b"finger", b"a text\n").hex() == "5f80"
    marks = {
        dictionary_mark(model, text)
        for model in (b"finger", b"fingeR")
        for text in (b"a text\n", b"a text\r\n", b"a text")
    }
    assert len(marks) == 6
