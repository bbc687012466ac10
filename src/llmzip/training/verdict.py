"""Whether it was worth it: held-out text by the model as it was, by the trained one, by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llmzip.compressor import Compressor
from llmzip.training.texts import Sample

MOST_BYTES = 200_000
"""Of held-out text that is compressed, all texts together."""
DICTIONARY_BYTES = 4_000
"""Of training text that --dict is given."""
WORTH = 0.97
"""A trained model whose files are larger than so many times the plain one's is not worth it."""
_ZSTD_DICTIONARY_BYTES = 110_000  # what `zstd --train` makes


@dataclass(frozen=True)
class Row:
    """What held-out text takes in one way; n_bytes: None where the way is not installed."""

    name: str
    n_bytes: int | None


@dataclass(frozen=True)
class Verdict:
    """The table. n_bytes: of the held-out text; names: of the rows for both models."""

    n_bytes: int
    rows: tuple[Row, ...]
    plain: int
    trained: int

    @property
    def is_worth_it(self) -> bool:
        """Whether the trained model is better by enough to be kept and passed on."""
        return self.trained <= WORTH * self.plain


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
    dictionary = _dictionary(samples)
    rows = []
    for model, name in ((base, "plain"), (trained, "trained")):
        for words, known in (("", None), (" with --dict", dictionary)):
            on_row(f"{name}{words}")
            made = compressor(model, known)
            size = sum(map(len, made.compress_many(texts)))
            rows.append(Row(f"{name}{words}", size))
    rows += [Row(name, size) for name, size in _classical(texts, samples)]
    plain, with_model = rows[0].n_bytes, rows[2].n_bytes
    assert plain is not None, "ours is always installed"
    assert with_model is not None, "likewise"
    return Verdict(sum(map(len, texts)), tuple(rows), plain, with_model)


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


def _classical(
    texts: Sequence[bytes], samples: Sequence[Sample]
) -> Iterator[tuple[str, int | None]]:
    import lzma

    yield "xz -9e", sum(len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) for text in texts)
    name = "zstd -19 with a trained dictionary"
    try:
        import zstandard
    except ImportError:
        yield name, None
        return
    known = _zstd_dictionary(samples)
    how = {"level": 19, "dict_data": known} if known is not None else {"level": 19}
    packer = zstandard.ZstdCompressor(**how)
    yield name if known else "zstd -19", sum(len(packer.compress(text)) for text in texts)


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
