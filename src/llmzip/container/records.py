"""What a .llmz file consists of, as values: the records that Reader yields and Writer takes.

A member (one file; several may be concatenated) reads as

    Header, [Reference], [ModelRef], (Group, Wave, Wave, ...)*, End

where the ModelRef comes once at most, somewhere before the first wave that holds an lm chunk.
All values are frozen and check themselves: an instance that breaks a limit cannot be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from llmzip.container import limits
from llmzip.container.checksum import FileChecksum, chunk_checksum
from llmzip.errors import CorruptError


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _require_text(field: str, text: str, least: int, most: int) -> None:
    fits = least <= len(text.encode("utf-8", "replace")) <= most
    _require(fits, f"the model's {field} is not {least} to {most} bytes long")
    # What comes from a file goes to a terminal: nothing unprintable, no lone surrogates.
    _require(text.isprintable(), f"the model's {field} holds unprintable characters")


class Kind(IntEnum):
    """How a chunk's payload stands for its bytes; the values are part of the format."""

    STORED = 0
    LM = 1
    LZMA = 2
    MIXED = 4
    LM_LINES = 5
    LM_UTF_16LE = 16
    LM_UTF_16BE = 17
    LM_UTF_32LE = 18
    LM_UTF_32BE = 19
    LM_WINDOWS_1252 = 20
    LM_WINDOWS_1251 = 21
    LM_KOI8_R = 22
    LM_SHIFT_JIS = 23
    LM_EUC_JP = 24
    LM_GB18030 = 25
    LM_BIG5 = 26
    LM_EUC_KR = 27
    LAYOUT = 32
    TAR_HEADERS = 33
    COUNTED = 34

    @property
    def needs_model(self) -> bool:
        """Whether the chunk is tokens that a language model has predicted."""
        return self in (Kind.LM, Kind.LM_LINES) or self.encoding is not None

    @property
    def encoding(self) -> str | None:
        """The name of the encoding that the chunk's bytes are text in; None where they are not."""
        is_encoded = Kind.LM_UTF_16LE <= self <= Kind.LM_EUC_KR
        return self.name[len("LM_") :].replace("_", "-") if is_encoded else None

    @classmethod
    def of_encoding(cls, name: str) -> Kind:
        """Return the kind of chunks that are text in this encoding."""
        return cls["LM_" + name.replace("-", "_")]


@dataclass(frozen=True)
class Options:
    """How the encoder cut and conditioned the text; a decoder needs the same numbers.

    chunk_tokens: no chunk has more tokens than this.
    window_tokens: how many tokens the model sees at once.
    carry_tokens: how many of the latest tokens stay in view when a chunk outgrows the window.
    adaptive: whether the chunks of a group learn from each other.
    dictionary: the dictionary_mark of the dictionary that every group begins with, and of the
        model; None where there is no dictionary.
    The numbers of DEFAULT_OPTIONS take no bytes in a file that learns nothing, those of
    ADAPTIVE_OPTIONS none in one that does, and those of DICTIONARY_OPTIONS none beside a mark.
    """

    chunk_tokens: int = 2048
    window_tokens: int = 2048
    carry_tokens: int = 1024
    adaptive: bool = False
    dictionary: bytes | None = None

    @property
    def numbers(self) -> tuple[int, int, int]:
        """What stands in a file as numbers."""
        return self.chunk_tokens, self.window_tokens, self.carry_tokens

    def briefest(self, n_tokens: int, in_view: int) -> Options:
        """Return options that take no bytes, if they mean the same for chunks of `n_tokens`.

        Chunks that are in view as a whole see the same through any window that holds them.
        in_view: the window that the model really has.
        """
        brief = ADAPTIVE_OPTIONS if self.adaptive else DEFAULT_OPTIONS
        may_be_brief = self.dictionary is None and self.chunk_tokens == brief.chunk_tokens
        return brief if may_be_brief and n_tokens <= min(in_view, brief.window_tokens) else self

    def __post_init__(self) -> None:
        _require(1 <= self.chunk_tokens <= limits.MAX_CHUNK_TOKENS, "chunk_tokens out of range")
        _require(1 <= self.window_tokens <= limits.MAX_WINDOW_TOKENS, "window_tokens out of range")
        _require(0 <= self.carry_tokens < self.window_tokens, "carry_tokens out of range")
        if self.dictionary is not None:
            _require(self.adaptive, "only chunks that learn can have a dictionary")
            fits = len(self.dictionary) == limits.DICTIONARY_MARK_BYTES
            _require(fits, "dictionary mark is not 2 bytes")


DEFAULT_OPTIONS = Options()
ADAPTIVE_OPTIONS = Options(limits.MAX_CHUNK_TOKENS, 1024, 128, adaptive=True)
DICTIONARY_OPTIONS = Options(limits.MAX_CHUNK_TOKENS, 2048, 256, adaptive=True)


@dataclass(frozen=True)
class ModelRef:
    """Which model a file needs: what to look for, and what it must hash to.

    name, source: printable text; the source says where the model may be had.
    fingerprint: 6 bytes, the first of a hash of all that decides what the model predicts.
    machine: None if any machine can decode the file, else 8 bytes that only the machine with
        the same tag may decode (the float predictor's files).
    """

    name: str
    source: str
    fingerprint: bytes
    machine: bytes | None = None

    def __post_init__(self) -> None:
        _require_text("name", self.name, 1, limits.MAX_NAME_BYTES)
        _require_text("source", self.source, 0, limits.MAX_SOURCE_BYTES)
        _require(len(self.fingerprint) == limits.FINGERPRINT_BYTES, "fingerprint is not 6 bytes")
        tag_fits = self.machine is None or len(self.machine) == limits.MACHINE_BYTES
        _require(tag_fits, "machine tag is not 8 bytes")

    @property
    def portable(self) -> bool:
        """Whether any machine can decode the file."""
        return self.machine is None


@dataclass(frozen=True)
class Chunk:
    """A run of at least one decoded byte, coded on its own; or the layout of a group.

    n_tokens: of kinds that need a model the number of tokens in the payload, else 0.
    checksum: 4 bytes, chunk_checksum of the decoded bytes.
    payload: LM: what the range coder flushed; STORED: the bytes; LZMA: a raw LZMA2 stream;
        MIXED: what context mixing made of them; LM_LINES: which lines end in a bare line feed,
        then as LM; those with an encoding: what is no text in it, line ends, then as LM.
        TAR_HEADERS: columns of their fields; COUNTED: bits by how often each has come.
        LAYOUT: how a group's text is put together; n_bytes is what it supplies of that itself,
        0 or more, and the checksum is that of all of the group's text.
    """

    kind: Kind
    n_bytes: int
    n_tokens: int
    checksum: bytes
    payload: bytes

    def __post_init__(self) -> None:
        check_chunk_sizes(self.kind, self.n_bytes, self.n_tokens, len(self.payload))
        _require(len(self.checksum) == limits.CHUNK_CHECKSUM_BYTES, "checksum is not 4 bytes")

    @classmethod
    def spelled(cls, kind: Kind, data: bytes, n_tokens: int, payload: bytes) -> Chunk:
        """Return the chunk of `data` of a kind whose tokens spell it in their own way."""
        return cls(kind, len(data), n_tokens, chunk_checksum(data), payload)

    @classmethod
    def lzma(cls, data: bytes, payload: bytes) -> Chunk:
        """Return the LZMA chunk whose `payload` decodes to `data`."""
        return cls(Kind.LZMA, len(data), 0, chunk_checksum(data), payload)

    @classmethod
    def mixed(cls, data: bytes, payload: bytes) -> Chunk:
        """Return the chunk whose `payload` is decoded to `data` by context mixing."""
        return cls(Kind.MIXED, len(data), 0, chunk_checksum(data), payload)

    @classmethod
    def tar_headers(cls, blocks: bytes, payload: bytes) -> Chunk:
        """Return the chunk of headers of a tar whose columns are coded in `payload`."""
        return cls(Kind.TAR_HEADERS, len(blocks), 0, chunk_checksum(blocks), payload)

    @classmethod
    def counted(cls, data: bytes, payload: bytes) -> Chunk:
        """Return the chunk whose `payload` is decoded to `data` by counts of bytes."""
        return cls(Kind.COUNTED, len(data), 0, chunk_checksum(data), payload)

    @classmethod
    def layout(cls, n_bytes: int, text: bytes, payload: bytes) -> Chunk:
        """Return the layout of a group that comes to `text`, `n_bytes` of which it supplies."""
        return cls(Kind.LAYOUT, n_bytes, 0, chunk_checksum(text), payload)

    @classmethod
    def stored(cls, data: bytes) -> Chunk:
        """Return the chunk that carries `data` as it is."""
        return cls(Kind.STORED, len(data), 0, chunk_checksum(data), data)

    def verify(self, data: bytes | memoryview) -> None:
        """Raise CorruptError unless `data` is what this chunk must decode to."""
        if len(data) != self.n_bytes or chunk_checksum(data) != self.checksum:
            raise CorruptError(
                f"{self.kind.name.lower()}: a chunk of {self.n_bytes} bytes fails its checksum: "
                "the file is damaged, get it again"
            )


@dataclass(frozen=True)
class Header:
    """The start of a member."""

    options: Options = DEFAULT_OPTIONS


@dataclass(frozen=True)
class Reference:
    """What stands before a member's text for copies: a file that both sides hold.

    checksum: 8 bytes, the FileChecksum of its bytes.
    """

    checksum: bytes
    n_bytes: int

    def __post_init__(self) -> None:
        fits = len(self.checksum) == limits.REFERENCE_CHECKSUM_BYTES
        _require(fits, "reference checksum is not 8 bytes")
        _require(1 <= self.n_bytes < 1 << 63, "a reference of no bytes, or too many")


@dataclass(frozen=True)
class Group:
    """The start of a group: it shares what its waves teach, and needs no other group but for what
    its layout copies.

    adaptation: how later waves learn from earlier ones; 0 (not at all) is all there is so far.
    """

    adaptation: int = 0

    def __post_init__(self) -> None:
        _require(self.adaptation == 0, f"adaptation {self.adaptation} is not known")


@dataclass(frozen=True)
class Wave:
    """Chunks that may be decoded side by side; their bytes follow each other in the file."""

    chunks: tuple[Chunk, ...]

    def __post_init__(self) -> None:
        _require(1 <= len(self.chunks) <= limits.MAX_WAVE_CHUNKS, "too many or no chunks in a wave")
        _require(self.n_bytes <= limits.MAX_WAVE_BYTES, "a wave decodes to more than 64 MiB")
        _require(self.n_payload <= limits.MAX_WAVE_BYTES, "a wave's payload exceeds 64 MiB")
        is_first = all(chunk.kind is not Kind.LAYOUT for chunk in self.chunks[1:])
        _require(is_first, "a layout that is not the first chunk of its group")

    @property
    def n_bytes(self) -> int:
        """What the wave decodes to."""
        return sum(chunk.n_bytes for chunk in self.chunks)

    @property
    def n_payload(self) -> int:
        """How many bytes of payload it has."""
        return sum(len(chunk.payload) for chunk in self.chunks)

    @property
    def layout(self) -> Chunk | None:
        """The layout that the wave begins with, if it does."""
        return self.chunks[0] if self.chunks[0].kind is Kind.LAYOUT else None

    @property
    def n_content(self) -> int:
        """What its chunks decode to but the layout, which supplies the rest of `n_bytes`."""
        return self.n_bytes - (0 if self.layout is None else self.layout.n_bytes)

    @property
    def needs_model(self) -> bool:
        """Whether any chunk is an LM chunk."""
        return any(chunk.kind.needs_model for chunk in self.chunks)


@dataclass(frozen=True)
class GroupEntry:
    """One group in the index: where it starts in the member, and what it decodes to."""

    offset: int
    n_bytes: int


@dataclass(frozen=True)
class End:
    """The end of a member: totals to verify, and the index of its groups.

    checksum: 8 bytes, the FileChecksum of all decoded bytes; only its first 4 in a member of
        the compact form.
    groups: of files that were read they take few bytes until they are looked at.
    model_offset: where the ModelRef stands in the member, or 0.
    """

    n_bytes: int
    checksum: bytes
    groups: Sequence[GroupEntry] = ()
    model_offset: int = 0

    def verify(self, decoded: FileChecksum) -> None:
        """Raise CorruptError unless `decoded` saw exactly this member's bytes."""
        if decoded.n_bytes != self.n_bytes:
            raise CorruptError(
                f"the file should decode to {self.n_bytes} bytes but gave {decoded.n_bytes}: "
                "the file is damaged, get it again"
            )
        if decoded.digest()[: len(self.checksum)] != self.checksum:
            raise CorruptError(
                "the decoded bytes fail the file's checksum: the file is damaged, get it again"
            )


Record = Header | Reference | ModelRef | Group | Wave | End


def check_chunk_sizes(kind: Kind, n_bytes: int, n_tokens: int, n_payload: int) -> None:
    """Raise ValueError unless these sizes can belong together in one chunk."""
    if kind is Kind.LAYOUT:
        _check_layout_sizes(n_bytes, n_tokens, n_payload)
        return
    _require(1 <= n_bytes <= limits.MAX_CHUNK_BYTES, f"a chunk of {n_bytes} bytes is out of range")
    if kind.needs_model:
        _check_token_sizes(kind, n_bytes, n_tokens, n_payload)
        return
    _require(n_tokens == 0, "only lm chunks have tokens")
    fits = n_payload == n_bytes if kind is Kind.STORED else n_payload < n_bytes
    if kind is Kind.LZMA:
        fits = fits and n_bytes <= limits.MAX_LZMA_RATIO * n_payload
    if kind is Kind.TAR_HEADERS:
        most = limits.FREE_TAR_BYTES + limits.MAX_TAR_RATIO * n_payload
        fits = fits and n_bytes <= min(most, limits.MAX_TAR_BYTES) and n_bytes % 512 == 0
    _require(fits, f"{kind.name.lower()}: a payload of {n_payload} bytes for {n_bytes} bytes")


def _check_layout_sizes(n_bytes: int, n_tokens: int, n_payload: int) -> None:
    _require(0 <= n_bytes <= limits.MAX_LAYOUT_BYTES, f"a layout of {n_bytes} bytes")
    _require(n_tokens == 0, "only lm chunks have tokens")
    fits = limits.MIN_LAYOUT_PAYLOAD <= n_payload <= limits.MAX_LAYOUT_PAYLOAD
    _require(fits, f"a layout with a payload of {n_payload} bytes")


def _check_token_sizes(kind: Kind, n_bytes: int, n_tokens: int, n_payload: int) -> None:
    in_range = 1 <= n_tokens <= limits.MAX_CHUNK_TOKENS
    _require(in_range, f"a chunk of {n_tokens} tokens is out of range")
    most_tokens = limits.MAX_TOKENS_PER_BYTE * n_bytes
    most_bytes = limits.MAX_TOKEN_BYTES * n_tokens
    most_payload = limits.MAX_BYTES_PER_TOKEN * n_tokens + limits.PAYLOAD_SLACK_BYTES
    if kind.encoding is not None:
        most_tokens *= limits.MAX_TEXT_PER_BYTE
        most_bytes = limits.MAX_BYTES_PER_CHAR * most_bytes + n_payload
        most_payload += limits.MAX_PREFIX_PER_BYTE * n_bytes
    elif kind is Kind.LM_LINES:
        most_payload += n_bytes
    fits = n_tokens <= most_tokens and n_bytes <= most_bytes
    _require(fits, f"{n_tokens} tokens cannot stand for {n_bytes} bytes")
    fits = n_payload <= most_payload
    _require(fits, f"a payload of {n_payload} bytes is too long for {n_tokens} tokens")
