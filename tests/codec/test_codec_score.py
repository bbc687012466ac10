"""Scores of streams: what a file of the same text would hold, and where each token stands."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from codec_samples import FakeModel, awkward, chunks_of, mostly_foretold, words
from naive_copies import NaiveFinder

from llmzip.codec import groups
from llmzip.codec.encode import GroupEncoder, encode_stream
from llmzip.codec.groups import FindCopies, no_copies
from llmzip.codec.levels import Level
from llmzip.codec.score import Score
from llmzip.codec.scoring import score_stream
from llmzip.container import Chunk, Options
from llmzip.layout.planned import Repeat
from tar_samples import archive, member

FROZEN = Level(Options(60, 2048, 256), group_bytes=4096, n_lanes=64, target_tokens=60)
LEARNING = Level(Options(60, 2048, 256, adaptive=True), 4096, n_lanes=3, target_tokens=20)
levels = pytest.mark.parametrize("level", [FROZEN, LEARNING], ids=["frozen", "learning"])
noise = random.Random(3).randbytes


@pytest.fixture(scope="module")
def model(gappy_tokenizer_json: str) -> FakeModel:
    return FakeModel.of(gappy_tokenizer_json)


@pytest.fixture
def only_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else codes text, whatever is smaller."""
    monkeypatch.setattr(groups, "classical_chunk", Chunk.stored)
    monkeypatch.setattr(GroupEncoder, "_is_model_best", lambda *_: True)
    monkeypatch.setattr(GroupEncoder, "_smaller", lambda _self, coded, *_: coded)


def score(
    model: FakeModel, text: bytes, level: Level, find_copies: FindCopies = no_copies
) -> Score:
    told: list[int] = []
    found = score_stream(io.BytesIO(text), model.open_to_encode, level, told.append, find_copies)
    assert told == sorted(told)
    assert (told or [0])[-1] == len(text) == found.n_bytes
    check(found, text)
    return found


def check(found: Score, text: bytes) -> None:
    """What holds of every score."""
    assert found.tokens.dtype == np.int32
    assert found.tokens.shape == found.offsets.shape == found.bits.shape == (found.n_tokens,)
    assert (np.diff(found.offsets) >= 0).all()
    assert (found.bits >= 0).all()
    edges = [0, *found.unscored.ravel().tolist(), len(text)]
    assert edges == sorted(edges)
    assert (found.unscored[:, 0] < found.unscored[:, 1]).all()
    for start, stop in found.unscored.tolist():
        assert not ((found.offsets >= start) & (found.offsets < stop)).any()
    lines = found.lines(text)
    assert [line.n_bytes for line in lines] == [len(one) for one in io.BytesIO(text)]
    assert sum(line.n_tokens for line in lines) == found.n_tokens
    assert sum(line.n_scored_bytes for line in lines) == found.n_scored_bytes
    assert math.fsum(line.bits for line in lines) == pytest.approx(found.total_bits, rel=1e-12)


def tokens_stand_where_they_are_said_to(model: FakeModel, found: Score, text: bytes) -> bool:
    """Whether each token's bytes are there; those of escapes, which spell one together, aside."""
    inside = model.tokenizer.lengths(found.tokens) == 0
    inside[1:] |= inside[:-1]  # an escape here is two tokens
    pairs = zip(found.tokens[~inside].tolist(), found.offsets[~inside].tolist(), strict=True)
    return all(text[at:].startswith(model.tokenizer.table[token]) for token, at in pairs)


def texts(model: FakeModel) -> dict[str, bytes]:
    """Text of every sort that tokens spell otherwise."""
    plain = mostly_foretold(model, 2500, seed=2)
    lines = plain.replace(b" ", b"\n", 900)
    return {
        "several groups": plain,
        "CR LF": lines.replace(b"\n", b"\r\n"),
        "CR LF, some LF": lines.replace(b"\n", b"\r\n").replace(b"\r\n", b"\n", 20),
        "escapes": plain[:3000] + b"\x04" + plain[3000:6000] + b"\x06\x13" + plain[6000:],
        "UTF-16": lines.decode().replace("\n", "\r\n").encode("utf-16"),
        "windows-1251": _numbered("Мы все учились понемногу", 60).encode("windows-1251"),
    }


def _numbered(line: str, n_lines: int) -> str:
    """A text of one line over and over, but for a number: else it would be no text."""
    return "\n".join(f"{line} {number}" for number in range(n_lines))


SORTS = ("several groups", "CR LF", "CR LF, some LF", "escapes", "UTF-16", "windows-1251")


@pytest.mark.usefixtures("only_the_model")
@levels
@pytest.mark.parametrize("sort", SORTS)
def test_bits_are_the_size_of_the_payloads(model: FakeModel, level: Level, sort: str) -> None:
    text = texts(model)[sort]
    found = score(model, text, level)
    sink = io.BytesIO()
    encode_stream(io.BytesIO(text), sink, model.open_to_encode, level)
    chunks = chunks_of(sink.getvalue())
    by_model = [chunk for chunk in chunks if chunk.kind.needs_model]
    assert len(by_model) > 3
    assert sum(chunk.n_tokens for chunk in by_model) == found.n_tokens
    assert sum(chunk.n_bytes for chunk in by_model) == found.n_scored_bytes
    n_payload = sum(len(chunk.payload) for chunk in chunks)
    n_expected = found.total_bits / 8 + found.n_other_bytes
    assert 0 <= n_payload - n_expected < 0.001 * n_expected + 4 * len(by_model)


@levels
@pytest.mark.parametrize("name", awkward())
def test_any_bytes_have_a_score(model: FakeModel, level: Level, name: str) -> None:
    text = awkward()[name][:20_000]
    found = score(model, text, replace(level, group_bytes=1 << 20))
    if found.model is None:
        assert (found.n_tokens, found.n_scored_bytes, found.n_characters) == (0, 0, 0)
        assert math.isnan(found.bits_per_byte)
        assert math.isnan(found.perplexity)
    if name not in ("crlf", "utf-16"):
        assert tokens_stand_where_they_are_said_to(model, found, text)


@levels
def test_short_text_is_scored_though_a_file_would_not_hold_its_tokens(
    model: FakeModel, level: Level
) -> None:
    found = score(model, b"x y", level)
    assert (found.n_scored_bytes, found.n_characters, found.n_other_bytes) == (3, 3, 0)
    assert found.offsets.tolist() == [0, 1, *([2] if found.n_tokens == 3 else [])]


def test_tokens_of_other_line_ends_and_encodings_stand_in_the_bytes_of_the_text(
    model: FakeModel,
) -> None:
    by_sort = texts(model)
    for sort, end, encoding in (
        ("CR LF", b"\r\n", "utf-8"),
        ("CR LF, some LF", b"\r\n", "utf-8"),
        ("UTF-16", "\r\n".encode("utf-16-le"), "utf-16-le"),
        ("windows-1251", b"\n", "windows-1251"),
    ):
        text = by_sort[sort]
        found = score(model, text, replace(LEARNING, group_bytes=1 << 20))
        assert found.n_scored_bytes == len(text), sort
        n_checked = 0
        for token, at in zip(found.tokens.tolist(), found.offsets.tolist(), strict=True):
            spelled = model.tokenizer.table[token]
            if spelled == b"\n":
                assert text[at:].startswith((end, b"\n")), sort
            elif spelled.isascii() and b"\n" not in spelled:
                assert text[at:].startswith(spelled.decode().encode(encoding)), sort
            n_checked += spelled.isascii()
        assert n_checked > 60
    n_characters = len(by_sort["windows-1251"])  # a byte each
    assert score(model, by_sort["windows-1251"], LEARNING).n_characters == n_characters


def test_what_is_not_for_the_model_is_said_to_be_so(model: FakeModel) -> None:
    one, other = mostly_foretold(model, 300, 1), mostly_foretold(model, 200, 5)
    blob = noise(1500)
    text = one + blob + other + b"\0" * 700 + one
    wide = replace(LEARNING, group_bytes=1 << 20)
    found = score(model, text, wide, NaiveFinder())
    again = len(one + blob + other) + 700
    assert found.unscored.tolist()[-1][1] == len(text)
    assert len(other) < found.n_scored_bytes < len(one + other) + 40
    for at in (len(one) + 700, again - 300, again + 100):
        assert any(start <= at < stop for start, stop in found.unscored.tolist())
    assert found.n_other_bytes > 1400  # noise is stored
    assert tokens_stand_where_they_are_said_to(model, found, text)


def test_tokens_of_files_in_an_archive_stand_within_it(model: FakeModel) -> None:
    contents = [mostly_foretold(model, 100 + 30 * seed, seed) for seed in range(5)]
    text = archive((member(f"{n}.txt"), content) for n, content in enumerate(contents))
    found = score(model, text, replace(LEARNING, group_bytes=1 << 20))
    assert found.n_scored_bytes == sum(map(len, contents))
    assert tokens_stand_where_they_are_said_to(model, found, text)


def test_copies_of_earlier_groups_are_not_scored(model: FakeModel) -> None:
    text = mostly_foretold(model, 1500, 4)[:4096] * 2

    def second_is_the_first(group: bytes, seen: list[bytes] = []) -> Sequence[Repeat]:  # noqa: B006
        seen.append(group)
        return [Repeat(0, len(group), 4096)] if len(seen) == 2 else []

    found = score(model, text, LEARNING, second_is_the_first)
    assert found.unscored.tolist() == [[4096, 8192]]
    assert math.isnan(found.lines(text)[-1].bits_per_byte) == (b"\n" in text[4096:])


@pytest.mark.parametrize("n_together", [2, 5])
def test_groups_side_by_side_have_the_scores_that_they_have_alone(
    model: FakeModel, n_together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "N_AHEAD", 4)
    text = mostly_foretold(model, 2500, 2) + noise(5000) + words(5000)
    expected = score(model, text, LEARNING)
    monkeypatch.setattr(model.predictor, "groups_together", n_together)
    found = score(model, text, LEARNING)
    assert model.predictor.n_together[-1] > 1
    assert (found.bits == expected.bits).all()
    assert found.total_bits == expected.total_bits


def test_lines_of_another_text_are_refused(model: FakeModel) -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        score(model, b"abcd", FROZEN).lines(b"abc")


def test_scores_are_joined_as_of_one_text(model: FakeModel) -> None:
    parts = [words(300, 1), noise(2000), b"", words(500, 2)]
    scores = [score(model, part, LEARNING) for part in parts]
    whole = Score.joined(scores)
    check(whole, b"".join(parts))
    assert whole.n_tokens == sum(one.n_tokens for one in scores)
    assert whole.n_unscored_bytes == sum(one.n_unscored_bytes for one in scores)
    assert whole.perplexity == pytest.approx(2**whole.bits_per_token, rel=1e-14)
    assert whole.bits_per_character == whole.total_bits / whole.n_characters
    assert Score.joined([]).n_bytes == 0
