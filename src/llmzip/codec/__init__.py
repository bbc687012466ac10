"""Drives one direction: plans runs and chunks, batches them, calls the rooms below."""

from llmzip.codec.decode import decode_stream
from llmzip.codec.encode import encode_stream
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, Progress, Tokenizer, unseen
from llmzip.codec.resume import resume_decoding, resume_encoding
from llmzip.codec.stats import Stats

__all__ = [
    "OpenToDecode",
    "OpenToEncode",
    "OpenedModel",
    "Progress",
    "Stats",
    "Tokenizer",
    "decode_stream",
    "encode_stream",
    "resume_decoding",
    "resume_encoding",
    "unseen",
]
