"""What counts as bytes: anything with the buffer protocol, as for lzma and its like."""

from __future__ import annotations


def as_bytes(data: object) -> memoryview:
    """Return the bytes of `data`: bytes, bytearray, mmap, array, a numpy array, ...

    Raises TypeError, naming the type, for what has no buffer.
    """
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__}") from None
    if not view.nbytes:
        return memoryview(b"")  # a view of no elements cannot be cast
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
