"""Whole decodes under fire, with a fake model: against the documents' decoder.

Whatever the bytes: a clean LlmzipError, or what docs/decoder decodes them to; and of a file
that is refused, what was written by then is right.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from random import Random

import xxhash
from codec_samples import FakeModel, chunks_of, encode, foretold, mostly_foretold
from coder_samples import reference_encode
from container_samples import stored, write
from document_fake import MARK, DocumentFake, Waves, beginning, fake, payloads
from file_tree import Compact, Frame, Head, Item, Node, Payloads, packed
from findings import FindingError
from golden_layouts import CASES as LAYOUTS
from naive_copies import NaiveFinder

import decoder
import tar_samples
from decoder.container import LAYOUT, LM, LM_KINDS
from decoder.container import Chunk as DocumentChunk
from decoder.layout import Weaver, layout_of
from decoder.wire import Fields, RefusedError
from llmzip import mixing
from llmzip.codec import decode_stream, encode_stream
from llmzip.codec.classical import compress_lzma
from llmzip.codec.levels import Level, plain
from llmzip.container import (
    ADAPTIVE_OPTIONS,
    DICTIONARY_OPTIONS,
    Chunk,
    Kind,
    Options,
    Reader,
    Wave,
)
from llmzip.errors import FormatError, LlmzipError
from llmzip.layout.tar_headers import pack_headers

SMALL_LAYOUTS = ["good-every-op", "good-chain-learning", "good-waves", "good-tar-unfinished"]

MAX_TOKENS = 2_000
MAX_MIXED_BYTES = 200
MAX_BYTES = 1 << 20
"""Claims beyond these are honest work for a decoder, and too much of it for a fuzzer."""


def check(data: bytes) -> str:
    """Decode `data`; return the verdict in words. Raises FindingError."""
    if claims_much(data):
        return "not decoded: it claims more than a fuzzer has time for"
    sink = io.BytesIO()
    try:
        decode_stream(io.BytesIO(data), sink, fake().open_to_decode)
        verdict = "decoded"
    except LlmzipError as exc:
        verdict = f"{type(exc).__name__}: {exc}"
        if "\n" in verdict:
            raise FindingError(f"a message of several lines: {exc!r}") from exc
    except BaseException as exc:
        raise FindingError(f"{type(exc).__name__}: {exc}") from exc
    _compare(data, sink.getvalue(), verdict)
    return verdict


def claims_much(data: bytes) -> bool:
    """Return whether what a file claims, before it is refused or not, is much work to decode."""
    n_tokens = n_mixed = n_bytes = 0
    with suppress(FormatError):
        for record in Reader(io.BytesIO(data)):
            for chunk in record.chunks if isinstance(record, Wave) else ():
                n_tokens += chunk.n_tokens
                n_bytes += chunk.n_bytes
                n_mixed += chunk.n_bytes if chunk.kind in (Kind.MIXED, Kind.COUNTED) else 0
                n_mixed += _n_mixed(chunk.payload[4:]) if chunk.kind is Kind.LAYOUT else 0
                n_mixed += _n_mixed(chunk.payload) if chunk.kind is Kind.TAR_HEADERS else 0
    return n_tokens > MAX_TOKENS or n_mixed > MAX_MIXED_BYTES or n_bytes > MAX_BYTES


def _n_mixed(payload: bytes) -> int:
    """Return how long a program is, if it is mixed: of a layout behind its checksum, of headers."""
    fields = Fields(payload[1:])
    with suppress(RefusedError):
        return fields.varint() if payload[:1] == b"\2" else 0
    return 0


def _compare(data: bytes, found: bytes, verdict: str) -> None:
    try:
        right = decoder.decode(data, DocumentFake())
    except RefusedError as exc:
        if verdict == "decoded":
            raise FindingError(f"decoded where the documents refuse: {exc}") from exc
        if found and not _begins_file(data, found):
            raise FindingError("wrong bytes were written before the file was refused") from exc
        return
    if verdict != "decoded":
        raise FindingError(f"refused where the documents decode: {verdict}")
    if found != right:
        raise FindingError("decodes to other bytes than the documents say")


def _begins_file(data: bytes, found: bytes) -> bool:
    return beginning(data).startswith(found)


@cache
def seeds() -> list[bytes]:
    """Small files of every kind of chunk, form and version, that decode."""
    model = fake()
    text = foretold(model, 36)
    lines = b"".join(mostly_foretold(model, 20, seed) + b"\r\n" for seed in range(3))
    escapes = text + b"\x04\xff\xc0" + foretold(model, 12)
    learning = Options(12, 1024, 128, adaptive=True)
    learning_more = replace(learning, chunk_tokens=100)
    marked = replace(learning, window_tokens=2048, carry_tokens=256, dictionary=MARK)
    small = replace(plain(Options(12)), group_bytes=90)
    small_learning = replace(plain(learning), group_bytes=90, n_lanes=3)
    noise = Random(5).randbytes(30)
    mixed_one, lzma_one = _mixed(b"abba" * 8), _lzma(b"0123456789" * 5)
    files = [
        encode(model, text),
        encode(model, text, Options(chunk_tokens=10)),
        encode(model, text, learning),
        encode(model, text, Level(ADAPTIVE_OPTIONS, 1 << 20, 4, 10)),
        encode(model, text, marked),
        encode(model, text, replace(DICTIONARY_OPTIONS, dictionary=MARK)),
        encode(model, lines, replace(learning, chunk_tokens=100)),
        write([[[_with_a_bare_line(lines)]]], model=model.ref),
        encode(model, escapes),
        encode(model, noise),
        encode(model, b""),
        encode(model, text + noise + text[:50], small),
        encode(model, text * 4, small_learning),
        write([[[mixed_one]]]),
        write([[[lzma_one]]]),
        write([[[mixed_one, lzma_one, stored(b"x")], [lzma_one]], [[mixed_one]]]),
    ]
    files += [encode(model, text.decode().encode("utf-16-le") + b"\x00\xd8", Options(100))]
    files += [encode(model, text + "привет, мир\r\n".encode("koi8-r"), learning_more)]
    files += [write([[[_counted(b"0110" * 8)]]])]
    files += [write([[[_headers("pax")]]]), write([[[_headers("gnu"), stored(b"x")]]])]
    files += [LAYOUTS[name].file for name in SMALL_LAYOUTS]
    files += [_copying(model, text, noise, level) for level in (small, small_learning)]
    return [*files, files[0] + files[13], files[11] + files[2]]


def _counted(data: bytes) -> tuple[Chunk, bytes]:
    payload = mixing.compress_counted(data, len(data) - 1)
    assert payload is not None
    return Chunk.counted(data, payload), data


def _headers(form: str) -> tuple[Chunk, bytes]:
    """Return some headers of a tar, their columns as they are."""
    blocks = tar_samples.headers_of(form)
    return Chunk.tar_headers(blocks, b"\0" + pack_headers(blocks)), blocks


def _copying(model: FakeModel, text: bytes, noise: bytes, level: Level) -> bytes:
    """Text of the model's and noise, each again in a later group."""
    sink = io.BytesIO()
    source = io.BytesIO(text + noise + text[:70] + noise + text)
    encode_stream(source, sink, model.open_to_encode, level, find_copies=NaiveFinder(least=20))
    return sink.getvalue()


def _with_a_bare_line(lines: bytes) -> tuple[Chunk, bytes]:
    """Return lines that end in CR LF as a chunk, but for the second that ends in LF."""
    (chunk,) = chunks_of(encode(fake(), lines, Options(chunk_tokens=100)))
    assert (chunk.kind, chunk.payload[0]) == (Kind.LM_LINES, 0)
    first, second, *rest = lines.split(b"\r\n")
    data = first + b"\r\n" + second + b"\n" + b"\r\n".join(rest)
    return Chunk.spelled(Kind.LM_LINES, data, chunk.n_tokens, b"\x01\x01" + chunk.payload[1:]), data


def _mixed(data: bytes) -> tuple[Chunk, bytes]:
    payload = mixing.compress(data, len(data) - 1)
    assert payload is not None
    return Chunk.mixed(data, payload), data


def _lzma(data: bytes) -> tuple[Chunk, bytes]:
    return Chunk.lzma(data, compress_lzma(data)), data


def sign_texts(tree: Node, chance: Random) -> None:
    """Give chunks the sizes and checksums of what their payloads decode to, or other tokens."""
    if chance.random() < 0.2:
        return
    for member in tree.nodes():
        version = _version(member)
        text = bytearray()
        for group in _groups(member):
            content, layout = b"", None
            for head, node, place in group:
                if chance.random() < 0.15:
                    node.items[place] = _other_tokens(head, node.items[place], version, chance)
                payload = packed(node.items[place])
                if head.kind == LAYOUT and layout is None and not content:
                    layout = head, payload
                else:
                    content += _sign(head, payload, version)
            if layout is None:
                text += content
            else:
                _sign_group(*layout, content, text)
        _sign_member(member, bytes(text))


def _version(member: Node) -> int:
    form = member.pack()[3:4]
    return form[0] >> 4 if form else 0


Place = tuple[Head, Node, int]
"""A head with the node and place of its payload."""


def _groups(member: Node) -> list[list[Place]]:
    """Return the chunks of each group."""
    groups: list[list[Place]] = [[]]
    for place in _chunks(member):
        if place is None:
            groups.append([])
        else:
            groups[-1].append(place)
    return groups


def _sign_group(head: Head, payload: bytes, content: bytes, text: bytearray) -> None:
    """Make a layout's head agree with what its group comes to, which is added to the text."""
    start = len(text)
    n_bytes = head.items[1] if len(head.items) == 4 else None
    if not isinstance(n_bytes, int) or n_bytes > MAX_BYTES:
        return
    with suppress(RefusedError):
        layout = layout_of(decoder.program(DocumentChunk(LAYOUT, 0, 0, 0, b"", payload)))
        Weaver(layout, content, n_bytes + len(content), text).weave()
    head.items[-1] = xxhash.xxh3_64_digest(bytes(text[start:]))[:4]


def _chunks(member: Node) -> Iterator[Place | None]:
    """Yield the chunks, and None where a group begins."""
    table: list[Head] = []
    for node in member.nodes():
        if isinstance(node, Compact) and len(node.nodes()) == 2:
            fields, coded = node.nodes()
            table = [item for item in fields.items if isinstance(item, Head)]
        elif isinstance(node, Payloads):
            coded = node
        elif isinstance(node, Frame) and node.tag == 2:
            yield None
            continue
        else:
            table = node.heads() if isinstance(node, Frame) else []
            continue
        for place, head in enumerate(table[: len(coded.items)]):
            yield head, coded, place


def _sign(head: Head, payload: bytes, version: int) -> bytes:
    """Make a head agree with its payload where that decodes; return the text."""
    text = _text(head, payload, version)
    if text:
        head.items[1] = len(text)
        head.items[-1] = xxhash.xxh3_64_digest(text)[:4]
    return text


def _text(head: Head, payload: bytes, version: int) -> bytes:
    """Return what a payload decodes to, nothing if it does not or if that is much work."""
    sizes = [size for size in head.items[1:-1] if isinstance(size, int)]
    if len(sizes) != len(head.items) - 2 or not sizes or sizes[0] > MAX_MIXED_BYTES:
        return b""
    n_tokens = sizes[1] if len(sizes) == 3 else 0
    if n_tokens > MAX_TOKENS:
        return b""
    chunk = DocumentChunk(head.kind, sizes[0], n_tokens, len(payload), b"", payload)
    try:
        if head.kind in LM_KINDS:
            return payloads(version).decode([chunk])[0]
        return decoder.without_model(chunk)
    except RefusedError:
        return b""


def _sign_member(member: Node, text: bytes) -> None:
    digest = xxhash.xxh3_64_digest(text)
    for node in member.nodes():
        if isinstance(node, Frame) and node.tag == 4 and len(node.items) > 2:
            node.items[2] = digest
        if isinstance(node, Compact) and node.has_table and node.nodes():
            fields = node.nodes()[0]
            if fields.items and isinstance(fields.items[-1], bytes):
                fields.items[-1] = digest[:4]


def _other_tokens(head: Head, payload: Item, version: int, chance: Random) -> Item:
    """Return the payload of other tokens than there were: doubled, lost, or any at all."""
    if head.kind != LM or len(head.items) != 5:
        return payload
    text = _text(head, packed(payload), version)
    ids = fake().tokenizer.encode(text).tolist() or [5]
    for _ in range(chance.randrange(3)):
        at = chance.randrange(len(ids))
        ids[at : at + chance.randrange(2)] = [chance.choice([0, 5, chance.randrange(300)])]
    ids = ids[: chance.choice([len(ids), 1 + chance.randrange(len(ids))])]
    head.items[2] = len(ids)
    intervals = []
    for i, token in enumerate(ids):
        freq = Waves(None if version == 1 else 0).frequencies(ids[:i]).tolist()
        intervals.append((sum(freq[:token]), freq[token], sum(freq)))
    return reference_encode(intervals)
