"""Drives one direction: plans runs and chunks, batches them, calls the rooms below."""

from llmzip.codec.decode import OnTrailing, decode_stream
from llmzip.codec.encode import encode_stream
from llmzip.codec.model import OpenedModel, OpenToDecode, OpenToEncode, Progress, Tokenizer, unseen
from llmzip.codec.recover import OpenToRecover, Recovery, recover_stream
from llmzip.codec.resume import resume_decoding, resume_encoding
from llmzip.codec.stats import Stats
from llmzip.codec.stitch import LostRange

__all__ = [
    "LostRange",
    "OnTrailing",
    "OpenToDecode",
    "OpenToEncode",
    "OpenToRecover",
    "OpenedModel",
    "Progress",
    "Recovery",
    "Stats",
    "Tokenizer",
    "decode_stream",
    "encode_stream",
    "recover_stream",
    "resume_decoding",
    "resume_encoding",
    "unseen",
]
