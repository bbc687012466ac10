"""Dictionaries through the library: what comes back, and what is refused in one line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import llmzip
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.errors import DictionaryError, FingerprintError, UsageError

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_bytes()
DICTIONARY, MESSAGE = LICENSE[:3000], LICENSE[2100:2500] + b" And something new."


@pytest.fixture(scope="module")
def packed(tiny_gpt2_folder: Path) -> bytes:
    """A message with a dictionary."""
    return llmzip.compress(MESSAGE, model=str(tiny_gpt2_folder), dictionary=DICTIONARY)


def test_a_message_comes_back_and_is_smaller(packed: bytes, tiny_gpt2_folder: Path) -> None:
    model = str(tiny_gpt2_folder)
    assert llmzip.decompress(packed, model=model, dictionary=DICTIONARY) == MESSAGE
    assert len(packed) < 0.65 * len(llmzip.compress(MESSAGE, model=model))
    (summary,) = llmzip.inspect(io.BytesIO(packed))
    assert summary.model is None
    assert summary.options.dictionary is not None


@pytest.mark.parametrize("level", [3, 9])
def test_bytes_do_not_depend_on_threads_nor_on_what_came_before(
    tiny_gpt2_folder: Path, level: int
) -> None:
    model = str(tiny_gpt2_folder)
    one = llmzip.compress(MESSAGE, model=model, level=level, threads=1, dictionary=DICTIONARY)
    compressor = llmzip.Compressor(model=model, level=level, threads=3, dictionary=DICTIONARY)
    for data in (MESSAGE, LICENSE[4000:4300], MESSAGE):
        sink = io.BytesIO()
        compressor.compress(io.BytesIO(data), sink)
    assert sink.getvalue() == one
    for threads in (1, 2):
        back = llmzip.decompress(one, model=model, threads=threads, dictionary=DICTIONARY)
        assert back == MESSAGE


def test_files_of_several_groups_and_lanes(tiny_gpt2_folder: Path) -> None:
    model, data = str(tiny_gpt2_folder), LICENSE[:9000] + bytes(range(256)) * 30
    file = llmzip.compress(data, model=model, level=3, chunk_tokens=300, dictionary=DICTIONARY)
    assert llmzip.decompress(file, model=model, dictionary=DICTIONARY) == data
    # of two files, each has its own way to the model
    other = llmzip.compress(MESSAGE, model=model)
    both = llmzip.decompress(other + file, model=model, dictionary=DICTIONARY)
    assert both == MESSAGE + data


def test_what_needs_no_model_comes_back_without(tiny_gpt2_folder: Path) -> None:
    for data in (b"", b"short", bytes(1000)):
        file = llmzip.compress(data, model=str(tiny_gpt2_folder), dictionary=DICTIONARY)
        assert llmzip.decompress(file) == data


def test_no_dictionary(packed: bytes, tiny_gpt2_folder: Path) -> None:
    with pytest.raises(DictionaryError, match="needs the dictionary"):
        llmzip.decompress(packed, model=str(tiny_gpt2_folder))


@pytest.mark.parametrize("wrong", [DICTIONARY[1:], DICTIONARY.replace(b"\n", b"\r\n"), b"a"])
def test_another_dictionary(packed: bytes, tiny_gpt2_folder: Path, wrong: bytes) -> None:
    with pytest.raises(DictionaryError, match="the dictionary and the model") as caught:
        llmzip.decompress(packed, model=str(tiny_gpt2_folder), dictionary=wrong)
    assert "\n" not in str(caught.value)


def test_another_model(packed: bytes, tiny_gpt2_folder: Path, tiny_llama_folder: Path) -> None:
    with pytest.raises(DictionaryError, match="the dictionary and the model"):
        llmzip.decompress(packed, model=str(tiny_llama_folder), dictionary=DICTIONARY)


def test_another_model_in_a_file_that_names_its_own(
    tiny_gpt2_folder: Path, tiny_llama_folder: Path
) -> None:
    data, model = LICENSE[1500:2900], str(tiny_gpt2_folder)
    # of several waves, so not in the compact form
    file = llmzip.compress(data, model=model, level=9, chunk_tokens=80, dictionary=DICTIONARY)
    (summary,) = llmzip.inspect(io.BytesIO(file))
    assert summary.model is not None
    assert llmzip.decompress(file, dictionary=DICTIONARY) == data
    with pytest.raises(FingerprintError):
        llmzip.decompress(file, model=str(tiny_llama_folder), dictionary=DICTIONARY)


def test_a_small_file_takes_the_model_that_decompressing_prefers(
    packed: bytes, tiny_gpt2_folder: Path
) -> None:
    decompressor = llmzip.Decompressor(
        dictionary=DICTIONARY, default_model=str(tiny_gpt2_folder), threads=1
    )
    sink = io.BytesIO()
    stats = decompressor.decompress(io.BytesIO(packed), sink)
    assert sink.getvalue() == MESSAGE
    assert stats.model_name == tiny_gpt2_folder.name


@pytest.mark.parametrize(
    "how",
    [
        {"level": 1},
        {"level": 2},
        {"exact": False},
        {"dictionary": b""},
        {"dictionary": bytes(MAX_DICTIONARY_BYTES + 1)},
    ],
)
def test_what_contradicts_a_dictionary(how: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="dictionary"):
        llmzip.Compressor(**{"dictionary": DICTIONARY, **how})  # type: ignore[arg-type]


def test_a_dictionary_is_bytes() -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        llmzip.Compressor(dictionary="text")  # type: ignore[arg-type]
