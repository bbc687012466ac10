"""The kinds of chunks, and which sizes of one can belong together."""

from __future__ import annotations

from enum import IntEnum

from llmzip.container import limits


def require(holds: bool, message: str) -> None:
    """Raise ValueError with this message unless it holds."""
    if not holds:
        raise ValueError(message)


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


def check_chunk_sizes(kind: Kind, n_bytes: int, n_tokens: int, n_payload: int) -> None:
    """Raise ValueError unless these sizes can belong together in one chunk."""
    if kind is Kind.LAYOUT:
        _check_layout_sizes(n_bytes, n_tokens, n_payload)
        return
    require(1 <= n_bytes <= limits.MAX_CHUNK_BYTES, f"a chunk of {n_bytes} bytes is out of range")
    if kind.needs_model:
        _check_token_sizes(kind, n_bytes, n_tokens, n_payload)
        return
    require(n_tokens == 0, "only lm chunks have tokens")
    fits = n_payload == n_bytes if kind is Kind.STORED else n_payload < n_bytes
    if kind is Kind.LZMA:
        fits = fits and n_bytes <= limits.MAX_LZMA_RATIO * n_payload
    if kind is Kind.TAR_HEADERS:
        most = limits.FREE_TAR_BYTES + limits.MAX_TAR_RATIO * n_payload
        fits = fits and n_bytes <= min(most, limits.MAX_TAR_BYTES) and n_bytes % 512 == 0
    require(fits, f"{kind.name.lower()}: a payload of {n_payload} bytes for {n_bytes} bytes")


def _check_layout_sizes(n_bytes: int, n_tokens: int, n_payload: int) -> None:
    require(0 <= n_bytes <= limits.MAX_LAYOUT_BYTES, f"a layout of {n_bytes} bytes")
    require(n_tokens == 0, "only lm chunks have tokens")
    fits = limits.MIN_LAYOUT_PAYLOAD <= n_payload <= limits.MAX_LAYOUT_PAYLOAD
    require(fits, f"a layout with a payload of {n_payload} bytes")


def _check_token_sizes(kind: Kind, n_bytes: int, n_tokens: int, n_payload: int) -> None:
    in_range = 1 <= n_tokens <= limits.MAX_CHUNK_TOKENS
    require(in_range, f"a chunk of {n_tokens} tokens is out of range")
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
    require(fits, f"{n_tokens} tokens cannot stand for {n_bytes} bytes")
    fits = n_payload <= most_payload
    require(fits, f"a payload of {n_payload} bytes is too long for {n_tokens} tokens")
