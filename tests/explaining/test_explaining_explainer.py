"""Explanations: what the coder codes by, of every token, where it stands, and in which chunk."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

import llmzip
from llmzip.codec import groups
from llmzip.codec.encode import GroupEncoder
from llmzip.container import Chunk
from llmzip.explaining.explanation import Explanation
from llmzip.predict.told import N_LIKELIEST
from tiny_files import Tiny

PLAIN = b"".join(b"%d bottles of beer on the wall, take one down\n" % n for n in range(60))
NOISE = random.Random(5).randbytes(3000)
TEXTS = {
    "plain": PLAIN,
    "CR LF": PLAIN.replace(b"\n", b"\r\n"),
    "escapes": PLAIN[:500] + b"\xff\xfe\x80 odd\n" + PLAIN[500:],
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "Chinese": "天地玄黄 宇宙洪荒。日月盈昃 辰宿列张。\n".encode() * 3,
    "with binary": PLAIN + NOISE + PLAIN[::-1],
    "short": b"x y",
    "one byte": b"\xe9",
}
texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture(scope="module")
def model(llama: Tiny) -> str:
    return llama.name


@pytest.fixture
def only_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else codes text, whatever is smaller."""
    monkeypatch.setattr(groups, "classical_chunk", Chunk.stored)
    monkeypatch.setattr(GroupEncoder, "_is_model_best", lambda *_: True)
    monkeypatch.setattr(GroupEncoder, "_smaller", lambda _self, coded, *_: coded)


def explain(text: bytes, model: str, level: int = 3, threads: int | None = None) -> Explanation:
    with llmzip.Compressor(model=model, level=level, threads=threads, chunk_tokens=300) as own:
        return own.explain(text, "text")


@texts
@pytest.mark.parametrize("level", [1, 3])
def test_tokens_are_those_that_are_scored(text: bytes, level: int, model: str) -> None:
    found = explain(text, model, level)
    with llmzip.Compressor(model=model, level=level, chunk_tokens=300) as own:
        score = own.score(io.BytesIO(text))
        sink = io.BytesIO()
        own.compress(io.BytesIO(text), sink)
    if text != TEXTS["with binary"]:  # of which compressing leaves no text out that is so short
        assert found.tokens.ids.tolist() == score.tokens.tolist()
    assert found.n_file_bytes == len(sink.getvalue())
    assert found.tokens.offsets.tolist() == score.offsets.tolist()
    assert found.tokens.bits.tolist() == score.bits.tolist()
    assert found.n_characters == score.n_characters
    assert [[one.start, one.stop] for one in found.unscored] == score.unscored.tolist()


@pytest.mark.usefixtures("only_the_model")
@texts
@pytest.mark.parametrize("level", [1, 3])
def test_bits_are_the_size_of_the_payloads(text: bytes, level: int, model: str) -> None:
    found = explain(text, model, level)
    n_chunks = sum(chunk.n_tokens > 0 for chunk in found.chunks)
    assert n_chunks >= 1
    assert found.coded_bits == pytest.approx(found.total_bits)
    n_more = found.n_payload_bytes - found.coded_bits / 8
    assert abs(n_more) <= n_chunks + found.coded_bits / 8e3
    counted = np.bincount(found.tokens.chunks, minlength=len(found.chunks))
    assert counted.tolist() == [chunk.n_tokens for chunk in found.chunks]


def test_tokens_that_another_codec_has_coded_are_told_apart(model: str) -> None:
    found = explain(PLAIN[:200], model)
    assert {chunk.n_tokens for chunk in found.chunks} == {0}
    assert len(found.tokens.ids) > 0
    assert (found.coded_bits, found.n_payload_bytes) == (0, 0)
    assert set(found.tokens.chunks.tolist()) == {0}


@texts
def test_what_is_shown_is_the_text(text: bytes, model: str) -> None:
    found = explain(text, model)
    if text == TEXTS["UTF-16"]:
        wanted = PLAIN.decode()
    elif text == TEXTS["with binary"]:
        return
    else:
        wanted = text.replace(b"\r\n", b"\n").decode("utf-8", "replace")
    assert "".join(found.spelt).removeprefix("\ufeff") == wanted


def test_a_character_of_several_tokens_is_shown_by_the_first(model: str) -> None:
    found = explain("é".encode() * 3, model)
    assert len(found.spelt) == 6
    assert found.spelt == ["é", ""] * 3
    assert set(found.vocabulary) >= set(found.tokens.ids.tolist())


def test_everything_is_the_same_for_any_number_of_threads(model: str) -> None:
    one, other = (explain(PLAIN, model, threads=n).tokens for n in (1, 2))
    for name, column in vars(one).items():
        assert column.tolist() == getattr(other, name).tolist(), name


def test_likeliest_tokens_come_with_what_they_would_have_cost(model: str) -> None:
    tokens = explain(PLAIN, model).tokens
    assert (np.diff(tokens.probabilities, axis=1) <= 0).all()
    rows, columns = np.nonzero(tokens.likeliest == tokens.ids[:, None])
    assert len(rows) > 20
    wanted = -np.log2(tokens.probabilities[rows, columns])
    assert tokens.bits[rows] == pytest.approx(wanted, abs=1e-9)
    assert (tokens.ranks[rows] <= N_LIKELIEST).all()
    assert (tokens.likeliest >= 0).all()


def test_learning_is_told_from_what_the_model_says_alone(model: str) -> None:
    learnt, frozen = explain(PLAIN, model).tokens, explain(PLAIN, model, level=1).tokens
    assert learnt.bits.sum() < learnt.model_bits.sum() / 2
    assert learnt.biased_bits.sum() < learnt.model_bits.sum()
    assert frozen.bits.tolist() == frozen.model_bits.tolist() == frozen.biased_bits.tolist()


@pytest.mark.parametrize("level", [1, 3])
def test_a_changed_byte_is_seen_where_it_is(level: int, model: str) -> None:
    at, text = 250, PLAIN[:500]  # a single chunk
    changed = text[:at] + b"#" + text[at + 1 :]
    before, after = explain(text, model, level).tokens, explain(changed, model, level).tokens
    first = next(
        i for i, pair in enumerate(zip(before.ids, after.ids, strict=False)) if len({*pair}) > 1
    )
    assert before.offsets[first] <= at < before.offsets[first + 1] + 2
    assert before.bits[:first].tolist() == after.bits[:first].tolist()
    assert after.bits[first] != before.bits[first]


def test_floats_are_refused(model: str) -> None:
    with pytest.raises(llmzip.UsageError, match="exact"):
        llmzip.Compressor(model=model, exact=False).explain(b"text")


def test_no_text_is_explained_by_nothing(model: str) -> None:
    found = explain(b"", model)
    assert (len(found.tokens.ids), found.spelt, found.unscored, found.model) == (0, [], [], "")
    assert found.n_file_bytes == len(llmzip.compress(b"", 3, chunk_tokens=300))
