"""Small valid files of every form, kind and option: what the container's mutants begin from."""

from __future__ import annotations

import io

import rooms
from container_samples import SMOLLM2, TIED, lm, lzma, mixed, stored, write

from llmzip.container import (
    ADAPTIVE_OPTIONS,
    DICTIONARY_OPTIONS,
    Chunk,
    Kind,
    ModelRef,
    Options,
    Reference,
    Writer,
    chunk_checksum,
)
from llmzip.layout.program import Copy, Layout, Take, pack_layout

GPT2 = ModelRef("gpt2", "hub:openai-community/gpt2", b"gpt-2!")
MARKED = Options(*DICTIONARY_OPTIONS.numbers, True, b"\xd1\xc7")
MARKED_OTHERWISE = Options(4096, 1024, 512, True, b"\xd1\xc7")
LINES = b"\x00coded"
ENCODED = [Kind.LM_UTF_16LE, Kind.LM_KOI8_R, Kind.LM_EUC_KR]
EXCEPTIONS = b"\x01\x02\x01\xff\x00coded"


def _lines(data: bytes) -> tuple[Chunk, bytes]:
    return Chunk.spelled(Kind.LM_LINES, data, -(-len(data) // 4), LINES), data


def _encoded(kind: Kind, data: bytes) -> tuple[Chunk, bytes]:
    return Chunk.spelled(kind, data, -(-len(data) // 4), EXCEPTIONS), data


def _listed(data: bytes, kind: Kind = Kind.LM, number: int = 1) -> tuple[Chunk, bytes]:
    prefix = b"\0" if kind is Kind.LM_LINES else b""
    return Chunk.spelled(kind, data, -(-len(data) // 4), prefix + b"coded", number), data


def _laid_out(options: Options, *, is_late: bool = False, has_reference: bool = False) -> bytes:
    """A group with a layout, whose program is not looked at here, after one without if it is late.

    Its content comes in three waves.
    """
    sink = io.BytesIO()
    writer = Writer(sink, options)
    writer.model(GPT2)
    if has_reference:
        writer.reference(Reference(b"the sum!", 300))
    if is_late:
        writer.group()
        writer.wave([Chunk.stored(b"before")], b"before")
    text = b"the text of a group"
    writer.group(text=text)
    layout = Chunk.layout(10, text, b"\1\2\3\4\0program")
    waves = [[stored(b"one"), lm(b"two")], [lm(b"the")]]
    writer.wave([layout], b"")
    for wave in waves:
        writer.wave([chunk for chunk, _ in wave], b"".join(data for _, data in wave))
    writer.finish()
    return sink.getvalue()


def _compact_layout() -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.group(text=b"a run of one byte")
    layout = Chunk.layout(14, b"a run of one byte", b"\1\2\3\4\0program")
    writer.wave([layout, Chunk.stored(b"run")], b"run")
    writer.finish()
    return sink.getvalue()


def _going_on(*content: tuple[Chunk, bytes]) -> bytes:
    """A text that goes on after these chunks, from its second byte on."""
    data = b"".join(own for _, own in content)
    text, sink = data + data[1:] * 3, io.BytesIO()
    layout = pack_layout(
        Layout((len(data),), (Take(0, len(data)), Copy(len(data) - 1, len(text) - len(data))))
    )
    writer = Writer(sink, ADAPTIVE_OPTIONS)
    writer.model(GPT2)
    writer.group(text=text)
    payload = chunk_checksum(layout) + b"\0" + layout
    chunk = Chunk.layout(len(text) - len(data), text, payload)
    writer.wave([chunk, *(one for one, _ in content)], data)
    writer.finish()
    return sink.getvalue()


def _made() -> list[bytes]:
    wave = [stored(b"as it is"), lm(b"text"), lzma(b"aaaaaaaaaa"), mixed(b"bbbbbbbbbb")]
    groups = [[[stored(b"first"), lm(b"second")], [lm(b"third")]], [[lzma(b"fourth")], wave]]
    lines = [[[_lines(b"one\r\ntwo\r\n"), _lines(b"three\r\n")], [_lines(b"four\r\n")]]]
    files = [
        write([]),
        write([[[lm(b"a hundred bytes of text, say", b"\x93\x1c\x07\x44\xf0")]]]),
        write([[[stored(b"kept as it is")]]]),
        write([[[lzma(b"aaaaaaaaaa" * 30, b"\x01\x02\x03")]]]),
        write([[[mixed(b"aaaaaaaaaa" * 30, b"\x01\x02\x03")]]]),
        write([[[lm(b"text")]]], Options(4096, 1024, 512), TIED),
        write([[[lm(b"the first chunk"), lm(b"the second", b""), lm(b"the third")]]]),
        write([[wave]], Options(4096, 1024, 512), TIED),
        write([[[_lines(b"one\r\ntwo\r\n")]]]),
        write([[[lm(b"learning")]]], ADAPTIVE_OPTIONS, GPT2),
        write([[[lm(b"one"), lm(b"two")]]], MARKED),
        write([[[stored(b"nothing to know")]]], MARKED),
        write(groups, Options(300), TIED),
        write(groups, ADAPTIVE_OPTIONS, GPT2),
        write(groups, MARKED_OTHERWISE, SMOLLM2),
        write(lines, ADAPTIVE_OPTIONS, SMOLLM2),
        write([[[stored(b"x")], [stored(b"y")]] for _ in range(4)]),
        write([[[stored(bytes([i])) for i in range(70)]], [[stored(b"end")]]]),
    ]
    encoded = [[[_encoded(kind, b"text text") for kind in ENCODED]]]
    files.append(write(encoded, ADAPTIVE_OPTIONS, SMOLLM2))
    files += [
        _compact_layout(),
        _laid_out(Options(300)),
        _laid_out(ADAPTIVE_OPTIONS, is_late=True),
        _laid_out(ADAPTIVE_OPTIONS, has_reference=True),
        _going_on(stored(b"over and ")),
        _going_on(lm(b"over"), stored(b" and ")),
        write([[[_listed(b"by a shortlist")]]]),
        write([[[_listed(b"by a", number=7), _listed(b"shortlist", number=7)]]], ADAPTIVE_OPTIONS),
        write(
            [
                [[_listed(b"one\r\n", Kind.LM_LINES), stored(b"two")]],
                [[_listed(b"three", number=6)]],
            ]
        ),
        _going_on(_listed(b"over")),
    ]
    return [*files, files[1] + files[2], files[12] + files[7], files[6] + files[0] + files[15]]


CONTAINER_SEEDS = _made()

__all__ = ["CONTAINER_SEEDS", "rooms"]
