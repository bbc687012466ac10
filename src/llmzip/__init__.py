"""Lossless text compression with a causal language model, exact on every machine.

import llmzip

packed = llmzip.compress("It was the best of times".encode())
assert llmzip.decompress(packed).decode() == "It was the best of times"
"""

import llmzip.safe_path  # noqa: F401 - before all others: it has its effect when imported

# isort: split
from llmzip.api import Compressor, Decompressor, compress, decompress, inspect
from llmzip.errors import (
    CorruptError,
    DeviceError,
    DictionaryError,
    FingerprintError,
    FormatError,
    LlmzipError,
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    ModelUnsupportedError,
    NotLlmzError,
    TrailingError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from llmzip.version import __version__

__all__ = [
    "Compressor",
    "CorruptError",
    "Decompressor",
    "DeviceError",
    "DictionaryError",
    "FingerprintError",
    "FormatError",
    "LlmzipError",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "ModelUnsupportedError",
    "NotLlmzError",
    "TrailingError",
    "TruncatedError",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "compress",
    "decompress",
    "inspect",
]
