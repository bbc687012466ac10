"""Room in memory, asked for before libraries that end the process where they find none."""

from __future__ import annotations

import mmap

ROOM_BYTES = 256 << 20
"""What opening the smallest model takes, with threads and libraries that are loaded for it."""


def require_room(n_bytes: int = ROOM_BYTES) -> None:
    """Raise MemoryError where so much more would not be given, as under `ulimit -v`.

    None of it is kept, and no page of it touched. The tokenizers library, for one, aborts where
    there is too little, with words of its own.
    """
    try:
        mmap.mmap(-1, n_bytes).close()
    except OSError as exc:
        raise MemoryError(f"{n_bytes:,} bytes are not to be had") from exc
