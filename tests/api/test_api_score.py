"""llmzip.score: equal to the last digit however it is computed, and what files come to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest

import llmzip
from llmzip import Compressor, Score
from llmzip.codec import groups
from llmzip.codec.score import Score as InCodec
from llmzip.container import Chunk, Reader, Wave
from llmzip.errors import ModelError, UsageError
from llmzip.exact.cpu.ways import WAY_VARIABLE, Way
from ways import RUNNABLE

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
TEXT = LICENSE[:3000].replace(b"\n", b"\r\n") + b"\x04\xff" + LICENSE[3000:3500]


def figures(score: Score) -> tuple[Any, ...]:
    arrays = score.tokens, score.offsets, score.bits, score.unscored
    return *(array.tolist() for array in arrays), score.n_characters, score.n_other_bytes


@pytest.mark.parametrize("level", [1, 5])
def test_neither_threads_nor_batch_change_a_digit(tiny_llama_folder: Path, level: int) -> None:
    model = str(tiny_llama_folder)
    first = figures(llmzip.score(TEXT, level, model=model, threads=1))
    assert len(first[0]) > 1000
    for threads, batch in ((2, None), (1, 1), (2, 3)):
        found = llmzip.score(TEXT, level, model=model, threads=threads, batch=batch)
        assert figures(found) == first


def test_all_ways_of_computing_give_the_same_digits(
    tiny_team_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = []
    for way in (Way.PLAIN, *RUNNABLE[1:]):
        monkeypatch.setenv(WAY_VARIABLE, way)
        scores.append(figures(llmzip.score(TEXT[:1500], model=str(tiny_team_folder))))
    assert all(one == scores[0] for one in scores)


@pytest.mark.parametrize("level", [1, 5])
def test_bits_are_the_size_of_a_file(
    tiny_gpt2_folder: Path, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "classical_chunk", Chunk.stored)  # it beats a random model
    with Compressor(model=str(tiny_gpt2_folder), level=level, dictionary=None) as compressor:
        sink = io.BytesIO()
        compressor.compress(io.BytesIO(LICENSE[:6000]), sink)
        score = compressor.score(io.BytesIO(LICENSE[:6000]))
    waves = [one for one in Reader(io.BytesIO(sink.getvalue())) if isinstance(one, Wave)]
    payloads = [len(chunk.payload) for wave in waves for chunk in wave.chunks]
    expected = score.total_bits / 8 + score.n_other_bytes
    assert expected > 2000
    assert 0 <= sum(payloads) - expected < 0.001 * expected + 4 * len(payloads)


def test_a_str_is_its_utf_8_and_anything_with_a_buffer_its_bytes(tiny_gpt2_folder: Path) -> None:
    model = str(tiny_gpt2_folder)
    text = "It was the age of wisdom, naïve or not"
    score = llmzip.score(text, 1, model=model)
    assert isinstance(score, InCodec)
    assert score.n_characters == len(text)
    assert score.n_bytes == score.n_scored_bytes == len(text) + 1
    for kind in (bytes, bytearray, memoryview):
        assert figures(llmzip.score(kind(text.encode()), 1, model=model)) == figures(score)
    assert score.model is not None
    with pytest.raises(TypeError, match="int"):
        llmzip.score(cast(Any, 5))
    with pytest.raises(UnicodeEncodeError):
        llmzip.score("\ud800")


def test_a_dictionary_tells_the_model_what_to_expect(tiny_gpt2_folder: Path) -> None:
    model, text = str(tiny_gpt2_folder), LICENSE[300:600]
    alone = llmzip.score(text, model=model)
    known = llmzip.score(text, model=model, dictionary=LICENSE[:2000])
    assert known.total_bits < 0.7 * alone.total_bits
    assert known.tokens.tolist() == alone.tokens.tolist()


def test_no_text_needs_no_model() -> None:
    score = llmzip.score(b"", model="/no/such/model")
    assert (score.n_tokens, score.total_bits, score.model) == (0, 0.0, None)
    with pytest.raises(ModelError):
        llmzip.score("some text", model="/no/such/model")


def test_floating_point_is_refused() -> None:
    with pytest.raises(UsageError, match="exact"):
        Compressor(exact=False).score(io.BytesIO(b"x"))
