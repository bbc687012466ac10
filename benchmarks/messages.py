"""Small messages, one by one: python benchmarks/messages.py FILE

Each line of FILE is a message. The first ones are the dictionary, as they are for llmzip, and
as what zstd makes of them for zstd; those after them are compressed one by one, decompressed
and compared: as files (`llmzip --dict`) and as bare messages (`llmzip message`), beside zstd,
brotli and compressors for short texts, as far as they are installed (short_text.py). What bare
messages take beyond the model's cross-entropy is said, their bits a character where they are
English prose, and how long `llmzip message --lines` takes to answer (answering.py).
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

import llmzip
from answering import answers
from llmzip.bench.numbers import number
from llmzip.compressor import DEFAULT_LEVEL
from llmzip.errors import LlmzipError
from llmzip.models.catalog import DEFAULT_MODEL
from short_text import Other, others
from table import markdown_table

ZSTD_DICTIONARY_BYTES = tuple(1 << bits for bits in range(12, 18))
"""Sizes that a dictionary for zstd is trained with: the one that does best is taken."""

_ENGLISH = re.compile(rb"\b(the|is|a|to|i|in|of|you|it|was|my|all|for|this|he|has)\b", re.I)
_PROSE = re.compile(rb"[A-Za-z ,.'?!]")

Codec = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Row:
    """What all messages come to; seconds a message, the first left out: it opens the model."""

    name: str
    n_bytes: int
    compress_s: float
    decompress_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return the exit status."""
    options = parse(arguments)
    lines = options.file.read_bytes().splitlines()
    training = lines[: options.train]
    messages = lines[options.train : options.train + options.count]
    if len(training) < options.train or not messages:
        print(f"{options.file}: too few lines", file=sys.stderr)
        return 1
    try:
        rows = list(all_rows(training, messages, options.model, options.level))
    except LlmzipError as exc:
        print(exc, file=sys.stderr)
        return 1
    n_plain = sum(map(len, messages))
    print(f"{len(messages)} messages of {n_plain / len(messages):.0f} bytes\n")
    print(markdown_table(("", "bytes", "a message", "ms to compress", "ms to decompress"), [
        (
            row.name,
            f"{row.n_bytes:,}",
            f"{row.n_bytes / len(messages):.1f}",
            number(1000 * row.compress_s),
            number(1000 * row.decompress_s),
        )
        for row in rows
    ]))  # fmt: skip
    for name in [one for one in others() if isinstance(one, str)]:
        print(f"\nnot here: {name} (pip install {name})")
    plain, with_dictionary, _, zstd = rows[:4]
    print(
        f"\nllmzip --dict: {with_dictionary.n_bytes / plain.n_bytes:.1%} of llmzip without, "
        f"{with_dictionary.n_bytes / zstd.n_bytes:.1%} of zstd with a dictionary"
    )
    print(beyond_surprise(messages, options.model))
    if options.answers:
        in_ascii = [message for message in messages if message.isascii()]
        profile = llmzip.make_profile(options.model)
        print(*answers(in_ascii, options.answers + 1, profile), sep="\n")
    return 0


def beyond_surprise(messages: Sequence[bytes], model: str) -> str:
    """Say what bare messages take beyond the model's cross-entropy, and a character in English."""
    with llmzip.MessageCodec(llmzip.make_profile(model)) as codec:
        sizes = [len(code) for code in codec.encode_many(messages)]
        bits = [codec.bits(message) for message in messages]
    beyond = sum(sizes) - sum(bits) / 8
    english = [i for i, message in enumerate(messages) if is_english(message)]
    n_bits = 8 * sum(sizes[i] for i in english)
    n_characters = sum(len(messages[i]) for i in english)
    return (
        f"bare messages: {beyond / len(messages):.2f} bytes each beyond the cross-entropy; "
        f"{n_bits / max(n_characters, 1):.3f} bits a character of the {len(english)} in English"
    )


def is_english(message: bytes) -> bool:
    """Say whether a message is prose, and has a word that few other languages have."""
    is_prose = len(_PROSE.findall(message)) > 0.9 * len(message)
    return is_prose and _ENGLISH.search(message) is not None


def all_rows(
    training: Sequence[bytes], messages: Sequence[bytes], model: str, level: int
) -> Iterator[Row]:
    """Yield llmzip without and with a dictionary, then zstd so."""
    dictionary = b"".join(line + b"\n" for line in training)
    for name, known in ((f"llmzip -{level}", None), (f"llmzip -{level} --dict", dictionary)):
        yield measured(name, *llmzip_codecs(model, level, known), messages)
    yield measured("zstd -19", *zstd_codecs(None), messages)
    with_dictionaries = [
        measured("zstd -19, trained dictionary", *zstd_codecs(trained), messages)
        for trained in trained_dictionaries(training)
    ]
    yield min(with_dictionaries, key=lambda row: row.n_bytes)
    agreed = {
        "message": llmzip.make_profile(model),
        "message, dictionary": llmzip.make_profile(model, dictionary=dictionary),
    }
    for name, profile in agreed.items():
        with llmzip.MessageCodec(profile) as codec:
            yield measured(f"llmzip {name}", codec.encode, codec.decode, messages)
    for one in others():
        if isinstance(one, Other):
            yield measured(one.name, one.compress, one.decompress, messages)


def llmzip_codecs(model: str, level: int, dictionary: bytes | None) -> tuple[Codec, Codec]:
    """Return how llmzip compresses and decompresses, the model being kept."""
    compressor = llmzip.Compressor(model=model, level=level, dictionary=dictionary)
    decompressor = llmzip.Decompressor(dictionary=dictionary, default_model=model)

    def compress(data: bytes) -> bytes:
        sink = io.BytesIO()
        compressor.compress(io.BytesIO(data), sink)
        return sink.getvalue()

    def decompress(packed: bytes) -> bytes:
        sink = io.BytesIO()
        decompressor.decompress(io.BytesIO(packed), sink)
        return sink.getvalue()

    return compress, decompress


def zstd_codecs(trained: zstandard.ZstdCompressionDict | None) -> tuple[Codec, Codec]:
    """Return how zstd does; by default a frame names its dictionary and has no checksum."""
    encoder = zstandard.ZstdCompressor(level=19, dict_data=trained)
    decoder = zstandard.ZstdDecompressor(dict_data=trained)
    return encoder.compress, decoder.decompress


def trained_dictionaries(training: Sequence[bytes]) -> Iterator[zstandard.ZstdCompressionDict]:
    """Yield what zstd makes of samples, in several sizes."""
    for n_bytes in ZSTD_DICTIONARY_BYTES:
        yield zstandard.train_dictionary(n_bytes, list(training), level=19)


def measured(name: str, compress: Codec, decompress: Codec, messages: Sequence[bytes]) -> Row:
    """Compress all messages one by one, get them back and compare."""
    packed = [compress(messages[0])]
    begin_s = time.monotonic()
    packed += [compress(message) for message in messages[1:]]
    compress_s = time.monotonic() - begin_s
    back = [decompress(packed[0])]
    begin_s = time.monotonic()
    back += [decompress(file) for file in packed[1:]]
    decompress_s = time.monotonic() - begin_s
    if back != list(messages):
        raise AssertionError(f"{name}: a message did not come back")
    n = max(1, len(messages) - 1)
    return Row(name, sum(map(len, packed)), compress_s / n, decompress_s / n)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/messages.py", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--train", type=int, default=1000, help="lines of the dictionary")
    parser.add_argument("--count", type=int, default=1000, help="messages at most")
    parser.add_argument("--level", type=int, default=DEFAULT_LEVEL)
    parser.add_argument("--answers", type=int, default=20, help="lines that are timed; 0: none")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
