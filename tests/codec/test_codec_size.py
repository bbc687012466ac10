"""The promise: a file exceeds the cross-entropy by 0.1 % and 24 bytes a chunk at most."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from codec_samples import FakeModel, decode, encode_with_stats, mostly_foretold

from llmzip.api import decompress
from llmzip.codec import Stats
from llmzip.compressor import Compressor
from llmzip.container import WELL_KNOWN, ModelRef, Options, inspect

DEFAULT = ModelRef(*WELL_KNOWN[1], fingerprint=b"finger")


@pytest.fixture(scope="module")
def model(byte_tokenizer_json: str) -> FakeModel:
    return replace(FakeModel.of(byte_tokenizer_json), ref=DEFAULT)


def allowed(stats: Stats) -> float:
    return stats.model_bits / 8 * 1.001 + 24 * stats.n_chunks


@pytest.mark.parametrize("chunk_tokens", [20, 130])
@pytest.mark.parametrize("n_chunks", range(1, 9))
def test_any_number_of_chunks_keeps_the_promise(
    model: FakeModel, n_chunks: int, chunk_tokens: int
) -> None:
    data = mostly_foretold(model, n_chunks * chunk_tokens, seed=n_chunks)
    packed, stats = encode_with_stats(model, data, Options(chunk_tokens=chunk_tokens))
    assert abs(stats.n_chunks - n_chunks) <= 1
    assert stats.n_model_bytes == len(data)
    n_options = 6 if chunk_tokens > 127 else 5
    assert len(packed) - n_options <= allowed(stats)
    assert decode(model, packed) == data


@pytest.mark.parametrize("n_chunks", [1, 2])
def test_chunks_of_the_usual_length_keep_the_promise(model: FakeModel, n_chunks: int) -> None:
    packed, stats = encode_with_stats(model, mostly_foretold(model, n_chunks * 2000, seed=3))
    assert stats.n_chunks == n_chunks
    assert len(packed) <= allowed(stats)


@pytest.mark.parametrize("chunk_tokens", [None, 160])
def test_with_a_real_model_the_promise_is_kept_but_for_its_name(
    any_tiny_folder: Path, chunk_tokens: int | None
) -> None:
    data = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]  # LZMA is worse still
    sink = io.BytesIO()
    compressor = Compressor(model=str(any_tiny_folder), chunk_tokens=chunk_tokens)
    stats = compressor.compress(io.BytesIO(data), sink)
    (summary,) = inspect(io.BytesIO(sink.getvalue()))
    assert (stats.n_chunks > 1) == (chunk_tokens is not None)
    assert summary.model is not None
    n_spelled_out = len(summary.model.name) + len(summary.model.source) + 2
    n_options = 0 if chunk_tokens is None else 6
    assert len(sink.getvalue()) - n_spelled_out - n_options <= allowed(stats)
    assert decompress(sink.getvalue()) == data


@pytest.fixture(params=["gpt2", "llama"])
def any_tiny_folder(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(f"tiny_{request.param}_folder")
    return folder
