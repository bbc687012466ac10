"""The row that codes an exact model's distributions by another range coder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmzip.bench.codec import Settings

if TYPE_CHECKING:
    from llmzip.exact.hidden import Hidden

Frequencies = NDArray[np.int64]

BLOCK = 256
"""Tokens whose frequencies are coded as one symbol before the token itself."""

_HEADER = np.dtype([("n_tokens", "<u4"), ("n_words", "<u4")])


class ConstrictionCodec:
    """The exact model's distributions, from its reference, coded by constriction.

    Independent of llmzip's coder and codec: encoder and decoder here share only the
    frequencies, the one by prefill, the other token by token, which is why they must be
    exact. A token is coded as its block of 256, then its place there, so that constriction's
    24-bit probabilities lose next to nothing. Each chunk costs 8 bytes and up to 4 of padding.

    Raises ImportError without constriction.
    """

    name = "constriction"

    def __init__(self, settings: Settings) -> None:
        import constriction

        self.model_bits: float | None = None
        self._queue = constriction.stream.queue
        self._categorical = constriction.stream.model.Categorical
        self._frequencies = _ExactFrequencies(settings)

    def compress(self, data: bytes) -> bytes:
        """Return the chunks of `data`, each with its header."""
        self.model_bits = 0.0
        pieces = self._frequencies.split(data)
        return b"".join(self._compress_piece(ids) for ids in pieces)

    def _compress_piece(self, ids: NDArray[np.int64]) -> bytes:
        encoder = self._queue.RangeEncoder()
        rows = self._frequencies.of_all(ids)
        for token, row in zip(ids.tolist(), rows, strict=True):
            self._encode(encoder, row, token)
        words = encoder.get_compressed().astype("<u4")
        header = np.array((len(ids), len(words)), dtype=_HEADER)
        return header.tobytes() + bytes(words.tobytes())

    def _encode(self, encoder: Any, row: Frequencies, token: int) -> None:
        assert self.model_bits is not None
        self.model_bits += float(np.log2(row.sum() / row[token]))
        block, place = divmod(token, BLOCK)
        encoder.encode(block, self._model(_block_sums(row)))
        encoder.encode(place, self._model(_block(row, block)))

    def decompress(self, packed: bytes) -> bytes:
        """Return what `compress` was given."""
        pieces = []
        while packed:
            header = np.frombuffer(packed, _HEADER, count=1)[0]
            stop = _HEADER.itemsize + 4 * int(header["n_words"])
            words = np.frombuffer(packed[_HEADER.itemsize : stop], "<u4")
            pieces.append(self._decompress_piece(words, int(header["n_tokens"])))
            packed = packed[stop:]
        return self._frequencies.join(pieces)

    def _decompress_piece(self, words: NDArray[np.uint32], n_tokens: int) -> list[int]:
        decoder = self._queue.RangeDecoder(words.astype(np.uint32))
        ids: list[int] = []
        for _ in range(n_tokens):
            row = self._frequencies.after(ids)
            block = int(decoder.decode(self._model(_block_sums(row))))
            place = int(decoder.decode(self._model(_block(row, block))))
            ids.append(block * BLOCK + place)
        return ids

    def _model(self, frequencies: Frequencies) -> Any:
        return self._categorical(frequencies / frequencies.sum(), perfect=False)


def _block_sums(row: Frequencies) -> Frequencies:
    return np.add.reduceat(row, np.arange(0, len(row), BLOCK))


def _block(row: Frequencies, index: int) -> Frequencies:
    return row[index * BLOCK : (index + 1) * BLOCK]


class _ExactFrequencies:
    """Whole distributions of an exact model, for all tokens of a chunk or for the next one."""

    def __init__(self, settings: Settings) -> None:
        import torch

        from llmzip.container import DEFAULT_OPTIONS
        from llmzip.exact.engines import make_engine
        from llmzip.exact.reference import Reference
        from llmzip.models import open_exact
        from llmzip.predict.devices import choose_device
        from llmzip.predict.windows import Window

        if settings.threads:
            torch.set_num_threads(settings.threads)
        opened = open_exact(settings.model, quiet=True)
        device = choose_device(settings.device)
        options = DEFAULT_OPTIONS
        self._window = Window.fit(
            options.window_tokens,
            options.carry_tokens,
            opened.model.shape.n_positions,
            opened.bos_id,
        )
        self._chunk_tokens = options.chunk_tokens
        self._tokenizer = opened.tokenizer
        self._engine = make_engine(opened.model, device, self._window.size)
        self._reference = Reference(opened.model, device)
        self._cache = self._engine.cache(1, self._window.size)

    def split(self, data: bytes) -> list[NDArray[np.int64]]:
        """Return the tokens of `data`, chunk by chunk."""
        pieces = self._tokenizer.split(self._tokenizer.encode(data), self._chunk_tokens)
        return [piece.astype(np.int64) for piece in pieces]

    def join(self, pieces: Sequence[Sequence[int]]) -> bytes:
        """Return the bytes of the tokens of all chunks."""
        return b"".join(self._tokenizer.decode(np.array(ids, dtype=np.int32)) for ids in pieces)

    def of_all(self, ids: NDArray[np.int64]) -> Iterator[Frequencies]:
        """Yield the distribution that predicts each of `ids`, by prefill."""
        for inputs, n_context in self._window.cut(ids):
            for first, hidden in self._prefill(inputs):
                for row in range(max(n_context - first, 0), len(hidden.scale)):
                    yield self._row(hidden, row)

    def after(self, ids: Sequence[int]) -> Frequencies:
        """Return the distribution of the token after `ids`, which grow by one from call to call."""
        if self._window.begins(len(ids)):
            inputs = self._window.inputs(np.array(ids, dtype=np.int64))
            for _, hidden in self._prefill(inputs):
                last = self._row(hidden, -1)
            return last
        at = len(ids) - self._window.start_of(len(ids))
        one = np.array([at], dtype=np.int64)
        token = np.array([[ids[-1]]], dtype=np.int64)
        return self._row(self._engine.forward(token, np.zeros(1, np.int64), one, self._cache), 0)

    def _prefill(self, inputs: NDArray[np.int64]) -> Iterator[tuple[int, Hidden[Any]]]:
        from llmzip.predict.batches import prefill

        return prefill(self._engine, self._cache, 0, inputs)

    def _row(self, hidden: Hidden[Any], row: int) -> Frequencies:
        import torch

        from llmzip.exact.tensors import TensorHidden

        index = row % len(hidden)
        one = hidden.part(slice(index, index + 1))
        one = TensorHidden(torch.as_tensor(one.q), torch.as_tensor(one.scale))
        with torch.inference_mode():
            frequencies: Frequencies = self._reference.frequencies(one)[0].cpu().numpy()
        return frequencies
