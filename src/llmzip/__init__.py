"""Lossless text compression with a causal language model, exact on every machine.

import llmzip

packed = llmzip.compress("It was the best of times".encode())
assert llmzip.decompress(packed).decode() == "It was the best of times"
"""

from llmzip.api import Compressor, Decompressor, compress, decompress, inspect
from llmzip.errors import (
    CorruptError,
    DeviceError,
    DictionaryError,
    FingerprintError,
    FormatError,
    LimitError,
    LlmzipError,
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    ModelUnsupportedError,
    NotLlmzError,
    TruncatedError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from llmzip.file import LlmzFile, open
from llmzip.incremental import LlmzCompressor, LlmzDecompressor
from llmzip.version import __version__

__all__ = [
    "Compressor",
    "CorruptError",
    "Decompressor",
    "DeviceError",
    "DictionaryError",
    "FingerprintError",
    "FormatError",
    "LimitError",
    "LlmzCompressor",
    "LlmzDecompressor",
    "LlmzFile",
    "LlmzipError",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "ModelUnsupportedError",
    "NotLlmzError",
    "TruncatedError",
    "UnsupportedError",
    "UntrustedError",
    "UsageError",
    "__version__",
    "compress",
    "decompress",
    "inspect",
    "open",
]
