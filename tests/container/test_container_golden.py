"""Files kept for ever: good ones read and are written the same, bad ones are refused.

Each .hex file says in its first lines what it is; for those to be refused, the last of these
lines names the error. A change that breaks a good file breaks the users' files.
"""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import pytest
from container_samples import checksum_of, chunks_of, read

from llmzip import errors, mixing
from llmzip.container import (
    ADAPTIVE_OPTIONS,
    DICTIONARY_OPTIONS,
    Chunk,
    End,
    Group,
    Header,
    Kind,
    ModelRef,
    Options,
    Record,
    Wave,
    Writer,
    read_index,
)

GOLDEN = Path(__file__).parent / "golden"

HELLO = b"Hello, hello, hello!\n"
OVER = b"over and over and " * 12
TEXTS = {
    "good-empty": b"",
    "good-lone-stored": HELLO,
    "good-lone-lm": b"Prediction is compression.",
    "good-lone-nameless": b"Prediction is compression.",
    "good-lone-lzma": OVER,
    "good-one-mixed": OVER,
    "good-group-mixed": OVER + HELLO,
    "good-lone-options-tied": b"options",
    "good-compact-lm": b"Prediction is compression.",
    "good-compact-mixed": HELLO + b"text" + OVER,
    "good-groups": HELLO + b"second waveof two chunks" + OVER + b"end",
    "good-concatenated": b"one two three four five ",
    "good-small-sequence": HELLO,
    "good-lone-dictionary": b"Prediction is compression.",
    "good-lone-learning": b"Prediction is compression.",
    "good-sequence-dictionary": b"first second!",
}
LM_TEXTS = {
    "good-lone-lm": [b"Prediction is compression."],
    "good-lone-nameless": [b"Prediction is compression."],
    "good-lone-options-tied": [b"options"],
    "good-lone-dictionary": [b"Prediction is compression."],
    "good-lone-learning": [b"Prediction is compression."],
    "good-sequence-dictionary": [b"first ", b"second"],
    "good-compact-lm": [b"Prediction ", b"is ", b"compression."],
    "good-compact-mixed": [b"text"],
    "good-groups": [b"second wave", b"of two chunks", b"end"],
}
"""What the lm chunks decode to, whose payloads no model has made."""
UNNAMED = ModelRef("any", "", bytes(6))
"""The model of a file that names none."""
NARROWED = dict.fromkeys(
    ("bad-lone-trailing", "bad-trailing-text", "bad-trailing-zeros"), errors.TrailingError
)
"""Errors that have been told apart since the file was made, within the class that it names."""
WRITTEN_OTHERWISE = {"good-small-sequence"}


def load(name: str) -> tuple[list[str], bytes]:
    """Return the comment lines and the bytes of a golden file."""
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    return comments, bytes.fromhex("".join(lines[len(comments) :]))


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob(f"{prefix}-*.hex"))


@pytest.mark.parametrize("name", names("good"))
def test_good_files_hold_their_text(name: str) -> None:
    records = read(load(name)[1])
    text = TEXTS[name]
    for chunk in chunks_of(records):
        data, text = text[: chunk.n_bytes], text[chunk.n_bytes :]
        chunk.verify(data)
        assert data == decoded(chunk, data)
    assert text == b""


def decoded(chunk: Chunk, lm_data: bytes) -> bytes:
    match chunk.kind:
        case Kind.STORED:
            return chunk.payload
        case Kind.LZMA:
            filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 24}]
            return lzma.decompress(chunk.payload, lzma.FORMAT_RAW, filters=filters)
        case Kind.MIXED:
            return mixing.decompress(chunk.payload, chunk.n_bytes)
    return lm_data


@pytest.mark.parametrize("name", sorted(set(names("good")) - WRITTEN_OTHERWISE))
def test_good_files_are_written_byte_for_byte(name: str) -> None:
    file = load(name)[1]
    assert rewritten(read(file), TEXTS[name]) == file


def rewritten(records: list[Record], text: bytes) -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink)
    # The writer wants the model before the first wave, wherever the file has it.
    models = [record for record in records if isinstance(record, ModelRef)] or [UNNAMED]
    for record in records:
        match record:
            case Header():
                writer = Writer(sink, record.options)
                for model in models:
                    writer.model(model)
                whole = b""
            case Group():
                writer.group(record.adaptation)
            case Wave():
                data, text = text[: record.n_bytes], text[record.n_bytes :]
                writer.wave(record.chunks, data)
                whole += data
            case End():
                assert writer.finish() == record
                record.verify(checksum_of(whole))
    return sink.getvalue()


def test_what_the_good_files_say() -> None:
    mark = bytes.fromhex("d1c7")
    dictionary = read(load("good-lone-dictionary")[1])[0]
    assert dictionary == Header(Options(*DICTIONARY_OPTIONS.numbers, True, mark))
    assert read(load("good-sequence-dictionary")[1])[0] == Header(
        Options(4096, 1024, 512, True, mark)
    )
    assert read(load("good-lone-learning")[1])[0] == Header(ADAPTIVE_OPTIONS)
    nameless = read(load("good-lone-nameless")[1])[1]
    assert nameless == ModelRef("", "local", bytes.fromhex("212223242526"))
    tied = read(load("good-lone-options-tied")[1])
    assert tied[0] == Header(Options(4096, 1024, 512))
    fingerprint = bytes.fromhex("fedcba987654")
    assert tied[1] == ModelRef("my model", "local", fingerprint, machine=b"machine!")
    (index,) = read_index(io.BytesIO(load("good-groups")[1]))
    assert index.model == ModelRef("gpt2", "hub:openai-community/gpt2", bytes(range(6)))
    assert [group.n_bytes for group in index.groups] == [45, 219]
    starts = [index.start for index in read_index(io.BytesIO(load("good-concatenated")[1]))]
    assert len(starts) == 4


@pytest.mark.parametrize("name", names("bad") + names("unsupported"))
def test_the_others_are_refused_for_their_reason(name: str) -> None:
    comments, file = load(name)
    error = NARROWED.get(name, getattr(errors, comments[-1]))
    assert issubclass(error, getattr(errors, comments[-1]))
    with pytest.raises(error) as caught:
        read(file)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_every_good_file_has_its_text() -> None:
    assert set(TEXTS) == set(names("good"))
    assert len(names("bad")) >= 19
    assert len(names("unsupported")) >= 6
