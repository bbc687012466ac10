"""compress_many and decompress_many: as one by one, in order, lazily, whatever is given."""

from __future__ import annotations

import array
import io
import itertools
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmzip
from llmzip import Compressor, Decompressor
from llmzip.codec import groups
from llmzip.container import Chunk
from llmzip.errors import FormatError, ModelError, TrailingError, UsageError

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
TEXTS = [LICENSE[at : at + 30 + at % 170] for at in range(0, 3000, 150)]


def noise(seed: int) -> bytes:
    """What no model is opened for."""
    return random.Random(seed).randbytes(300)


@pytest.fixture
def only_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classical codecs, better than a random model, do no more than store."""
    monkeypatch.setattr(groups, "classical_chunk", Chunk.stored)


def alone(compressor: Compressor, text: bytes) -> bytes:
    sink = io.BytesIO()
    compressor.compress(io.BytesIO(text), sink)
    return sink.getvalue()


@pytest.mark.usefixtures("only_the_model")
@pytest.mark.parametrize("level", range(1, 10))
def test_files_are_those_of_compress_and_come_back(tiny_gpt2_folder: Path, level: int) -> None:
    model = str(tiny_gpt2_folder)
    compressor = Compressor(model=model, level=level)
    files = list(compressor.compress_many(TEXTS))
    assert files == [alone(compressor, text) for text in TEXTS]
    n_model_tokens = sum(one.n_tokens for f in files for one in llmzip.inspect(io.BytesIO(f)))
    assert n_model_tokens > 500
    decompressor = Decompressor(model=model)
    assert list(decompressor.decompress_many(files)) == TEXTS
    assert list(decompressor.decompress_many(reversed(files))) == TEXTS[::-1]


@pytest.mark.usefixtures("only_the_model")
@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("threads", [1, 2])
def test_neither_batch_nor_threads_change_a_byte(
    tiny_llama_folder: Path, batch: int, threads: int
) -> None:
    model = str(tiny_llama_folder)
    one = Compressor(model=model, chunk_tokens=20)
    files = [alone(one, text) for text in TEXTS]
    compressor = Compressor(model=model, chunk_tokens=20, batch=batch, threads=threads)
    assert list(compressor.compress_many(TEXTS)) == files
    decompressor = Decompressor(model=model, batch=batch, threads=threads)
    assert list(decompressor.decompress_many(files)) == TEXTS


def test_with_a_dictionary(tiny_gpt2_folder: Path) -> None:
    model, dictionary = str(tiny_gpt2_folder), LICENSE[:2000]
    compressor = Compressor(model=model, dictionary=dictionary)
    files = list(compressor.compress_many(TEXTS))
    assert files == [alone(compressor, text) for text in TEXTS]
    decompressor = Decompressor(default_model=model, dictionary=dictionary)
    assert list(decompressor.decompress_many(files)) == TEXTS


def test_in_floating_point(tiny_gpt2_folder: Path) -> None:
    model = str(tiny_gpt2_folder)
    compressor = Compressor(model=model, exact=False)
    files = list(compressor.compress_many(TEXTS[:4]))
    assert files == [alone(compressor, text) for text in TEXTS[:4]]
    assert list(Decompressor(model=model).decompress_many(files)) == TEXTS[:4]


@pytest.mark.usefixtures("only_the_model")
def test_files_of_several_kinds_in_one_go(tiny_gpt2_folder: Path) -> None:
    model = str(tiny_gpt2_folder)
    files = [
        llmzip.compress(text, model=model, level=1 + i % 4) for i, text in enumerate(TEXTS[:8])
    ]
    files += [files[0] + files[5], llmzip.compress(b""), files[1] + bytes(100)]
    wanted = [*TEXTS[:8], TEXTS[0] + TEXTS[5], b"", TEXTS[1]]
    assert list(Decompressor(model=model).decompress_many(files)) == wanted


def test_nothing_gives_nothing() -> None:
    assert list(Compressor().compress_many([])) == []
    assert list(Decompressor().decompress_many([])) == []


def test_an_endless_iterable_is_taken_as_files_are_wanted() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        for n in itertools.count():
            taken.append(n)
            yield noise(n)

    compressor, decompressor = Compressor(), Decompressor()
    texts = decompressor.decompress_many(compressor.compress_many(endless()))
    assert not taken
    found = list(itertools.islice(texts, 700))
    assert found == [noise(n) for n in range(700)]
    assert 700 <= len(taken) <= 700 + 2 * 256


def test_whatever_has_a_buffer_is_a_text() -> None:
    texts: list[Any] = [
        bytearray(b"abc"),
        memoryview(b"abc"),
        array.array("H", [1, 2]),
        np.arange(3),
    ]
    files = list(Compressor().compress_many(texts))
    found = list(Decompressor().decompress_many(map(bytearray, files)))
    assert found == [memoryview(text).tobytes() for text in texts]


def test_what_is_no_text_is_told_in_its_place() -> None:
    files = Compressor().compress_many([b"a", b"b", "c"])  # type: ignore[list-item]
    assert [next(files), next(files)] == [llmzip.compress(b"a"), llmzip.compress(b"b")]
    with pytest.raises(TypeError, match="not str") as caught:
        next(files)
    assert caught.value.__notes__ == ["text 2, the first being 0"]


@pytest.mark.usefixtures("only_the_model")
def test_a_bad_file_is_told_in_its_place(tiny_gpt2_folder: Path) -> None:
    model = str(tiny_gpt2_folder)
    files = list(Compressor(model=model).compress_many(TEXTS[:6]))
    for bad in (files[3][:-1], b"", b"no file at all", files[3] + b"more"):
        texts = Decompressor(model=model).decompress_many([*files[:3], bad, *files[4:]])
        assert [next(texts) for _ in range(3)] == TEXTS[:3]
        with pytest.raises(FormatError) as caught:
            next(texts)
        assert caught.value.__notes__[-1] == "file 3, the first being 0"
        assert next(texts, None) is None
    with pytest.raises(TrailingError, match="follow"):
        list(Decompressor(model=model).decompress_many([files[0] + b"more"]))


def test_a_model_that_is_not_there_is_told_at_the_first_text() -> None:
    files = Compressor(model="no-such-model").compress_many([b"abc", TEXTS[0], TEXTS[1]])
    assert next(files) == llmzip.compress(b"abc")
    with pytest.raises(ModelError) as caught:
        next(files)
    assert "text 1, the first being 0" in caught.value.__notes__


def test_limits_hold_for_each_file() -> None:
    files = [llmzip.compress(bytes(n)) for n in (100, 5000)]
    texts = Decompressor(max_output=1000).decompress_many(files)
    assert next(texts) == bytes(100)
    with pytest.raises(llmzip.LlmzipError, match="--max-output allows 1,000"):
        next(texts)


def test_an_iterator_holds_the_turn_only_while_it_computes() -> None:
    """Between two files others may use the object: this thread, and other threads."""
    compressor = Compressor()
    files = compressor.compress_many(noise(n) for n in range(250))
    first = next(files)
    assert alone(compressor, noise(0)) == first
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.extend(compressor.compress_many([noise(0)])))
    thread.start()
    thread.join(60)
    assert found == [first]
    assert len(list(files)) == 249
    compressor.close()


def test_the_texts_may_come_from_the_same_object() -> None:
    """They are taken between its calls, not within one."""
    decompressor = Decompressor()
    inner = [llmzip.compress(llmzip.compress(noise(n))) for n in range(5)]
    texts = decompressor.decompress_many(decompressor.decompress_many(inner))
    assert list(texts) == [noise(n) for n in range(5)]


def test_within_a_call_it_is_refused() -> None:
    compressor = Compressor()

    class Sink(io.BytesIO):
        def write(self, _data: object, /) -> int:
            next(compressor.compress_many([b"x"]))
            return 0

    with pytest.raises(UsageError, match="at work already"):
        compressor.compress(io.BytesIO(b"abc"), Sink())
