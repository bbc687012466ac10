"""Whether it was worth it: held-out text by the model as it was, by the trained one, by others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from llmzip.compressor import Compressor
from llmzip.decompressor import Decompressor
from llmzip.errors import VerifyError
from llmzip.message_codec import MessageCodec
from llmzip.training.texts import Sample

MOST_BYTES = 100_000
"""Of held-out text that is compressed, all texts together."""
DICTIONARY_BYTES = 4_000
"""Of training text that --dict is given."""
MESSAGE_BYTES, MOST_MESSAGE_BYTES = 200, 20_000
"""Of the same text in messages: how long each is, and all together."""
WORTH = 0.97
"""A trained model whose files are larger than so many times its rival's is not worth it."""
PLAIN, TRAINED = "plain", "trained"
UNAIDED, DEFAULT = "llmzip without a model", "llmzip default model"
WITH_DICTIONARY = " with --dict"
_ZSTD_DICTIONARY_BYTES = 110_000  # what `zstd --train` makes
_WARM_UP_BYTES = 2_000


@dataclass(frozen=True)
class Speeds:
    """How fast held-out text goes both ways, in units of 1,000 bytes of it a second."""

    compress_kb_per_s: float
    decompress_kb_per_s: float


@dataclass(frozen=True)
class Row:
    """What held-out text takes in one way, whole and in messages of MESSAGE_BYTES, in bytes.

    Messages by a model are bare, as `llmzip message` makes them. None where the way is not
    installed; speeds where they were measured.
    """

    name: str
    whole: int | None
    messages: int | None
    speeds: Speeds | None = None


@dataclass(frozen=True)
class Verdict:
    """The table. n_bytes, n_message_bytes: of the held-out text, and of what messages were cut."""

    n_bytes: int
    n_message_bytes: int
    rows: tuple[Row, ...]

    @property
    def plain(self) -> int | None:
        """What the model as it was makes of it, in bytes; None if there was none."""
        return next((row.whole for row in self.rows if row.name == PLAIN), None)

    @property
    def rival(self) -> Row:
        """What the trained model is to beat: it as it was, else the best that needs no model."""
        ours = (TRAINED, TRAINED + WITH_DICTIONARY, DEFAULT)
        rows = [row for row in self.rows if row.whole is not None and row.name not in ours]
        return rows[0] if self.plain is not None else min(rows, key=lambda row: row.whole or 0)

    @property
    def is_worth_it(self) -> bool:
        """Whether the trained model is better by enough to be kept and passed on."""
        trained = next(row.whole for row in self.rows if row.name == TRAINED)
        return trained is not None and trained <= WORTH * (self.rival.whole or 0)


@dataclass(frozen=True)
class Ways:
    """What makes compressors and codecs of messages, of a model and a dictionary; decompressors.

    on_row: told what is measured next.
    """

    compressor: Callable[[str, bytes | None], Compressor]
    message_codec: Callable[[str, bytes | None], MessageCodec]
    decompressor: Callable[[str], Decompressor]
    on_row: Callable[[str], None]


class _Measuring:
    """Held-out text, whole and in messages, and how it is compressed."""

    def __init__(self, samples: Sequence[Sample], ways: Ways) -> None:
        self._samples, self._ways = samples, ways
        self.texts = list(_held_out(samples))
        self.messages = _messages(self.texts)

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Return the table of these rows and those of other compressors."""
        n_bytes, n_message_bytes = (sum(map(len, these)) for these in (self.texts, self.messages))
        return Verdict(n_bytes, n_message_bytes, (*rows, *self._classical()))

    def by_model(self, name: str, model: str, has_dictionary: bool = False) -> Row:
        """Return the row of a model."""
        name += WITH_DICTIONARY * has_dictionary
        self._ways.on_row(name)
        dictionary = _dictionary(self._samples) if has_dictionary else None
        files = self._ways.compressor(model, dictionary).compress_many(self.texts)
        whole = sum(map(len, files))
        with self._ways.message_codec(model, dictionary) as codec:
            return Row(name, whole, sum(map(len, codec.encode_many(self.messages))))

    def speeds(self, model: str) -> Speeds:
        """Return how fast a model is; what is made once is made before.

        Raises: VerifyError if text does not come back.
        """
        packer, unpacker = self._ways.compressor(model, None), self._ways.decompressor(model)
        warm_up = [self.texts[0][:_WARM_UP_BYTES]]
        list(unpacker.decompress_many(packer.compress_many(warm_up)))
        times_s = [time.monotonic()]
        files = list(packer.compress_many(self.texts))
        times_s.append(time.monotonic())
        if list(unpacker.decompress_many(files)) != self.texts:
            raise VerifyError("held-out text does not come back as it was: please report this")
        times_s.append(time.monotonic())
        kilobytes = sum(map(len, self.texts)) / 1e3
        return Speeds(kilobytes / (times_s[1] - times_s[0]), kilobytes / (times_s[2] - times_s[1]))

    def unaided(self) -> Row:
        """Return what llmzip makes of text when a model is of no help."""
        from llmzip.codec.classical import classical_chunk

        return self._row(UNAIDED, lambda text: classical_chunk(text).payload)

    def _classical(self) -> Iterator[Row]:
        from llmzip.bench.classical import ppmd_row, xz_row

        for make in (xz_row, ppmd_row):
            with suppress(ImportError):
                codec = make()
                yield self._row(codec.name, codec.compress)
        name = "zstd -19 with a trained dictionary"
        try:
            import zstandard
        except ImportError:
            yield Row(name, None, None)
            return
        known = _zstd_dictionary(self._samples)
        if known is None:
            yield self._row("zstd -19", zstandard.ZstdCompressor(level=19).compress)
        else:
            packer = zstandard.ZstdCompressor(level=19, dict_data=known)
            yield self._row(name, packer.compress)

    def _row(self, name: str, compress: Callable[[bytes], bytes]) -> Row:
        whole, small = (
            sum(len(compress(one)) for one in these) for these in (self.texts, self.messages)
        )
        return Row(name, whole, small)


def verdict(samples: Sequence[Sample], base: str, trained: str, ways: Ways) -> Verdict:
    """Compress held-out text in every way. base, trained: names of the models."""
    measuring = _Measuring(samples, ways)
    return measuring.verdict(
        [
            measuring.by_model(name, model, has_dictionary)
            for name, model in ((PLAIN, base), (TRAINED, trained))
            for has_dictionary in (False, True)
        ]
    )


def scratch_verdict(
    samples: Sequence[Sample], trained: str, default: str | None, ways: Ways
) -> Verdict:
    """Compress held-out text in every way, and by a model from scratch both ways, for its speed.

    default: name of the default model, if it is to be compared with.

    Raises: VerifyError if text does not come back.
    """
    measuring = _Measuring(samples, ways)
    rows = [] if default is None else [measuring.by_model(DEFAULT, default)]
    rows.append(replace(measuring.by_model(TRAINED, trained), speeds=measuring.speeds(trained)))
    rows += [measuring.by_model(TRAINED, trained, True), measuring.unaided()]
    return measuring.verdict(rows)


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
