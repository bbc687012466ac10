"""Compressors of others for short texts, as far as they are installed.

    pip install smaz-py3 unishox2-py3 pyshoco

They take text, not bytes, and none keeps an end: like bare messages they leave that to what
carries them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Codec = Callable[[bytes], bytes]

_MOST_BYTES = 1 << 16
"""Of a text: what unishox2 and shoco are given room for."""


@dataclass(frozen=True)
class Other:
    """A compressor that is there, and its way back."""

    name: str
    compress: Codec
    decompress: Codec


def others() -> Iterator[Other | str]:
    """Yield each, or the name of the package that is not installed."""
    for package, make in _MAKERS.items():
        try:
            yield make()
        except ImportError:
            yield package


def _brotli() -> Other:
    import brotli

    return Other("brotli -11", brotli.compress, brotli.decompress)


def _smaz() -> Other:
    import smaz  # type: ignore[import-not-found,unused-ignore]

    def decompress(code: bytes) -> bytes:
        return str(smaz.decompress(code)).encode()

    return Other("smaz", lambda text: bytes(smaz.compress(text.decode())), decompress)


def _unishox2() -> Other:
    import unishox2  # type: ignore[import-not-found,unused-ignore]

    def decompress(code: bytes) -> bytes:
        return str(unishox2.decompress(code, _MOST_BYTES)).encode()

    return Other("unishox2", lambda text: bytes(unishox2.compress(text.decode())[0]), decompress)


def _shoco() -> Other:
    """By its C functions: the package's own are for a Python before 3.10."""
    import pyshoco  # type: ignore[import-not-found,unused-ignore]

    library = ctypes.CDLL(pyshoco.__file__)

    def called(name: str, says_length: bool) -> Codec:
        function = getattr(library, name)
        function.restype = ctypes.c_size_t
        function.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2

        def call(data: bytes) -> bytes:
            room = ctypes.create_string_buffer(_MOST_BYTES)
            length = len(data) if says_length else 0  # of a text: up to its NUL
            n_bytes = function(data, length, room, _MOST_BYTES)
            return room.raw[:n_bytes]

        return call

    return Other("shoco", called("shoco_compress", False), called("shoco_decompress", True))


_MAKERS: dict[str, Callable[[], Other]] = {
    "brotli": _brotli,
    "smaz-py3": _smaz,
    "unishox2-py3": _unishox2,
    "pyshoco": _shoco,
}
