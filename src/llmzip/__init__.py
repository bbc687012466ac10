"""Lossless text compression with a causal language model, exact on every machine.

import llmzip

packed = llmzip.compress("It was the best of times".encode())
assert llmzip.decompress(packed).decode() == "It was the best of times"
"""

import llmzip.safe_path  # noqa: F401 - before all others: it has its effect when imported

# isort: split
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
    ResumeError,
    SamplingError,
    TrailingError,
    TruncatedError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from llmzip.version import __version__

TYPE_CHECKING = False  # that of typing, whose import would be the longest part of this one
if TYPE_CHECKING:
    from llmzip.api import compress, decompress, explain, sample, score, unsample
    from llmzip.codec.score import Score
    from llmzip.compressor import Compressor
    from llmzip.decompressor import Decompressor
    from llmzip.explaining.explanation import Explanation
    from llmzip.file import LlmzFile, open
    from llmzip.incremental import LlmzCompressor, LlmzDecompressor
    from llmzip.looking import inspect, is_llmz
    from llmzip.message_codec import MessageCodec, make_profile
    from llmzip.messages.profile import Profile
    from llmzip.sampler import Sampler

__all__ = [
    "Compressor",
    "CorruptError",
    "Decompressor",
    "DeviceError",
    "DictionaryError",
    "Explanation",
    "FingerprintError",
    "FormatError",
    "LimitError",
    "LlmzCompressor",
    "LlmzDecompressor",
    "LlmzFile",
    "LlmzipError",
    "MessageCodec",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "ModelUnsupportedError",
    "NotLlmzError",
    "Profile",
    "ResumeError",
    "Sampler",
    "SamplingError",
    "Score",
    "TrailingError",
    "TruncatedError",
    "UnsupportedError",
    "UntrustedError",
    "UsageError",
    "__version__",
    "compress",
    "decompress",
    "explain",
    "inspect",
    "is_llmz",
    "make_profile",
    "open",
    "sample",
    "score",
    "unsample",
]

_HOMES = {
    "api": ("compress", "decompress", "explain", "sample", "score", "unsample"),
    "codec.score": ("Score",),
    "compressor": ("Compressor",),
    "decompressor": ("Decompressor",),
    "explaining.explanation": ("Explanation",),
    "file": ("LlmzFile", "open"),
    "incremental": ("LlmzCompressor", "LlmzDecompressor"),
    "looking": ("inspect", "is_llmz"),
    "message_codec": ("MessageCodec", "make_profile"),
    "messages.profile": ("Profile",),
    "sampler": ("Sampler",),
}
"""Where what is imported on first use lies."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the library when it is first used.

        The command line imports this package before anything of its own can run, and should
        come soon to where it says what Ctrl-C does.
        """
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"llmzip.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
