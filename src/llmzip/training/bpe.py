"""A vocabulary of one's own: byte-level BPE, which writes any bytes, learnt from the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmzip.models.load import END_OF_TEXT
from llmzip.training.texts import Sample

MOST_BYTES = 1 << 25
"""Of text that a vocabulary is learnt from, all texts together: more of it changes little."""
_PIECE_BYTES = 1 << 20


def train_tokenizer(samples: Sequence[Sample], vocab_size: int) -> str:
    """Return the tokenizer.json of a vocabulary of so many tokens, fewer if texts hold fewer.

    Token 0 stands between texts, and all 256 bytes are tokens. The same texts give the same
    vocabulary, and what is held out has no part in it.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_pieces(samples), trainer)
    return str(tokenizer.to_str())


def _pieces(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield the beginnings of training parts, each with its share of MOST_BYTES, piece by piece.

    Pieces are not lines: what spaces follow a line's end is part of how text looks.
    """
    total = sum(len(sample.trained) for sample in samples)
    for sample in samples:
        n_bytes = len(sample.trained)
        most = min(n_bytes, MOST_BYTES * n_bytes // max(total, 1))
        for at in range(0, most, _PIECE_BYTES):
            piece = sample.trained[at : min(at + _PIECE_BYTES, most)]
            yield piece.decode("utf-8", "ignore")
