"""What counts as bytes: anything with the buffer protocol, as for lzma and its like."""

from __future__ import annotations

import io


def as_bytes(data: object) -> memoryview:
    """Return the bytes of `data`: bytes, bytearray, mmap, array, a numpy array, ...

    Those of a view with gaps come in the order of its elements. Raises TypeError, naming the
    type, for what has no buffer, and for an array of Python's objects.
    """
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__}") from None
    except ValueError:  # numpy has no format for times, but their bytes
        copied = io.BytesIO()
        copied.write(data)  # type: ignore[arg-type]
        view = copied.getbuffer()
    if view.format == "O":
        raise TypeError("an array of objects holds pointers, no data: convert it to bytes first")
    if not view.nbytes:
        return memoryview(b"")  # a view of no elements cannot be cast
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def as_stream(data: object) -> io.BytesIO:
    """Return a stream of the bytes of `data`; those of a bytes object are not copied."""
    return io.BytesIO(data if isinstance(data, bytes) else as_bytes(data))
