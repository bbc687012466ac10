"""Whole decodes under fire, with a fake model: against a decoder written from the document.

Whatever the bytes: a clean LlmzipError, or what the document decodes them to; and of a file
that is refused, what was written by then is right.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random

import format_parser
import reference_decode
import xxhash
from codec_samples import FakeModel, chunks_of, encode, foretold, mostly_foretold
from container_samples import stored, write
from file_tree import Compact, Frame, Head, Item, Node, Payloads, packed
from findings import FindingError
from format_parser import LM, ChunkClaim, MemberClaim, RefusedError
from reference_coder import reference_encode
from reference_decode import FakeFile

from llmzip import mixing
from llmzip.codec import decode_stream
from llmzip.codec.classical import compress_lzma
from llmzip.codec.levels import Level, plain
from llmzip.container import ADAPTIVE_OPTIONS, DICTIONARY_OPTIONS, Chunk, Kind, ModelRef, Options
from llmzip.errors import DictionaryError, FingerprintError, LlmzipError
from small_tokenizer import MISSING, small_tokenizer_json

MARK = b"\xd1\xc7"
MAX_TOKENS = 2_000
MAX_MIXED_BYTES = 2_000
MAX_BYTES = 1 << 20
"""Claims beyond these are honest work for a decoder, and too much of it for a fuzzer."""


class Fake(FakeModel):
    """The fake model; refuses files of others as the real opening does."""

    def open_to_decode(self, ref: ModelRef | None, options: Options) -> FakeModel:
        if options.dictionary is not None and options.dictionary != MARK:
            raise DictionaryError("another dictionary")
        if ref is not None and (ref.fingerprint != self.ref.fingerprint or ref.machine):
            raise FingerprintError("another model")
        return self


@cache
def fake() -> Fake:
    made = Fake.of(small_tokenizer_json(missing=MISSING))
    assert isinstance(made, Fake)
    return made


@cache
def fake_file() -> FakeFile:
    """Return the same for the reference."""
    model, table = fake(), fake().tokenizer.table
    tokens = [table[i] for i in range(len(table))]
    return FakeFile(tokens, model.predictor.frequencies, model.ref.fingerprint, MARK)


def check(data: bytes) -> str:
    """Decode `data`; return the verdict in words. Raises FindingError."""
    members, whole = list[MemberClaim](), True
    try:
        format_parser.parse(data, members)
    except RefusedError:
        whole = False
    if claims_much(members):
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
    _compare(sink.getvalue(), verdict, members, whole)
    return verdict


def claims_much(members: list[MemberClaim]) -> bool:
    chunks = [chunk for member in members for chunk in member.chunks]
    n_mixed = sum(chunk.n_bytes for chunk in chunks if chunk.kind == format_parser.MIXED)
    return (
        sum(chunk.n_tokens for chunk in chunks) > MAX_TOKENS
        or n_mixed > MAX_MIXED_BYTES
        or sum(chunk.n_bytes for chunk in chunks) > MAX_BYTES
    )


def _compare(found: bytes, verdict: str, members: list[MemberClaim], whole: bool) -> None:
    right = b""
    try:
        for text in documented(members):
            right += text
    except RefusedError as exc:
        whole = False
        if verdict == "decoded":
            raise FindingError(f"decoded where the document refuses: {exc}") from exc
    if whole and verdict != "decoded":
        raise FindingError(f"refused where the document decodes: {verdict}")
    if verdict == "decoded" and (not whole or found != right):
        raise FindingError("decodes to other bytes than the document says")
    if not right.startswith(found):
        raise FindingError("wrong bytes were written before the file was refused")


def documented(members: list[MemberClaim]) -> Iterator[bytes]:
    """Yield what the document decodes: each chunk, checked, and each member's checksum."""
    for member in members:
        text = b""
        for one in reference_decode.texts(fake_file(), member):
            text += one
            yield one
        if member.n_compressed:  # its end has been reached
            right = xxhash.xxh3_64_digest(text)[: len(member.checksum)]
            format_parser.must(right == member.checksum, "file checksum")


@cache
def seeds() -> list[bytes]:
    """Small files of every kind of chunk, form and version, that decode."""
    model = fake()
    text = foretold(model, 36)
    lines = b"".join(mostly_foretold(model, 20, seed) + b"\r\n" for seed in range(3))
    escapes = text + b"\x04\xff\xc0" + foretold(model, 12)
    learning = Options(12, 1024, 128, adaptive=True)
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
    return [*files, files[0] + files[13], files[11] + files[2]]


def _with_a_bare_line(lines: bytes) -> tuple[Chunk, bytes]:
    """Return lines that end in CR LF as a chunk, but for the second that ends in LF."""
    (chunk,) = chunks_of(encode(fake(), lines, Options(chunk_tokens=100)))
    assert (chunk.kind, chunk.payload[0]) == (Kind.LM_LINES, 0)
    first, second, *rest = lines.split(b"\r\n")
    data = first + b"\r\n" + second + b"\n" + b"\r\n".join(rest)
    return Chunk.lm_lines(data, chunk.n_tokens, b"\x01\x01" + chunk.payload[1:]), data


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
        text = b""
        for head, payloads, place in _chunks(member):
            if chance.random() < 0.15:
                payloads.items[place] = _other_tokens(head, payloads.items[place], version, chance)
            text += _sign(head, packed(payloads.items[place]), version)
        _sign_member(member, text)


def _version(member: Node) -> int:
    form = member.pack()[3:4]
    return form[0] >> 4 if form else 0


def _chunks(member: Node) -> Iterator[tuple[Head, Node, int]]:
    """Yield each head with the node and place of its payload."""
    table: list[Head] = []
    for node in member.nodes():
        if isinstance(node, Compact) and len(node.nodes()) == 2:
            fields, payloads = node.nodes()
            table = [item for item in fields.items if isinstance(item, Head)]
        elif isinstance(node, Payloads):
            payloads = node
        else:
            table = node.heads() if isinstance(node, Frame) else []
            continue
        for place, head in enumerate(table[: len(payloads.items)]):
            yield head, payloads, place


def _sign(head: Head, payload: bytes, version: int) -> bytes:
    """Make a head agree with its payload where that decodes; return the text."""
    sizes = [size for size in head.items[1:-1] if isinstance(size, int)]
    if len(sizes) != len(head.items) - 2 or not sizes or sizes[0] > MAX_MIXED_BYTES:
        return b""
    n_tokens = sizes[1] if len(sizes) == 3 else 0
    if n_tokens > MAX_TOKENS:
        return b""
    claim = ChunkClaim(head.kind, sizes[0], n_tokens, len(payload), b"", payload)
    try:
        if claim.is_lm:
            text = reference_decode.lm_text(fake_file(), claim, 0 if version > 1 else -1)[1]
        else:
            text = reference_decode.classical_text(head.kind, payload, sizes[0])
    except RefusedError:
        return b""
    head.items[1] = len(text)
    head.items[-1] = xxhash.xxh3_64_digest(text)[:4]
    return text


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
    learnt, file = (0 if version > 1 else -1), fake_file()
    n_tokens = chance.randrange(1, 12)
    try:
        ids = reference_decode.decode_tokens(file, packed(payload), n_tokens, learnt)
    except RefusedError:
        ids = [chance.randrange(len(file.tokens)) for _ in range(n_tokens)]
    for _ in range(chance.randrange(3)):
        at = chance.randrange(len(ids))
        ids[at : at + chance.randrange(2)] = [chance.choice([0, 5, chance.randrange(300)])]
    head.items[2] = len(ids)
    intervals = []
    for i, token in enumerate(ids):
        ends = reference_decode.rows(file, learnt, ids[:i])
        low = int(ends[token - 1]) if token else 0
        intervals.append((low, int(ends[token]) - low, int(ends[-1])))
    return reference_encode(intervals)
