"""Levels: what is small is as small by a high one as by a lower one, and comes back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from codec_samples import chunks_of

import llmzip
from llmzip.container import ADAPTIVE_OPTIONS, DEFAULT_OPTIONS, Options

TEXT = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]


def test_a_short_text_is_never_larger_by_a_higher_level(tiny_llama_folder: Path) -> None:
    model = str(tiny_llama_folder)
    files = {level: llmzip.compress(TEXT[:250], level, model=model) for level in range(2, 10)}
    assert all(llmzip.decompress(file, model=model) == TEXT[:250] for file in files.values())
    sizes = {level: len(file) for level, file in files.items()}
    assert {sizes[level] for level in range(3, 10)} == {sizes[5]}
    options = [next(llmzip.inspect(io.BytesIO(files[level]))).options for level in (2, 9)]
    assert options == [DEFAULT_OPTIONS, ADAPTIVE_OPTIONS]


def test_bytes_without_a_model_are_never_larger_by_a_higher_level(tiny_llama_folder: Path) -> None:
    model = str(tiny_llama_folder)
    data = bytes(range(256)) + 2 * b"".join(b"%d,%d;" % (i, i * i % 97) for i in range(60))
    files = [llmzip.compress(data, level, model=model) for level in range(2, 10)]
    assert not any(chunk.kind.needs_model for file in files for chunk in chunks_of(file))
    sizes = [len(file) for file in files]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("in_view", [100, 1024, 2048])
def test_the_window_is_left_out_where_a_chunk_is_in_view(adaptive: bool, in_view: int) -> None:
    brief = ADAPTIVE_OPTIONS if adaptive else DEFAULT_OPTIONS
    other = Options(brief.chunk_tokens, 700, 96, adaptive=adaptive)
    least = min(in_view, brief.window_tokens)
    assert other.briefest(least, in_view) == brief
    assert other.briefest(least + 1, in_view) == other


def test_the_window_is_not_left_out_where_it_or_more_than_it_matters() -> None:
    short_chunks = Options(100, 700, 96, adaptive=True)
    assert short_chunks.briefest(10, 700) == short_chunks
    with_dictionary = Options(65536, 700, 96, adaptive=True, dictionary=b"mk")
    assert with_dictionary.briefest(10, 700) == with_dictionary
