"""Whether it was worth it: held-out text by the model as it was, by the trained one, by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from llmzip.compressor import Compressor
from llmzip.training.texts import Sample

MOST_BYTES = 200_000
"""Of held-out text that is compressed, all texts together."""
DICTIONARY_BYTES = 4_000
"""Of training text that --dict is given."""
MESSAGE_BYTES, MOST_MESSAGE_BYTES = 200, 20_000
"""Of the same text in messages: how long each is, and all together."""
WORTH = 0.97
"""A trained model whose files are larger than so many times the plain one's is not worth it."""
_ZSTD_DICTIONARY_BYTES = 110_000  # what `zstd --train` makes


@dataclass(frozen=True)
class Row:
    """What held-out text takes in one way, whole and in messages of MESSAGE_BYTES, in bytes.

    None where the way is not installed.
    """

    name: str
    whole: int | None
    messages: int | None


@dataclass(frozen=True)
class Verdict:
    """The table. n_bytes, n_message_bytes: of the held-out text, and of what messages were cut."""

    n_bytes: int
    n_message_bytes: int
    rows: tuple[Row, ...]

    @property
    def plain(self) -> int:
        """What the model as it was makes of it, in bytes."""
        return self.rows[0].whole or 0

    @property
    def is_worth_it(self) -> bool:
        """Whether the trained model is better by enough to be kept and passed on."""
        trained = next(row.whole for row in self.rows if row.name == "trained")
        return trained is not None and trained <= WORTH * self.plain


def verdict(
    samples: Sequence[Sample],
    base: str,
    trained: str,
    compressor: Callable[[str, bytes | None], Compressor],
    on_row: Callable[[str], None],
) -> Verdict:
    """Compress held-out text in every way.

    base, trained: names of the models. compressor: makes one, of a model and a dictionary.
    on_row: told what is measured next.
    """
    texts = list(_held_out(samples))
    messages = _messages(texts)
    dictionary = _dictionary(samples)
    rows = []
    for model, name in ((base, "plain"), (trained, "trained")):
        for words, known in (("", None), (" with --dict", dictionary)):
            on_row(f"{name}{words}")
            made = compressor(model, known)
            sizes = (sum(map(len, made.compress_many(these))) for these in (texts, messages))
            rows.append(Row(f"{name}{words}", *sizes))
    rows += _classical(texts, messages, samples)
    return Verdict(sum(map(len, texts)), sum(map(len, messages)), tuple(rows))


def _held_out(samples: Sequence[Sample]) -> Iterator[bytes]:
    """Yield the beginnings of held-out parts, each with its share of MOST_BYTES."""
    total = sum(len(sample.held_out) for sample in samples)
    for sample in samples:
        most = min(len(sample.held_out), MOST_BYTES * len(sample.held_out) // max(total, 1))
        if most:
            yield sample.held_out[:most]


def _dictionary(samples: Sequence[Sample]) -> bytes:
    """Return the ends of training parts, an even share of each."""
    share = max(DICTIONARY_BYTES // len(samples), 1)
    ends = [sample.trained[-share:] for sample in samples[:DICTIONARY_BYTES]]
    return b"".join(end[end.find(b"\n") + 1 :] or end for end in ends)


def _messages(texts: Sequence[bytes]) -> list[bytes]:
    """Return the beginning of texts in messages."""
    text = b"".join(texts)[:MOST_MESSAGE_BYTES]
    return [text[at : at + MESSAGE_BYTES] for at in range(0, len(text), MESSAGE_BYTES)]


def _classical(
    texts: Sequence[bytes], messages: Sequence[bytes], samples: Sequence[Sample]
) -> Iterator[Row]:
    import lzma

    yield _row("xz -9e", partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME), texts, messages)
    name = "zstd -19 with a trained dictionary"
    try:
        import zstandard
    except ImportError:
        yield Row(name, None, None)
        return
    known = _zstd_dictionary(samples)
    if known is None:
        yield _row("zstd -19", zstandard.ZstdCompressor(level=19).compress, texts, messages)
    else:
        packer = zstandard.ZstdCompressor(level=19, dict_data=known)
        yield _row(name, packer.compress, texts, messages)


def _row(
    name: str,
    compress: Callable[[bytes], bytes],
    texts: Sequence[bytes],
    messages: Sequence[bytes],
) -> Row:
    whole, small = (sum(len(compress(one)) for one in these) for these in (texts, messages))
    return Row(name, whole, small)


def _zstd_dictionary(samples: Sequence[Sample]):  # type: ignore[no-untyped-def]
    """Return what zstd learns of the same training text in pieces; None if that is too little."""
    import zstandard

    text = b"".join(sample.trained for sample in samples)
    pieces: list[bytes | bytearray | memoryview[int]] = [
        text[at : at + 1024] for at in range(0, len(text), 1024)
    ]
    try:
        return zstandard.train_dictionary(_ZSTD_DICTIONARY_BYTES, pieces)
    except zstandard.ZstdError:
        return None
