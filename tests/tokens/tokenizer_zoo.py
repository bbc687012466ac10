"""Small tokenizers of every supported kind, trained on the spot."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from llmzip.models import gguf_tokens
from small_gemma import UNKNOWN, small_gemma

TEXT = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "    def round_trip(data: bytes) -> bytes:\n        return decode(encode(data))\n",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich; 中文 也 行。",
] * 20


def byte_level(alphabet: list[str], special: tuple[str, ...] = ("<|endoftext|>",)) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def full_byte_level() -> Tokenizer:
    return byte_level(pre_tokenizers.ByteLevel.alphabet())


def meddling_byte_level() -> Tokenizer:
    """Everything that could change text on its way, switched on."""
    tokenizer = full_byte_level()
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer.add_tokens([AddedToken("fox", lstrip=True, rstrip=True), "        "])
    tokenizer.add_special_tokens(["<|sep|>"])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    return tokenizer


def few_bytes() -> Tokenizer:
    """No token for most bytes, so escapes take several digits."""
    return byte_level([])


def sentencepiece_like() -> Tokenizer:
    """Llama's manner: `▁` for the space, and tokens for bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)],
        show_progress=False,
    )
    words = [f" {word}" for line in TEXT for word in line.split(" ")]
    tokenizer.train_from_iterator(words, trainer)
    # The trainer calls the byte tokens special; Llama's file lists none of them as added.
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [added for added in spec["added_tokens"] if added["content"] in special]
    return Tokenizer.from_str(json.dumps(spec))


def unigram() -> Tokenizer:
    """sentencepiece's other algorithm, behind a Metaspace, without byte tokens."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200,
        special_tokens=["<unk>", "<s>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def gemma_like() -> Tokenizer:
    """As a GGUF's vocabulary without merges is read."""
    return Tokenizer.from_str(gguf_tokens.tokenizer_json(*small_gemma(), UNKNOWN))


MAKERS: list[Callable[[], Tokenizer]] = [
    full_byte_level,
    meddling_byte_level,
    few_bytes,
    sentencepiece_like,
    unigram,
    gemma_like,
]
NAMES = [maker.__name__ for maker in MAKERS]


@functools.cache
def tokenizer_json(name: str) -> str:
    return str(MAKERS[NAMES.index(name)]().to_str())


def changed(name: str, **fields: Any) -> str:
    """Return the named tokenizer.json with top-level fields replaced."""
    return json.dumps(json.loads(tokenizer_json(name)) | fields)
