"""Bytes to token ids and back, lossless for any bytes."""

from llmzip.tokens.table import TokenTable
from llmzip.tokens.tokenizer import ByteTokenizer

__all__ = ["ByteTokenizer", "TokenTable"]
