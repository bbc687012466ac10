"""What a file claims of itself, against what may be believed of it.

The format's own limits bound a chunk and a wave; these bound a whole file, and are the reader's
affair: who trusts a file can lift them. No encoder of ours exceeds them with a text.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmzip.container.records import Chunk, Wave
from llmzip.errors import LimitError

FREE_BYTES = 1 << 30
FREE_BYTES_PER_BYTE = 10_000
"""Without a limit of one's own a file may decode to a GiB, and so much more for each of its bytes.

LZMA reaches 7,090, the model on text far less. Only runs of the byte 0xFF exceed it, which mixing
codes in an empty payload: more than a GiB of little else wants --max-output. What the layouts of
groups supply, runs and copies, does not count.
"""

FREE_LAYOUT_BYTES_PER_BYTE = 1 << 20
"""The same with what layouts supply: a run of 16 MiB of one byte takes 17 bytes of file."""

FREE_TOKENS = 1 << 10
TOKENS_PER_PAYLOAD_BYTE = 1 << 12
"""What tokens a chunk may have for its payload. An encoder has to be sure of 512 tokens for each
bit to reach that, after a thousand that cost nothing."""


def is_plausible(chunk: Chunk) -> bool:
    """Return whether an encoder may have made a chunk of so many tokens in so few bytes."""
    return chunk.n_tokens <= FREE_TOKENS + TOKENS_PER_PAYLOAD_BYTE * len(chunk.payload)


def are_plausible(chunks: Sequence[Chunk]) -> bool:
    """Return whether all of `chunks` are."""
    return all(map(is_plausible, chunks))


def check_output(
    n_bytes: int, n_file_bytes: int, max_output: int | None, n_supplied: int | None = None
) -> None:
    """Raise LimitError where a file of so many bytes claims to decode to more than it may.

    max_output: in bytes; None leaves it to the size of the file.
    n_supplied: of `n_bytes` what layouts supply; None where that is not known.
    """
    if max_output is not None:
        if n_bytes > max_output:
            raise LimitError(
                f"the file decodes to {n_bytes:,} bytes or more, and --max-output allows "
                f"{max_output:,}: raise it if you trust the file"
            )
    elif _is_absurd(n_bytes, n_file_bytes, n_supplied):
        raise LimitError(
            f"{n_file_bytes:,} bytes of file decode to {n_bytes:,} bytes or more, which no text "
            "does: if you trust the file, say with --max-output SIZE how much it may be"
        )


def _is_absurd(n_bytes: int, n_file_bytes: int, n_supplied: int | None) -> bool:
    n_coded = 0 if n_supplied is None else n_bytes - n_supplied
    return (
        n_coded > FREE_BYTES + FREE_BYTES_PER_BYTE * n_file_bytes
        or n_bytes > FREE_BYTES + FREE_LAYOUT_BYTES_PER_BYTE * n_file_bytes
    )


class Claims:
    """What the waves of a file have claimed so far. max_output: as for check_output."""

    def __init__(self, max_output: int | None = None) -> None:
        self._max_output = max_output
        self._n_bytes = self._n_supplied = 0

    def admit(self, wave: Wave, n_file_bytes: int) -> None:
        """Take note of the next wave, `n_file_bytes` having been read.

        Raises LimitError if it claims more than the file may, or, where nobody has said what
        that is, if it holds a chunk that no encoder makes.
        """
        self._n_bytes += wave.n_bytes
        self._n_supplied += wave.n_bytes - wave.n_content
        check_output(self._n_bytes, n_file_bytes, self._max_output, self._n_supplied)
        if self._max_output is None:
            for chunk in wave.chunks:
                _check_plausible(chunk)


def _check_plausible(chunk: Chunk) -> None:
    if not is_plausible(chunk):
        raise LimitError(
            f"a chunk claims {chunk.n_tokens:,} tokens in {len(chunk.payload):,} bytes, which "
            "would take long to decode and which no encoder makes: if you trust the file, say "
            "with --max-output SIZE how much it may be"
        )
