"""The documents say enough to read real files: their own decoder reads what the product writes."""

from __future__ import annotations

import random

import pytest

import decoder.lm
from decoder import decode
from decoder.container import LM, LM_LINES, LZMA, MIXED, STORED, members
from llmzip.codec.levels import Level
from llmzip.container import Options
from llmzip.predict import primed
from tiny_files import Tiny, chunks_of, lines_of

N_WORDS = 200  # more than the models' 128 positions: every level has to begin a window anew


def kinds(file: bytes) -> set[int]:
    return {chunk.kind for chunk in chunks_of(file)}


@pytest.mark.parametrize(("level", "version"), [(1, 1), (2, 1), (3, 2), (5, 2), (9, 2)])
def test_text_at_every_level(tiny: Tiny, level: int, version: int) -> None:
    text = tiny.foreseen(N_WORDS)
    file = tiny.compress(text, level)
    assert [member.version for member in members(file)] == [version]
    assert kinds(file) == {LM}
    assert decode(file, tiny.model) == text


@pytest.mark.parametrize("level", [1, 5])
@pytest.mark.parametrize("n_bare", [0, 2])
def test_line_ends(tiny: Tiny, level: int, n_bare: int) -> None:
    text = lines_of(tiny.foreseen(N_WORDS), b"\r\n")
    text = text.replace(b"\r\n", b"\n", n_bare // 2) + b"\n" * (n_bare // 2)
    file = tiny.compress(text, level)
    assert kinds(file) == {LM_LINES}
    assert decode(file, tiny.model) == text


@pytest.mark.parametrize("options", [Options(40, 20, 7), Options(50, 33, 32), Options(40, 6, 5)])
@pytest.mark.parametrize("learns", [False, True])
def test_groups_waves_and_windows(tiny: Tiny, options: Options, learns: bool) -> None:
    """Windows begin anew within chunks, waves learn from each other, groups begin at nothing."""
    text = tiny.foreseen(N_WORDS)
    options = Options(*options.numbers, learns)
    level = Level(options, len(text) * 2 // 3, 2, options.chunk_tokens)
    file = tiny.compress(text, level)
    (member,) = members(file)
    assert len(member.groups) > 1
    assert not learns or max(len(waves) for waves in member.groups) > 1
    assert LM in kinds(file)
    assert decode(file, tiny.model) == text


@pytest.mark.parametrize("level", [3, 9])
def test_a_dictionary(tiny: Tiny, level: int) -> None:
    dictionary = lines_of(tiny.foreseen(90, 1), b"\r\n") + b" caf\xc3\xa9 \x04\xff\r\n"
    text = dictionary[100:300] + tiny.foreseen(40, 2)
    file = tiny.compress(text, level, dictionary)
    (member,) = members(file)
    assert (member.version, member.model) == (3, None)
    assert decode(file, tiny.model, dictionary) == text


def test_a_dictionary_before_every_group(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long one the end goes through the model, half a window of it before each chunk."""
    monkeypatch.setattr(primed, "LEARNT_TOKENS", 50)
    monkeypatch.setattr(decoder.lm, "LEARNT_TOKENS", 50)
    dictionary = tiny.foreseen(120, 1)
    text = dictionary[100:300] + tiny.foreseen(130, 2) + dictionary[300:]
    level = Level(Options(40, 2048, 256, True), 900, 2, 40)
    file = tiny.compress(text, level, dictionary)
    (member,) = members(file)
    assert len(member.groups) > 1
    assert member.model is not None
    assert decode(file, tiny.model, dictionary) == text


def test_what_is_no_text_for_a_model(gpt2: Tiny) -> None:
    table = b"".join(b"%d,%d,%d\n" % (n, n * n % 97, n % 7) for n in range(150))
    stretches = {
        LM: gpt2.foreseen(N_WORDS),
        STORED: random.Random(1).randbytes(1000),
        LZMA: random.Random(2).randbytes(1500) * 3,
        MIXED: table,
    }
    for kind, stretch in stretches.items():
        file = gpt2.compress(stretch, 5)
        assert kinds(file) == {kind}
        assert decode(file, gpt2.model) == stretch


def test_every_byte_within_text(tiny: Tiny) -> None:
    """The Llama's vocabulary lacks tokens for some: they are escaped."""
    text = tiny.foreseen(N_WORDS)
    for byte in range(0, 256, 5):
        text = text[: 5 * byte] + bytes([byte]) + text[5 * byte :]
    file = tiny.compress(text, Level(Options(90, 128, 20, True), 1 << 20, 32, 90))
    assert LM in kinds(file)
    assert decode(file, tiny.model) == text


def test_members_joined(gpt2: Tiny) -> None:
    """Each begins at nothing, with its own version, model and options."""
    texts = [gpt2.foreseen(30, seed) for seed in range(3)]
    texts += [b"", bytes(300)]
    files = [gpt2.compress(text, level) for text, level in zip(texts, (1, 5, 9, 5, 1), strict=True)]
    assert decode(b"".join(files), gpt2.model) == b"".join(texts)
