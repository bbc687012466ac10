"""Bent golden files, decoded by real models: a clean error, or what the heads' checksums say."""

from __future__ import annotations

import io
from random import Random

import bad_files
import pytest
import rooms
import xxhash
from decode_fuzz import claims_much
from file_tree import Node
from golden_cases import CASES, path_of
from golden_models import golden_model
from mutator import Mutator

from llmzip.codec import decode_stream
from llmzip.container import ModelRef, Options, Reader, Wave
from llmzip.errors import FingerprintError, LlmzipError
from llmzip.predict import OpenedPredictor

assert rooms.TESTS.is_dir()
N_MUTANTS = 40


@pytest.mark.parametrize("name", ["gpt2-groups", "llama-lines-learning", "gpt2-wide-frozen"])
def test_bent_files_give_a_clean_error_or_their_checksums_text(name: str) -> None:
    model = golden_model(CASES[name].model)

    def open_model(ref: ModelRef | None, options: Options) -> OpenedPredictor:
        if ref != model.ref:
            raise FingerprintError("another model")
        return model.opened(options)

    mutator = Mutator([bad_files.load(path_of(name))], _nothing_more)
    n_decoded, messages = 0, list[str]()
    for number in range(N_MUTANTS):
        data = mutator.mutant(20, number).data
        if claims_much(data):
            continue
        sink = io.BytesIO()
        try:
            decode_stream(io.BytesIO(data), sink, open_model)
        except LlmzipError as exc:
            messages.append(str(exc))
            continue
        n_decoded += 1
        assert_checked(data, sink.getvalue())
    assert n_decoded > 0
    assert not any("\n" in message for message in messages)


def assert_checked(data: bytes, text: bytes) -> None:
    """Every chunk's size and checksum are those of its part of the text."""
    for record in Reader(io.BytesIO(data)):
        for chunk in record.chunks if isinstance(record, Wave) else ():
            part, text = text[: chunk.n_bytes], text[chunk.n_bytes :]
            assert len(part) == chunk.n_bytes
            assert xxhash.xxh3_64_digest(part)[:4] == chunk.checksum
    assert text == b""


def _nothing_more(_tree: Node, _chance: Random) -> None:
    """Chunks' checksums stay: what is bent in a payload has to be noticed."""
