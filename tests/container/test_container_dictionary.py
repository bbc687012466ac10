"""Options of files whose chunks learn: the numbers, the dictionary, and what stands for a model."""

from __future__ import annotations

import io

import format_decoder
import pytest
from container_samples import SMOLLM2, Groups, by_hand, lm, read, stored, write
from hypothesis import given
from hypothesis import strategies as st

from llmzip.container import (
    ADAPTIVE_OPTIONS,
    Header,
    ModelRef,
    Options,
    dictionary_mark,
    inspect,
    read_index,
)
from llmzip.errors import CorruptError, UnsupportedError

MARK = b"mark"
PLAIN = Options(*ADAPTIVE_OPTIONS.numbers, True, MARK)

adaptive_options = st.builds(
    lambda chunk, carry, more, mark: Options(chunk, carry + more, carry, True, mark),
    st.integers(200, 1 << 16),
    st.integers(0, 5000),
    st.integers(1, 5000),
    st.none() | st.binary(min_size=4, max_size=4),
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
    assert format_decoder.decode(file, lambda payload, n: next(texts))[0] == b"".join(
        data for group in groups for wave in group for _, data in wave
    )


def test_a_dictionary_saves_two_bytes_of_a_small_file() -> None:
    """5 for flags and mark, where the model's reference takes 7."""
    groups = [[[lm(b"x" * 100, bytes(9))]]]
    assert len(write(groups, PLAIN)) == len(write(groups, ADAPTIVE_OPTIONS)) - 2 == 18 + 9


def test_what_needs_no_model_needs_no_dictionary() -> None:
    file = write([[[stored(b"text")]]], PLAIN)
    assert file == write([[[stored(b"text")]]], ADAPTIVE_OPTIONS)
    (summary,) = inspect(io.BytesIO(file))
    assert summary.options.dictionary is None


@pytest.mark.parametrize("flags", [4, 8, 0x80, 0xFF])
def test_unknown_flags_are_for_newer_releases(flags: int) -> None:
    with pytest.raises(UnsupportedError, match="options flags"):
        read(by_hand(form=0x24, options=bytes([flags]) + bytes(20)))


@pytest.mark.parametrize("body", [b"", b"\1", b"\1\1\1", b"\2", b"\2abc", b"\2abcde", b"\1\1\0\0"])
def test_a_body_that_is_not_what_its_flags_say(body: bytes) -> None:
    with pytest.raises(CorruptError):
        read(by_hand(form=0x24, options=body))


def test_version_1_has_no_flags() -> None:
    (header,) = [r for r in read(write([], Options(300, 200, 100))) if isinstance(r, Header)]
    assert header.options == Options(300, 200, 100)


@pytest.mark.parametrize("mark", [b"", b"123", b"12345"])
def test_a_mark_has_4_bytes(mark: bytes) -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        Options(adaptive=True, dictionary=mark)


def test_chunks_that_share_nothing_have_no_dictionary() -> None:
    with pytest.raises(ValueError, match="only chunks that learn"):
        Options(dictionary=MARK)


def test_the_mark_is_of_dictionary_and_model() -> None:
    assert dictionary_mark(b"finger", b"a text\n").hex() == "5f807060"
    marks = {
        dictionary_mark(model, text)
        for model in (b"finger", b"fingeR")
        for text in (b"a text\n", b"a text\r\n", b"a text")
    }
    assert len(marks) == 6
