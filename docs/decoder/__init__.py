"""A decoder of .llmz files, written from FORMAT.md, EXACT.md and ADAPT.md, and from nothing else.

It is there to be read beside them, and to show that they say enough: slow, plain, and sharing no
code with llmzip. Each module names its chapter.

    cd docs && python -m decoder FILE.llmz MODEL > text
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

from decoder import container
from decoder.container import LAYOUT, LM_KINDS, LZMA, MIXED, Chunk, Member, Wave, members
from decoder.counted import Counted
from decoder.layout import Weaver, layout_of
from decoder.mixed import Mixed
from decoder.model import LanguageModel, Model
from decoder.tarheaders import TarHeaders
from decoder.wire import Fields, RefusedError, UnsupportedError, require, xxh3

__all__ = ["RefusedError", "UnsupportedError", "decode"]


def decode(
    data: bytes,
    model: LanguageModel | Path | str | None = None,
    dictionary: bytes | None = None,
    reference: bytes = b"",
) -> bytes:
    """The text of a file: all of its members, joined.

    model: a prepared model's folder, or what stands in for one; opened at the first chunk that
    needs it. reference: what the file was made from. Raises RefusedError, or UnsupportedError
    where a newer release may know better.
    """
    found = [decode_member(member, model, dictionary, reference) for member in members(data)]
    return b"".join(found)


def decode_member(
    member: Member,
    model: LanguageModel | Path | str | None,
    dictionary: bytes | None,
    reference: bytes,
) -> bytes:
    """The text of a member."""
    before = b""
    if member.reference is not None:
        before = reference
        require(member.reference == (xxh3(before), len(before)), "another reference, or none")
    text, begin = bytearray(before), None
    for waves in member.groups:
        group, content = None, b""
        for wave in waves:
            together = [chunk for chunk in wave if chunk.kind in LM_KINDS]
            if together and group is None:
                begin = begin or opened(model).begin(member, dictionary)
                group = begin.fresh()
            texts = iter(group.decode(together) if group and together else [])
            content += b"".join(decode_chunk(chunk, texts) for chunk in wave)
        put_together(waves, content, text)
    if member.goes_on is not None:
        more, skip = member.goes_on
        repeated = bytes(text[skip:])
        text += (repeated * (more // len(repeated) + 1))[:more]
    whole = xxh3(bytes(text[len(before) :]))[: len(member.checksum)]
    require(whole == member.checksum, "the text fails the file's checksum")
    return bytes(text[len(before) :])


def decode_chunk(chunk: Chunk, texts: Iterator[bytes]) -> bytes:
    """The bytes of a chunk, none of a layout; `texts` has what the model makes of the next one."""
    if chunk.kind == LAYOUT:
        return b""
    found = next(texts) if chunk.kind in LM_KINDS else without_model(chunk)
    require(len(found) == chunk.n_bytes, "a chunk of another size than it says")
    require(xxh3(found)[:4] == chunk.checksum, "a chunk fails its checksum")
    return found


def put_together(waves: list[Wave], content: bytes, text: bytearray) -> None:
    """Append a group to the text, as its layout says if it has one."""
    first = waves[0][0]
    if first.kind != LAYOUT:
        text += content
        return
    start = len(text)
    Weaver(layout_of(program(first)), content, len(content) + first.n_bytes, text).weave()
    require(xxh3(bytes(text[start:]))[:4] == first.checksum, "a group fails its checksum")


def program(chunk: Chunk) -> bytes:
    """The program in the payload of a layout."""
    fields = Fields(chunk.payload)
    checksum = fields.take(4)
    found = uncoded(fields)
    require(xxh3(found)[:4] == checksum, "a program fails its checksum")
    return found


def uncoded(fields: Fields) -> bytes:
    """A program, of a layout or of headers of a tar, as it is or coded."""
    how = fields.byte()
    if how == 0:
        return fields.data[fields.at :]
    size = fields.varint()
    coded = fields.data[fields.at :]
    require(1 <= size <= 4096 + 256 * len(coded), "a program too long for what it is coded in")
    require(size <= 4 << 20 and how <= 2, "a program of more than 4 MiB, or coded in another way")
    found = decode_lzma(coded, size) if how == 1 else Mixed(coded, size).decode()
    require(len(found) == size, "a program of another size than it says")
    return found


def opened(model: LanguageModel | Path | str | None) -> LanguageModel:
    """The model, of its folder where need be."""
    if model is None:
        raise RefusedError("the file needs a model; say where it lies")
    return Model(Path(model)) if isinstance(model, Path | str) else model


def without_model(chunk: Chunk) -> bytes:
    """The bytes of a chunk of another kind than the lm kinds."""
    if chunk.kind == LZMA:
        return decode_lzma(chunk.payload, chunk.n_bytes)
    if chunk.kind == MIXED:
        return Mixed(chunk.payload, chunk.n_bytes).decode()
    if chunk.kind == container.COUNTED:
        return Counted(chunk.payload, chunk.n_bytes).decode()
    if chunk.kind == container.TAR_HEADERS:
        return TarHeaders(uncoded(Fields(chunk.payload)), chunk.n_bytes).decode()
    return chunk.payload


def decode_lzma(payload: bytes, n_bytes: int) -> bytes:
    """The bytes of a raw LZMA2 stream, which ends where the payload does."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
    stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    try:
        text = stream.decompress(payload, max_length=n_bytes + 1)
        if not stream.eof:  # its end marker may not have been read yet
            text += stream.decompress(b"", max_length=1)
    except (lzma.LZMAError, EOFError) as exc:
        raise RefusedError("a chunk's LZMA2 stream is damaged") from exc
    require(stream.eof and not stream.unused_data, "an LZMA2 stream that ends elsewhere")
    return text
