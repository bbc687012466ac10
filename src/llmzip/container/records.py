"""What a .llmz file consists of, as values: the records that Reader yields and Writer takes.

A member (one file; several may be concatenated) reads as

    Header, [Reference], [ModelRef], (Group, Wave, Wave, ...)*, End

where the ModelRef comes once at most, somewhere before the first wave that holds an lm chunk.
All values are frozen and check themselves: an instance that breaks a limit cannot be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmzip.container import limits
from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.container.checksum import FileChecksum, chunk_checksum
from llmzip.container.kinds import Kind, check_chunk_sizes, require
from llmzip.errors import CorruptError


def _require_text(field: str, text: str, least: int, most: int) -> None:
    fits = least <= len(text.encode("utf-8", "replace")) <= most
    require(fits, f"the model's {field} is not {least} to {most} bytes long")
    # What comes from a file goes to a terminal: nothing unprintable, no lone surrogates.
    require(text.isprintable(), f"the model's {field} holds unprintable characters")


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
        require(1 <= self.chunk_tokens <= limits.MAX_CHUNK_TOKENS, "chunk_tokens out of range")
        require(1 <= self.window_tokens <= limits.MAX_WINDOW_TOKENS, "window_tokens out of range")
        require(0 <= self.carry_tokens < self.window_tokens, "carry_tokens out of range")
        if self.dictionary is not None:
            require(self.adaptive, "only chunks that learn can have a dictionary")
            fits = len(self.dictionary) == limits.DICTIONARY_MARK_BYTES
            require(fits, "dictionary mark is not 2 bytes")


DEFAULT_OPTIONS = Options()
ADAPTIVE_OPTIONS = Options(limits.MAX_CHUNK_TOKENS, 1024, 128, adaptive=True)
DICTIONARY_OPTIONS = Options(limits.MAX_CHUNK_TOKENS, 2048, 256, adaptive=True)


@dataclass(frozen=True)
class ModelRef:
    """Which model a file needs: what to look for, and what it must hash to.

    name, source: printable text; the source says where the model may be had. No name, for a model
        of somebody's own, leaves it to the fingerprint.
    fingerprint: 6 bytes, the first of a hash of all that decides what the model predicts.
    machine: None if any machine can decode the file, else 8 bytes that only the machine with
        the same tag may decode (the float predictor's files).
    """

    name: str
    source: str
    fingerprint: bytes
    machine: bytes | None = None

    def __post_init__(self) -> None:
        least = 0 if self.source == LOCAL_SOURCE else 1
        _require_text("name", self.name, least, limits.MAX_NAME_BYTES)
        _require_text("source", self.source, 0, limits.MAX_SOURCE_BYTES)
        require(len(self.fingerprint) == limits.FINGERPRINT_BYTES, "fingerprint is not 6 bytes")
        require(self.portable or self.name != "", "a model that is tied to a machine needs a name")
        tag_fits = self.machine is None or len(self.machine) == limits.MACHINE_BYTES
        require(tag_fits, "machine tag is not 8 bytes")

    @property
    def portable(self) -> bool:
        """Whether any machine can decode the file."""
        return self.machine is None

    @property
    def nameless(self) -> ModelRef:
        """The same model without a name, which one that is tied to a machine keeps.

        What the same model decodes has the same.
        """
        return replace(self, name="", source=LOCAL_SOURCE) if self.portable else self

    @property
    def shown(self) -> str:
        """What to call it before people."""
        return self.name or self.fingerprint.hex()


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
    shortlist: which of the model's shortlists has its tokens, 0 for the whole vocabulary.
    """

    kind: Kind
    n_bytes: int
    n_tokens: int
    checksum: bytes
    payload: bytes
    shortlist: int = 0

    def __post_init__(self) -> None:
        check_chunk_sizes(self.kind, self.n_bytes, self.n_tokens, len(self.payload))
        most = limits.MAX_SHORTLIST if self.kind.needs_model else 0
        require(0 <= self.shortlist <= most, f"shortlist {self.shortlist} is out of range")
        require(len(self.checksum) == limits.CHUNK_CHECKSUM_BYTES, "checksum is not 4 bytes")

    @property
    def shortlist_name(self) -> str | None:
        """What people call its shortlist, if it has one."""
        return limits.SHORTLISTS[self.shortlist] if self.shortlist else None

    @classmethod
    def spelled(
        cls, kind: Kind, data: bytes, n_tokens: int, payload: bytes, shortlist: int = 0
    ) -> Chunk:
        """Return the chunk of `data` of a kind whose tokens spell it in their own way."""
        return cls(kind, len(data), n_tokens, chunk_checksum(data), payload, shortlist)

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
        require(fits, "reference checksum is not 8 bytes")
        require(1 <= self.n_bytes < 1 << 63, "a reference of no bytes, or too many")


@dataclass(frozen=True)
class Group:
    """The start of a group: it shares what its waves teach, and needs no other group but for what
    its layout copies.

    adaptation: how later waves learn from earlier ones; 0 (not at all) is all there is so far.
    """

    adaptation: int = 0

    def __post_init__(self) -> None:
        require(self.adaptation == 0, f"adaptation {self.adaptation} is not known")


@dataclass(frozen=True)
class Wave:
    """Chunks that may be decoded side by side; their bytes follow each other in the file."""

    chunks: tuple[Chunk, ...]

    def __post_init__(self) -> None:
        require(1 <= len(self.chunks) <= limits.MAX_WAVE_CHUNKS, "too many or no chunks in a wave")
        require(self.n_bytes <= limits.MAX_WAVE_BYTES, "a wave decodes to more than 64 MiB")
        require(self.n_payload <= limits.MAX_WAVE_BYTES, "a wave's payload exceeds 64 MiB")
        is_first = all(chunk.kind is not Kind.LAYOUT for chunk in self.chunks[1:])
        require(is_first, "a layout that is not the first chunk of its group")
        require(len(self._shortlists()) < 2, "chunks of a wave by different shortlists")

    def _shortlists(self) -> set[int]:
        return {chunk.shortlist for chunk in self.chunks if chunk.kind.needs_model}

    @property
    def shortlist(self) -> int | None:
        """By which its LM chunks are; None where there are none."""
        return next(iter(self._shortlists()), None)

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
